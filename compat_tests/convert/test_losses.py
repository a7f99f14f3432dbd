"""What a conversion could not carry over is told for as long as its run is there, in the terminal as in the report."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from wandb.proto import wandb_internal_pb2 as pb

from compat_tests.conftest import Record
from compat_tests.convert.conftest import Cli, train
from compat_tests.unit.logs import END, begin, log, row, summary
from wandb_swan.convert.report import Lost, Report, RunReport
from wandb_swan.journal.writer import JournalWriter

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
            not_compared=() if n else ("all of it: SwanLab's cloud gives nothing back",),
        )
        for n in range(60)
    )
    console = Console(record=True, width=200, file=io.StringIO())
    Report(runs=runs).show(console, every=50, file=Path("all.json"))
    text = console.export_text()
    assert f"{sum(lost.count for run in runs for lost in run.lost):,} x gone" in text
    assert "r0: and 4 more notices" in text and text.count("not compared") == 1
    assert f"and {60 * 6 - 100} more lines of this kind (all.json has them all)" in text
    assert "and 10 more (all.json has them all)" in text


def odd_log(folder: Path) -> Path:
    """A wandb/ folder with a run whose log holds what no wandb of today writes."""
    writer = JournalWriter(folder / "wandb" / "offline-run-20210101_000000-odd" / "run-odd.wandb")

    def write(fill: Callable[[pb.Record], object]) -> None:
        record = pb.Record()
        fill(record)
        writer.append(record.SerializeToString())

    def begin(record: pb.Record) -> None:
        record.run.run_id, record.run.project, record.run.start_time.seconds = "odd", "p", 1_600_000_000

    def row(record: pb.Record) -> None:
        record.history.step.num = 0
        record.history.item.add(key="a", value_json="1")
        record.history.item.add(key="deep", value_json='{"x":' * 400 + "1" + "}" * 400)
        record.history.item.add(nested_key=["n"] * 300, value_json="1")
        record.history.item.add(key="torn", value_json="{")

    def stats(record: pb.Record) -> None:
        record.stats.timestamp.seconds = 1_600_000_001
        record.stats.item.add(key="cpu", value_json="12.5")
        record.stats.item.add(key="network", value_json='{"sent": 17, "recv": 4.5}')  # wandb 0.10 to 0.13
        record.stats.item.add(key="gpu", value_json='"busy"')

    for fill in (begin, row, stats, lambda record: setattr(record.exit, "exit_code", 0)):
        write(fill)
    writer.append(b"\xe2\x12\x03new")  # a record of field 300
    writer.close()
    return folder / "wandb"


def test_what_nobody_can_read_is_a_loss(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "wandb" / "offline-run-20210101_000000-odd").mkdir(parents=True)
    wandb = odd_log(tmp_path)
    cli.local(wandb, "--report", "r.json", "--strict", expect=1)
    lost = {(item.key[:20], item.reason): item.count for item in report(cli).lost}
    assert lost == {
        ("deep", "cannot be read: nested too deeply"): 1,
        ("n.n.n.n.n.n.n.n.n.n.", "cannot be read: nested too deeply"): 1,
        ("torn", "cannot be read: no JSON"): 1,
        ("system.gpu", "a value of a system metric that is no number"): 1,
        ("record field 300", "a kind of wandb's records that is not known here"): 1,
    }
    assert report(cli).identical
    (store,) = cli.stores().values()
    assert store.scalars == {
        "a": {0: 1.0},
        "system/cpu": {0: 12.5},
        "system/network/sent": {0: 17.0},
        "system/network/recv": {0: 4.5},
    }
    assert "but for what its SwanLab run itself says was not carried over" in cli("verify", wandb, "swanlog")


@pytest.mark.parametrize("key", ["deep", "torn", "record field 300", "system.gpu"])
def test_a_loss_that_is_not_told_is_a_difference(tmp_path: Path, cli: Cli, key: str) -> None:
    (tmp_path / "wandb" / "offline-run-20210101_000000-odd").mkdir(parents=True)
    wandb = odd_log(tmp_path)
    cli.local(wandb)
    (config,) = (cli.dir / "swanlog").glob("run-*/files/config.yaml")
    config.write_text(config.read_text().replace(f"key: {key}\n", "key: other\n"))
    said = cli("verify", wandb, "swanlog", "--details", expect=1)
    assert "0 of 1 runs identical" in said and key in said


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


def test_the_last_value_of_a_row_that_swanlab_does_not_take(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "wandb").mkdir()
    rows = (row(0, "1.5"), row(2**49, "7.5"))
    log(tmp_path / "wandb" / "run-20240101_000000-r1", begin(1), *rows, summary(a="7.5"), END)
    assert "not carried over: 1 x the step is outside" in cli.local(tmp_path / "wandb")
    store = cli.stores()["r1"]
    assert store.scalars["a"] == {0: 1.5}
    assert store.about["summary"] == {"a": 7.5} and store.about["parity"]["identical"]
