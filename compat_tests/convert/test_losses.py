"""What a conversion could not carry over is told for as long as its run is there, in the terminal as in the report."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest
from rich.console import Console

from compat_tests.conftest import Record
from compat_tests.convert.conftest import Cli, train
from wandb_swan.convert.report import Lost, Report, RunReport

pytestmark = pytest.mark.live

LOSSY = """
import numpy
run = wandb.init(project="p", id="lossy", name="lossy")
for i in range(4):
    run.log({"a": i, "picture": [wandb.Image(numpy.full((4, 4, 3), n, dtype=numpy.uint8)) for n in range(3)]})
run.finish()
"""


@pytest.fixture
def lossy(tmp_path: Path) -> Path:
    """A wandb/ folder with one run, of which three pictures are gone."""
    wandb = train(tmp_path / "source", LOSSY)
    for picture in sorted(wandb.glob("*run-*/files/media/images/*.png"))[:3]:
        picture.unlink()
    return wandb


def report(cli: Cli) -> RunReport:
    (run,) = json.loads((cli.dir / "r.json").read_text())["runs"]
    return RunReport(**run)


def test_what_was_lost_is_told_again(lossy: Path, cli: Cli) -> None:
    first = cli.local(lossy, "--report", "r.json", "--strict", expect=1)
    lost = report(cli).lost
    assert sum(item.count for item in lost) == 3
    again = cli.local(lossy, "--report", "r.json", "--strict", expect=1)
    assert report(cli).state == "skipped" and report(cli).lost == lost
    (line,) = [line for line in first.splitlines() if "not carried over" in line]
    assert line in again and "3 x" in line
    assert report(cli).counts["media"] == 9


def test_a_run_that_lost_nothing_stays_whole(tmp_path: Path, cli: Cli) -> None:
    wandb = train(tmp_path / "source", LOSSY)
    cli.local(wandb, "--strict")
    assert "1 skipped" in cli.local(wandb, "--strict")


def test_the_terminal_counts_as_the_report_does() -> None:
    runs = tuple(
        RunReport(
            source="s",
            run_id=f"r{n}",
            state="converted",
            lost=(Lost(key="a", reason="gone", count=1000 * n + 1), Lost(key="b", reason="gone", count=2)),
            notices=tuple(f"notice {at}" for at in range(9)),
        )
        for n in range(60)
    )
    console = Console(record=True, width=200, file=io.StringIO())
    Report(runs=runs).show(console, every=50, file=Path("all.json"))
    text = console.export_text()
    assert f"{sum(lost.count for run in runs for lost in run.lost):,} x gone" in text
    assert "r0: and 4 more notices" in text
    assert f"and {60 * 6 - 100} more lines of this kind (all.json has them all)" in text
    assert "and 10 more (all.json has them all)" in text


MIRRORED = """
import wandb_swan as wandb
run = wandb.init(project="p", id="mine", name="mine")
for i in range(4):
    run.log({"a": i})
run.finish()
"""


def test_a_run_that_is_mirrored_is_left_alone(record: Record, tmp_path: Path) -> None:
    result = record(MIRRORED)
    (folder,) = result.swan_dirs()
    cli = Cli(result.dir, {**os.environ, "HOME": str(tmp_path)})
    said = cli.local(Path("wandb"), "--strict", "--report", "r.json")
    assert report(cli).state == "skipped" and folder.name in report(cli).reason and "--force" in report(cli).reason
    assert "1 skipped" in said and result.swan_dirs() == [folder]
    assert "1 converted" in cli.local(Path("wandb"), "--force")
    assert len(result.swan_dirs()) == 2


def test_a_run_whose_mirror_has_not_finished(record: Record, tmp_path: Path) -> None:
    result = record(MIRRORED, WANDB_SWAN_KEEP_JOURNAL="1")
    (status,) = result.dir.glob("swanlog/journals/*.status.json")
    status.write_text(status.read_text().replace('"state": "finished"', '"state": "failed"'))
    cli = Cli(result.dir, {**os.environ, "HOME": str(tmp_path)})
    said = cli.local(Path("wandb"), "--report", "r.json")
    assert "wandb-swan resume" in report(cli).reason, said
