"""Conversion into SwanLab's cloud (a loopback one) and into its local dashboard."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from compat_tests.convert.conftest import Cli, run_dirs, train, wait_for, workers_of
from compat_tests.faults.conftest import assert_cloud_has
from compat_tests.servers.swanlab_cloud import SwanLabCloud
from compat_tests.stores import SwanStore, WandbStore, assert_same_values

pytestmark = pytest.mark.live

SCRIPT = """
run = wandb.init(id="long", project="p", name="a name", config={"lr": 0.5})
for i in range(ROWS):
    run.log({"a": i / 2, "b": float("nan") if i % 2 else i})
    if i % 400 == 0:
        run.log({"word": f"at {i}"})
        print("line", i)
run.finish(3)
"""


@pytest.fixture(scope="module")
def long_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("long"), SCRIPT.replace("ROWS", "4000"))


@pytest.fixture(scope="module")
def local_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Long enough to be interrupted: SwanLab's dashboard commits each point, some 200 a second on a busy disk."""
    return train(tmp_path_factory.mktemp("local"), SCRIPT.replace("ROWS", "1000"))


@pytest.fixture
def cloud() -> Iterator[SwanLabCloud]:
    with SwanLabCloud() as server:
        yield server


def online(cli: Cli, cloud: SwanLabCloud, tmp_path: Path) -> tuple[str | Path, ...]:
    cli.env |= cloud.env(tmp_path / "swanlab")
    return ("convert", "-t", "wandb-local", "--mode", "online", "--wb-dir")


def assert_whole(cloud: SwanLabCloud, wandb: Path) -> None:
    kept = cloud.experiment("long")
    recorded = WandbStore.read(run_dirs(wandb)["long"])
    repeated = [item for item in kept.duplicate_points if repr(item[2]) != repr(item[3])]
    kept.duplicate_points.clear()  # the same value again: SwanLab keeps the first
    assert repeated == []
    assert_cloud_has(kept, recorded)
    assert [line for line in kept.lines if "line" in line] == [f"line {i}" for i in range(0, 4000, 400)]
    assert (kept.name, kept.config["lr"], kept.state) == ("a name", 0.5, "CRASHED")
    assert all(abs(kept.scalars["a"][step][1] - recorded.timestamps[step]) < 0.01 for step in kept.scalars["a"])


@pytest.mark.parametrize("how", ["not at all", "command killed", "server away"])
def test_online_interrupted_and_again(how: str, long_run: Path, cli: Cli, cloud: SwanLabCloud, tmp_path: Path) -> None:
    command = (*online(cli, cloud, tmp_path), long_run)
    if how == "command killed":
        process = cli.start(*command)
        wait_for(lambda: cloud.experiments and cloud.experiments[0].scalars)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        wait_for(lambda: not workers_of(cli), 10)
    elif how == "server away":
        cloud.fail("/login/api_key$", 500)
        assert "failed" in cli(*command, expect=1)
        cloud.heal()
    said = cli(*command)
    assert cloud.url in said and cloud.api_key not in said + cli.log()
    assert_whole(cloud, long_run)
    assert "1 skipped" in cli(*command)
    assert len(cloud.experiments) == 1


def experiments(cli: Cli) -> list[str]:
    with closing(sqlite3.connect(cli.dir / "swanlog" / "runs.swanlab")) as database:
        return [run_id for (run_id,) in database.execute("SELECT run_id FROM experiment")]


def test_local(local_run: Path, cli: Cli) -> None:
    command = ("convert", "-t", "wandb-local", "--mode", "local", "--wb-dir", local_run)
    process = cli.start(*command)
    wait_for(lambda: any((cli.dir / "swanlog").glob("run-*/run-*.swanlab")))
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    wait_for(lambda: not workers_of(cli), 10)
    assert "1 converted" in cli(*command)
    for more in ((), ("--force",)):
        cli(*command, *more)
        (folder,) = (cli.dir / "swanlog").glob("run-*/")
        assert experiments(cli) == [folder.name]
        store = SwanStore.read(folder)
        assert_same_values(WandbStore.read(run_dirs(local_run)["long"]), store)
