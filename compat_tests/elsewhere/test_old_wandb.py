"""Trainings with older wandbs, Pythons and protobufs, mirrored from an environment of today: equal to wandb's own log."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from compat_tests.conftest import Recorded, clean_environment, wait_for_mirrors
from compat_tests.installations import interpreter
from wandb_swan.capture.interpreter import started_from_here

pytestmark = [pytest.mark.slow, pytest.mark.live]

TRAINERS = [  # wandb, Python, protobuf
    ("0.13.11", "3.8", "3.20.3"),
    ("0.14.2", "3.9", "4.21.12"),
    ("0.15.12", "3.10", "4.25.8"),
    ("0.16.6", "3.11", "4.25.8"),
    ("0.17.9", "3.8", "3.20.3"),
    ("0.17.9", "3.11", "5.29.5"),
    ("0.18.7", "3.9", "5.29.5"),
    ("0.19.1", "3.10", "3.20.3"),
    ("0.19.9", "3.12", "5.29.5"),
]
PROGRAMS = int(os.environ.get("WANDB_SWAN_TEST_PROGRAMS", "8"))
EVERYTHING = """
import numpy as np
import wandb
run = wandb.init(project="everything", id="whole", name="all", notes="n", tags=["x", "y"], group="g",
                 config={"lr": 0.5, "deep": {"er": [1, None]}, "nan": float("nan"), "inf": float("inf")})
run.define_metric("epoch")
run.define_metric("val/*", step_metric="epoch")
for i in range(6):
    run.log({"loss": 1 / (i + 1), "epoch": i // 2, "val/acc": i / 6, "nested": {"a": i, "b": {"c": i}}})
picture = wandb.Image(np.full((4, 4, 3), 9, dtype=np.uint8), caption="four")
run.log({"picture": picture, "pictures": [picture, picture], "histogram": wandb.Histogram([1, 2, 2, 3]),
         "html": wandb.Html("<p>x</p>")})
if not wandb.__version__.startswith(("0.18.", "0.19.1")):  # they ask W&B's server about tables, offline too, for minutes
    run.log({"table": wandb.Table(columns=["x", "y"], data=[[1, 2.0], [3, None]])})
    run.log({"chart": wandb.plot.line(wandb.Table(columns=["x", "y"], data=[[1, 2], [3, 4]]), "x", "y", title="t")})
run.summary["best"] = 11
print("hello from the console")
raise ValueError("its end")
"""

BEGUN = """
import wandb
run = wandb.init(project="p", id="begun", config={"lr": 0.5})
run.log({"loss": 0.0})
run.log({"loss": 1.0})
import wandb_swan
wandb_swan.sync_wandb(mode="offline")
for i in range(2, 6):
    run.log({"loss": float(i)})
run.summary["best"] = 5
run.finish()
"""
KEPT_OFFLINE = """
import wandb_swan as wandb
off = wandb.init(project="p", id="off", mode="disabled")
off.log({"loss": 1})
off.finish()
run = wandb.init(project="p", id="kept", mode="online", wandb_run=False)
assert run.settings._offline if hasattr(run.settings, "_offline") else run.settings.mode == "offline"
run.log({"loss": 1})
run.finish()
"""


@pytest.fixture(scope="session", params=TRAINERS, ids=lambda made: "wandb{}-py{}-protobuf{}".format(*made))
def trainer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with wandb and what that needs, and nothing of ours."""
    wandb, python, protobuf = request.param
    folder = tmp_path_factory.mktemp("trainer")
    uv = str(Path(sys.executable).with_name("uv"))
    subprocess.run([uv, "venv", "-q", "--python", interpreter(python), folder / "venv"], check=True)
    wanted = [f"wandb=={wandb}", f"protobuf=={protobuf}", "numpy<2", "pillow<11", "setuptools<70", "click<8.2"]
    place = folder / "venv" / "bin" / "python"
    subprocess.run([uv, "pip", "install", "-q", "--python", place, *wanted, "urllib3<2"], check=True)
    return place


def train(trainer: Path, folder: Path, *arguments: str | Path, expect: int = 0, **variables: str) -> Recorded:
    """Runs a program there as `wandb-swan run` does, the mirror from here."""
    home = folder / "home"
    home.mkdir(parents=True)
    there = {"WANDB_SWAN_MODE": "offline", **started_from_here({}), **variables}
    done = subprocess.run(
        [trainer, *arguments],
        cwd=folder,
        env=clean_environment(home, WANDB_CONSOLE="wrap", **there),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == expect, done.stdout[-2000:] + done.stderr[-3000:]
    wait_for_mirrors(folder)
    return Recorded(folder, done.returncode, done.stdout, done.stderr)


def test_everything(trainer: Path, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(EVERYTHING)
    result = train(trainer, tmp_path, "train.py", expect=1)
    _, swan = result.pair()
    assert {"picture", "pictures", "histogram", "html"} <= set(swan.media)
    assert swan.scalars["nested.b.c" if "nested.b.c" in swan.scalars else "nested/b/c"] == {i: i for i in range(6)}
    assert swan.state == "crashed" and "hello from the console" in swan.console()
    (status,) = result.statuses
    assert status["self_check"]["differences"] == status["self_check"]["rows_added_from_log"] == 0, result.explain()


@pytest.mark.parametrize("service", [True, False], ids=["service", "no service"])
def test_the_step_rule_is_that_of_its_core(trainer: Path, tmp_path: Path, service: bool) -> None:
    """Live steps are right, not put right from wandb's log."""
    without = {} if service else {"WANDB_DISABLE_SERVICE": "true"}
    result = train(trainer, tmp_path, Path(__file__).with_name("programs.py"), "0", str(PROGRAMS), **without)
    assert len(result.pairs()) == PROGRAMS
    wrong = [s["run_id"] for s in result.statuses if s["self_check"]["differences"] or s["superseded"]]
    assert not wrong, result.explain()


def test_a_run_that_goes_on_already(trainer: Path, tmp_path: Path) -> None:
    """`sync_wandb()` after `wandb.init()`, where nothing was tapped before: the run is mirrored from its beginning."""
    (tmp_path / "train.py").write_text(BEGUN)
    _, swan = train(trainer, tmp_path, "train.py", WANDB_SWAN="").pair()
    assert swan.state == "finished" and swan.scalars["loss"] == {i: float(i) for i in range(6)}


def test_what_must_not_be_uploaded_is_not(trainer: Path, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(KEPT_OFFLINE)
    assert set(train(trainer, tmp_path, "train.py").pairs()) == {"kept"}
