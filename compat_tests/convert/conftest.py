"""Real wandb runs made once, and `wandb-swan` as a user types it."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import wandb

from compat_tests.conftest import clean_environment
from compat_tests.live.cases import CASES, NAMES
from compat_tests.servers.swanlab_cloud import SwanLabCloud
from compat_tests.stores import SwanStore

if TYPE_CHECKING:
    from compat_tests.servers.wandb_cloud import WandbCloud

READS_EXPORTS = "use_cache" in signature(wandb.apis.public.Run.scan_history).parameters
"""From 0.27 wandb's client reads a history from parquet exports, whose rows say null for what is not there."""

LAG = 6.0
"""Seconds until the loopback SwanLab counts what it got, as the real one does."""

EVERYTHING = """
import numpy as np
run = wandb.init(project="a project", id="whole", name="everything", notes="n" * 2000, tags=["x", "y"], group="g",
                 job_type="train", config={"lr": 0.5, "text": "0.5", "deep": {"er": [1, None]}})
run.define_metric("epoch")
run.define_metric("val/*", step_metric="epoch")
for i in range(6):
    run.log({"loss": 1 / (i + 1), "epoch": i // 2, "val/acc": i / 6})
run.log({"picture": wandb.Image(np.full((4, 4, 3), 9, dtype=np.uint8), caption="four"),
         "table": wandb.Table(columns=["x", "y"], data=[[1, 2.0], [3, None]]),
         "histogram": wandb.Histogram([1, 2, 2, 3])})
table = wandb.Table(columns=["x", "y"], data=[[1, 2], [3, 4]])
run.log({"chart": wandb.plot.line(table, "x", "y", title="t")})
run.log({"note": "hello", "list": [1, 2]}, step=20)
run.summary["best"] = 11
run.alert("title", "text")
(__import__("pathlib").Path(run.dir) / "weights.bin").write_bytes(b"w" * 3000)
run.save("weights.bin")
artifact = wandb.Artifact("data", "dataset")
with artifact.new_file("rows.txt") as file:
    file.write("1 2")
run.log_artifact(artifact)
print("hello from the console")
run.finish()
"""


def train(folder: Path, script: str, **env: str | None) -> Path:
    """Runs a script with plain wandb; returns its wandb/ folder."""
    folder.mkdir(parents=True, exist_ok=True)
    home = folder / "home"
    home.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", "import wandb\n" + textwrap.dedent(script)],
        cwd=folder,
        env=clean_environment(home, **{"WANDB_X_DISABLE_STATS": "true", **env}),
        capture_output=True,
        text=True,
        timeout=280,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder / "wandb"


def run_dirs(wandb: Path) -> dict[str, Path]:
    """Run id -> run folder, of a wandb/ folder with one log for each id."""
    return {
        log.stem.removeprefix("run-"): log.parent
        for log in sorted(wandb.glob("*/run-*.wandb"))
        if not log.parent.is_symlink()
    }


@pytest.fixture(scope="session")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wandb/ folder with a run for every way to log, and one with everything else."""
    script = f"""{CASES}
for name in {NAMES!r}:
    run = wandb.init(project="values", id=name.replace("_", "0"), name=name)
    globals()[name](run)
    run.finish()
{EVERYTHING}
"""
    return train(tmp_path_factory.mktemp("cases"), script)


@dataclass
class Cli:
    """`wandb-swan`, in a folder of its own."""

    dir: Path
    env: dict[str, str]

    def start(self, *args: str | Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [Path(sys.executable).with_name("wandb-swan"), *map(str, args)],
            cwd=self.dir,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *args: str | Path, expect: int | None = 0) -> str:
        """What it said on both streams."""
        process = self.start(*args)
        try:
            out, err = process.communicate(timeout=280)
        finally:
            process.kill()
        assert expect in (None, process.returncode), f"exit {process.returncode}\n{out}\n{err}\n{self.log()}"
        assert "Traceback" not in out + err
        return out + err

    def local(self, wandb: Path, *more: str, expect: int = 0) -> str:
        return self("convert", "-t", "wandb-local", "--wb-dir", wandb, "--mode", "offline", *more, expect=expect)

    def cloud(self, *more: str, expect: int = 0) -> str:
        return self("convert", "-t", "wandb", "--mode", "offline", *more, expect=expect)

    def stores(self) -> dict[str, SwanStore]:
        """SwanLab run id -> store."""
        found: dict[str, SwanStore] = {}
        for file in sorted((self.dir / "swanlog").glob("run-*/run-*.swanlab")):
            store = SwanStore.read(file.parent)
            assert store.start.id not in found, f"{store.start.id} is there twice"
            found[store.start.id] = store
        return found

    def log(self) -> str:
        path = self.dir / "swanlog.convert.log"
        return path.read_text()[-3000:] if path.exists() else ""


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    work, home = tmp_path / "work", tmp_path / "home"
    work.mkdir()
    home.mkdir()
    return Cli(work, clean_environment(home, WANDB_MODE=None))


@contextmanager
def serving(**settings: Any) -> Iterator[WandbCloud]:
    """A loopback W&B, which saw nothing odd until the end. `settings`: what `WandbCloud` takes."""
    pytest.importorskip("graphql", reason="the loopback W&B parses GraphQL with graphql-core")
    from compat_tests.servers.wandb_cloud import WandbCloud

    with WandbCloud(**settings) as server:
        yield server
        server.heal()
        assert not server.errors, server.errors[:3]


@pytest.fixture
def cloud_settings() -> dict[str, Any]:
    """How the W&B of a module's tests is; modules have their own."""
    return {}


@pytest.fixture
def cloud(cloud_settings: dict[str, Any]) -> Iterator[WandbCloud]:
    with serving(**cloud_settings) as server:
        yield server


@pytest.fixture
def swan() -> Iterator[SwanLabCloud]:
    with SwanLabCloud(summary_lag=LAG) as server:
        yield server
        server.heal()
        assert not server.errors
        assert not server.unknown


@pytest.fixture
def online(cli: Cli, cloud: WandbCloud, tmp_path: Path) -> Cli:
    """The command, with a W&B."""
    cli.env |= cloud.env(tmp_path / "home", impatient=True) | {"WANDB_SWAN_RETRY_PAUSE": "0.05"}
    return cli


@pytest.fixture
def both(cli: Cli, cloud: WandbCloud, swan: SwanLabCloud, tmp_path: Path) -> Cli:
    """The command, with a W&B and a SwanLab."""
    cli.env |= cloud.env(tmp_path / "home", impatient=True) | swan.env(tmp_path / "swanlab")
    cli.env["WANDB_SWAN_RETRY_PAUSE"] = "0.05"
    return cli


def content(store: SwanStore) -> object:
    """What a store holds, without the times of its making."""
    media = {key: {step: store.content(key, step) for step in steps} for key, steps in store.media.items()}
    parity = {**store.about["parity"], "checked": None}
    config = {**store.config, "wandb_run": {**store.about, "parity": parity}}
    return (store.scalars, media, config, store.kinds, store.console(), store.state)


def workers_of(cli: Cli) -> list[int]:
    """The worker processes of a command and their host, found by the folder that they work in."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if (place / "cwd").readlink() == cli.dir and b"wandb_swan.convert." in (place / "cmdline").read_bytes():
                found.append(int(place.name))
        except OSError:
            continue
    return found


def called(cli: Cli, name: str) -> int:
    """The first of them that `ps` shows under a name."""
    return min(pid for pid in workers_of(cli) if Path(f"/proc/{pid}/comm").read_text().strip() == name)


def wait_for(condition: object, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)
