"""Interrupted at any point and run again: the same store as uninterrupted, and nothing twice."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from compat_tests.convert.conftest import Cli, called, content, train, wait_for, workers_of
from compat_tests.stores import SwanStore
from wandb_swan.journal.claim import Claim

pytestmark = pytest.mark.live

SCRIPT = """
for n in range(3):
    run = wandb.init(id=f"long{n}", project="p", config={"n": n})
    for i in range(6000):
        run.log({f"m{k}": i * k + n for k in range(5)})
    run.finish()
"""


@pytest.fixture(scope="module")
def long_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("long"), SCRIPT, WANDB_CONSOLE="off")


@pytest.fixture(scope="module")
def uninterrupted(long_runs: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    from compat_tests.conftest import clean_environment

    folder = tmp_path_factory.mktemp("whole")
    cli = Cli(folder, clean_environment(folder))
    cli.local(long_runs, "--workers", "2")
    stores = cli.stores()
    assert len(stores) == 3 and all(len(store.scalars["m4"]) == 6000 for store in stores.values())
    return {run_id: content(store) for run_id, store in stores.items()}


def half_written(cli: Cli) -> bool:
    return any(path.stat().st_size > 20_000 for path in (cli.dir / "swanlog").glob("run-*/run-*.swanlab"))


@pytest.mark.parametrize("how", ["worker killed", "command killed", "Ctrl-C"])
def test_interrupted_and_again(how: str, long_runs: Path, uninterrupted: dict[str, object], cli: Cli) -> None:
    command = ("convert", "-t", "wandb-local", "--wb-dir", long_runs, "--mode", "offline", "--workers", "2")
    process = cli.start(*command)
    wait_for(lambda: half_written(cli))
    if how == "worker killed":
        os.kill(called(cli, "swan-worker"), signal.SIGKILL)
    else:
        process.send_signal(signal.SIGKILL if how == "command killed" else signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == {"worker killed": 1, "command killed": -9, "Ctrl-C": 130}[how], out + err
    assert "Traceback" not in out + err
    wait_for(lambda: not workers_of(cli), 10)
    if how != "command killed":
        assert "interrupted" in out and "type the same command again" in out + err
    said = cli(*command)
    assert "failed" not in said and "NO" not in said
    assert {run_id: content(store) for run_id, store in cli.stores().items()} == uninterrupted
    folders = list((cli.dir / "swanlog").glob("run-*"))
    assert len(folders) == 3
    assert "3 skipped" in cli(*command)
    manifest = json.loads((cli.dir / "swanlog.convert.json").read_text())
    assert {item["state"] for item in manifest["runs"].values()} == {"done"}


def test_a_host_of_workers_that_is_killed_is_not_missed(
    long_runs: Path, uninterrupted: dict[str, object], cli: Cli
) -> None:
    command = ("convert", "-t", "wandb-local", "--wb-dir", long_runs, "--mode", "offline", "--workers", "2")
    process = cli.start(*command)
    wait_for(lambda: half_written(cli))
    os.kill(called(cli, "swan-workers"), signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and "3 converted" in out, out + err
    assert {run_id: content(store) for run_id, store in cli.stores().items()} == uninterrupted
    wait_for(lambda: not workers_of(cli), 10)


def test_a_source_that_has_grown_is_converted_again(cli: Cli, tmp_path: Path) -> None:
    script = "run = wandb.init(id='grows', project='p')\nfor i in range(3): run.log({'a': i}, step=PART * 10 + i)\n"
    wandb = train(tmp_path / "w", "PART = 0\n" + script)
    cli.local(wandb)
    wandb = train(tmp_path / "w", "PART = 1\n" + script)
    assert "1 converted" in cli.local(wandb)
    folders = list((cli.dir / "swanlog").glob("run-*"))
    assert len(folders) == 1
    assert set(SwanStore.read(folders[0]).scalars["a"]) == {0, 1, 2, 10, 11, 12}


def test_two_commands_at_once(cli: Cli, cases: Path) -> None:
    claim = Claim(cli.dir / "swanlog.convert.lock")
    assert claim.take()
    assert "another command converts" in cli.local(cases, expect=2)
    claim.release()
    cli.local(cases)
    assert not (cli.dir / "swanlog.convert.lock").exists()
