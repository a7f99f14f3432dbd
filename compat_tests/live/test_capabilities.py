"""Other SwanLabs than the installed one: what fits is used, what is missing is named, and what it costs is counted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from compat_tests.conftest import Record, Recorded, clean_environment
from compat_tests.servers.swanlab_cloud import SwanLabCloud
from compat_tests.stores import SwanStore, assert_same_values
from compat_tests.swanlabs.copies import with_moved_batches, with_protocol_core, with_renamed
from wandb_swan.versions import below

pytestmark = pytest.mark.live

COMMAND = Path(sys.executable).with_name("wandb-swan")
TRAIN = """
import numpy
import wandb_swan as wandb
run = wandb.init(project="p", config={"lr": 0.1, "nothing": None})
run.define_metric("loss", step_metric="epoch")
for i in range(5):
    run.log({"loss": 1 / (i + 1), "epoch": i // 2, "word": f"at {i}"})
run.log({"picture": wandb.Image(numpy.zeros((4, 4, 3), dtype="uint8"))})
print("seen on the console")
run.finish()
"""


KEEPS_BATCHES = not below("swanlab", (0, 10, 3))
OF_ANOTHER_SWANLAB = pytest.mark.live if KEEPS_BATCHES else pytest.mark.quick
"""Quick where the matrix has another SwanLab than the newest."""


def lost(result: Recorded) -> dict[str, int]:
    """Reason -> how many values, of the run's status."""
    counts: dict[str, int] = {}
    for item in result.statuses[-1]["not_mirrored"]:
        counts[item["reason"]] = counts.get(item["reason"], 0) + item["count"]
    return counts


def command(folder: Path, environment: dict[str, str], *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [COMMAND, *arguments],
        cwd=folder,
        env=clean_environment(folder / "home", **environment),
        capture_output=True,
        text=True,
        timeout=200,
        stdin=subprocess.DEVNULL,
    )
    return done.returncode, done.stdout + done.stderr


@OF_ANOTHER_SWANLAB
def test_what_the_installed_swanlab_lacks(record: Record) -> None:
    """Nothing, or what came later; values, their times and the console are whole, and what it costs is counted."""
    hidden = 'run.define_metric("aside", hidden=True)\nrun.log({"aside": 1})\nprint('
    result = record(TRAIN.replace("print(", hidden))
    wandb, swan = result.pair()
    assert_same_values(wandb, swan)
    assert [line.line for line in swan.lines] == ["seen on the console"]
    cost = {"chart axes": 2} if below("swanlab", (0, 10)) else {}
    assert cost or (swan.columns["loss"].x_axis == "epoch" and swan.columns["aside"].hidden)
    lacking = set() if KEEPS_BATCHES else {*cost, "kept batches"}
    assert {name for name, told in result.statuses[-1]["capabilities"].items() if told != "ok"} == lacking
    assert set(swan.about["capabilities"]) == lacking if lacking else swan.about["capabilities"] == "all"
    assert {reason.split("lacks ")[1].split(":")[0]: count for reason, count in lost(result).items()} == cost


@OF_ANOTHER_SWANLAB
def test_the_installed_swanlab_online(record: Record, tmp_path: Path) -> None:
    """All of it is there; where SwanLab may have dropped a batch, the journal stays, and that is said."""
    with SwanLabCloud() as cloud:
        (tmp_path / "home").mkdir()
        result = record(TRAIN, **cloud.env(tmp_path / "home"))
        (experiment,) = cloud.experiments
    assert not cloud.unknown and experiment.state == "FINISHED"
    assert len(experiment.scalars["loss"]) == 5 and experiment.lines == ["seen on the console"]
    assert [len(experiment.media[key]) for key in ("word", "picture")] == [5, 1]
    assert len(list(result.dir.glob("swanlog/journals/*.journal"))) == (0 if KEEPS_BATCHES else 1)
    assert KEEPS_BATCHES or "kept batches" in result.statuses[-1]["only_copy"]


def test_a_core_of_its_protocol_alone(record: Record, tmp_path: Path) -> None:
    """Everything arrives; what is lost is told."""
    environment = with_protocol_core(tmp_path / "another")
    result = record(TRAIN, **environment)
    wandb, swan = result.pair()
    assert_same_values(wandb, swan)
    assert [line.line for line in swan.lines] == ["seen on the console"]
    assert swan.columns["loss"].x_axis == "epoch"
    assert swan.state == "finished" and list(swan.media["picture"]) == [5]
    missing = {name for name, told in result.statuses[-1]["capabilities"].items() if told != "ok"}
    assert missing == {"store errors", "bulk encoding", "kept batches", "experiment state", "continuation"}
    assert set(swan.config["wandb_run"]["capabilities"]) == missing
    assert lost(result) == {}, "none of these costs a value of an offline run"
    code, told = command(tmp_path, environment, "doctor")
    assert code == 0 and told.count("limited") == 5 and "not ok" not in told, told


def test_a_swanlab_whose_batches_are_out_of_reach(record: Record, tmp_path: Path) -> None:
    """The public `run.log` keeps the values; times, axes and lines are counted wherever something is said of the run."""
    environment = with_moved_batches(tmp_path / "another")
    result = record(TRAIN, **environment)
    wandb, swan = result.pair()
    wandb.timestamps = dict.fromkeys(wandb.rows, 0.0)
    assert_same_values(wandb, swan)
    counts = {reason.split("lacks ")[1].split(":")[0]: count for reason, count in lost(result).items()}
    assert counts == {"point times": 16, "chart axes": 1, "console lines": 1}
    (line,) = [line for line in result.stderr.splitlines() if "SwanLab run saved" in line]
    assert "18 values could not be kept there as they were" in line and "point times" in line, line
    told = swan.config["wandb_run"]
    assert {"point times", "chart axes", "console lines"} <= set(told["capabilities"])
    assert sum(item["count"] for item in told["not_mirrored"]) == 18
    assert not result.statuses[-1]["counts"].get("lines"), "a line that nobody has is not counted as written"
    code, told = command(tmp_path, environment, "doctor")
    assert code == 0 and "no console lines" in told and "no point times" in told, told


@pytest.mark.parametrize(
    ("name", "lost_capability", "count"),
    [("upsert_logs", "console lines", 1), ("upsert_columns", "chart axes", 1), ("upsert_media", "point times", 6)],
)
def test_a_part_of_the_protocol_has_moved(
    record: Record, tmp_path: Path, name: str, lost_capability: str, count: int
) -> None:
    """It costs itself alone."""
    result = record(TRAIN, **with_renamed(tmp_path / "another", name))
    wandb, swan = result.pair()
    counts = {reason.split("lacks ")[1].split(":")[0]: number for reason, number in lost(result).items()}
    assert counts == {lost_capability: count}
    if name == "upsert_media":
        assert len(swan.media["word"]) == 5 and list(swan.media["picture"]) == [5]
        wandb.timestamps = dict.fromkeys(wandb.rows, 0.0)
    assert_same_values(wandb, swan)
    assert [line.line for line in swan.lines] == ([] if name == "upsert_logs" else ["seen on the console"])


def test_a_conversion_without_batches_is_not_whole(record: Record, tmp_path: Path) -> None:
    record(TRAIN, WANDB_SWAN="0")
    environment = with_moved_batches(tmp_path / "another")
    arguments = ("convert", "-t", "wandb-local", "--mode", "offline", "--log-dir", "converted", "--report", "r.json")
    code, told = command(tmp_path / "work", environment, *arguments, "--strict")
    assert code == 1, told
    assert "not carried over" in told and "point times" in told and "console lines" in told, told
    (run,) = json.loads((tmp_path / "work" / "r.json").read_text())["runs"]
    assert {"point times", "console lines", "chart axes"} <= {
        lost["reason"].split("lacks ")[1].split(":")[0] for lost in run["lost"]
    }
    (folder,) = (tmp_path / "work" / "converted").glob("run-*")
    assert len(SwanStore.read(folder).scalars["loss"]) == 5


def test_online_with_a_core_of_its_protocol_alone(record: Record, tmp_path: Path) -> None:
    """Whether SwanLab's cloud has taken everything is not known then: the journal stays, and that is said."""
    environment = with_protocol_core(tmp_path / "another")
    with SwanLabCloud() as cloud:
        (tmp_path / "home").mkdir()
        result = record(TRAIN, **environment, **cloud.env(tmp_path / "home"))
        (experiment,) = cloud.experiments
    assert len(experiment.scalars["loss"]) == 5 and experiment.state == "FINISHED"
    assert result.statuses[-1]["state"] == "finished"
    assert "kept batches" in result.statuses[-1]["only_copy"]
    assert len(list(result.dir.glob("swanlog/journals/*.journal"))) == 1
    assert {reason.split("lacks ")[1].split(":")[0] for reason in lost(result)} == {
        "kept batches",
        "experiment state",
        "continuation",
    }


@pytest.mark.parametrize("low", ["wandb", "swanlab", "pydantic"])
def test_what_is_below_the_declared_versions_is_red(tmp_path: Path, low: str) -> None:
    info = tmp_path / "old" / f"{low}-0.6.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {low}\nVersion: 0.6.0\n")
    code, told = command(tmp_path, {"PYTHONPATH": str(tmp_path / "old")}, "doctor")
    assert code == 1 and f"{low} 0.6.0 is below" in told, told


@pytest.mark.slow
def test_the_quick_suite_passes_with_a_core_of_its_protocol_alone(tmp_path: Path) -> None:
    environment = with_protocol_core(tmp_path / "another")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-m", "quick", "-p", "no:cacheprovider", str(Path(__file__).parent)],
        env=clean_environment(tmp_path, **environment),
        cwd=Path(__file__).parent.parent.parent,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout[-5000:]
