"""Where local runs are looked for, and what is said of all that lies there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from compat_tests.convert.conftest import Cli
from compat_tests.unit.logs import END, begin, record, row
from wandb_swan.journal.writer import JournalWriter

pytestmark = pytest.mark.live


def run_in(wandb: Path, run_id: str, *, at: int = 1, prefix: str = "run") -> Path:
    """A run folder with a log of three rows."""
    folder = wandb / f"{prefix}-20240101_000000-{run_id}"
    folder.mkdir(parents=True)
    writer = JournalWriter(folder / f"run-{run_id}.wandb")
    named = record(lambda made: made.MergeFromString(begin(at)) and setattr(made.run, "run_id", run_id))
    for payload in (named, row(0, "1.5"), row(1, "2.5"), row(2, "3.5"), END):
        writer.append(payload)
    writer.close()
    return folder


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A folder as a project has it after some months."""
    root = tmp_path / "project"
    one, two = root / "wandb", root / "experiments" / "vision (old)" / "wandb"
    first = run_in(one, "a1")
    run_in(one, "a2", at=2, prefix="offline-run")
    run_in(two, "b1", at=3)
    run_in(root / "sub" / ".wandb", "c1", at=4)
    run_in(first / "files" / "copied" / "wandb", "inner", at=5)  # saved with the code of a run
    (one / "latest-run").symlink_to(first.name)
    (one / "run-20240102_000000-empty").mkdir()
    (one / "run-20240102_000000-zero").mkdir()
    (one / "run-20240102_000000-zero" / "run-zero.wandb").write_bytes(b"")
    writer = JournalWriter(run_in(one, "none", at=6).with_name("x.wandb"))
    writer.close()
    (one / "x.wandb").rename(one / "run-20240101_000000-none" / "run-none.wandb")
    run_in(tmp_path / "scratch", "far", at=7)
    (one / "moved").symlink_to(tmp_path / "scratch")
    (one / "run-20240103_000000-gone").symlink_to(tmp_path / "nowhere")
    swan = root / "swanlog" / "run-20240101_000000-a1"
    swan.mkdir(parents=True)
    (swan / "run-a1.swanlab").write_bytes(b"")
    return root


def test_everything_below_a_folder(repository: Path, cli: Cli) -> None:
    report = cli.dir / "report.json"
    said = cli.local(repository, "--report", report)
    assert sorted(cli.stores()) == ["a1", "a2", "b1", "c1"]
    assert "4 converted, 5 without a run" in said
    assert "3 wandb folders:" in said and str(repository / "experiments" / "vision (old)" / "wandb") in said
    told = {Path(none["path"]).name: none["reason"] for none in json.loads(report.read_text())["place"]["no_runs"]}
    assert told == {
        "run-20240102_000000-empty": "holds no .wandb file",
        "run-zero.wandb": "is empty",
        "run-none.wandb": "is empty",
        "moved": f"a link, which is not followed; give {repository.parent / 'scratch'} by itself",
        "run-20240103_000000-gone": "a link that leads nowhere",
    }
    assert "4 of 4 runs identical, 5 not compared" in cli("verify", repository, cli.dir / "swanlog", expect=3)


def test_one_folder_of_many(repository: Path, cli: Cli) -> None:
    cli.local(repository / "wandb", "--no-recursive")
    assert sorted(cli.stores()) == ["a1", "a2"]


@pytest.mark.parametrize("place", ["wandb/run-20240101_000000-a1", "wandb/run-20240101_000000-a1/run-a1.wandb"])
def test_one_run(repository: Path, cli: Cli, place: str) -> None:
    cli.local(repository / place)
    assert sorted(cli.stores()) == ["a1"]
    assert "1 of 1 runs identical" in cli("verify", repository / place, cli.dir / "swanlog")


def test_nothing_but_empty_logs_is_no_failure(tmp_path: Path, cli: Cli) -> None:
    folder = tmp_path / "wandb" / "run-20240102_000000-zero"
    folder.mkdir(parents=True)
    (folder / "run-zero.wandb").write_bytes(b"")
    said = cli.local(tmp_path / "wandb")
    assert "no runs, 1 without a run" in said and "run-zero.wandb: is empty" in said


def test_a_folder_that_cannot_be_read(repository: Path, cli: Cli) -> None:
    locked = repository / "locked"
    locked.mkdir(mode=0)
    try:
        if not list(map(str, _listed(locked))):
            pytest.skip("this user may read everything")
        said = cli.local(repository)
    finally:
        locked.chmod(0o755)
    assert f"{locked}: cannot be read: Permission denied" in said


def _listed(folder: Path) -> list[OSError]:
    try:
        list(folder.iterdir())
    except OSError as error:
        return [error]
    return []
