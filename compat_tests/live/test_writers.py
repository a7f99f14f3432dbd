"""Where a SwanLab has not the interfaces that we found by looking, the next simpler way holds the same values."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from compat_tests.conftest import Record, clean_environment
from compat_tests.stores import SwanStore, WandbStore, assert_same_values

pytestmark = pytest.mark.live

TRAIN = """
import numpy as np
import wandb_swan as wandb
run = wandb.init(project="p", id="r1", config={"lr": 0.1})
run.define_metric("val/*", step_metric="epoch")
for i in range(4):
    run.log({"loss": 1 / (i + 1), "note": f"step {i}", "val/acc": i, "epoch": i // 2})
run.log({"img": wandb.Image(np.zeros((8, 8, 3), dtype="uint8"), caption="black")})
print("seen on the console")
run.finish()
"""
WITHOUT = """
import sys
from wandb_swan.swan.sdk import bulk, writer
def refuse(*given):
    raise AttributeError("upsert_scalars")
for refused in {refused}:
    refused.__init__ = refuse
"""


@pytest.fixture
def trained(record: Record) -> tuple[WandbStore, SwanStore, Path]:
    result = record(TRAIN, WANDB_SWAN_KEEP_JOURNAL="1")
    return *result.pair(), result.dir


def again(work: Path, code: str, refused: str) -> tuple[SwanStore, str]:
    """The run made anew in SwanLab, without some of our writers; and what was said."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(refused=refused) + code],
        cwd=work,
        env=clean_environment(work.parent / "home"),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    (made,) = (work / "again").glob("run-*")
    return SwanStore.read(made), done.stdout + done.stderr


def test_without_batches(trained: tuple[WandbStore, SwanStore, Path]) -> None:
    """The public `run.log`: all values at their steps, no console lines and no times of their own."""
    wandb, swan, work = trained
    (journal,) = work.glob("swanlog/journals/*.journal")
    code = f"""
from pathlib import Path
from wandb_swan.mirror.process import Mirror
from wandb_swan.swan import target
class Elsewhere(target.Target):
    def __init__(self, **given):
        super().__init__(**given | {{"log_dir": Path("again")}})
target.Target = Elsewhere
sys.exit(Mirror(Path({str(journal)!r})).run())
"""
    made, said = again(work, code, "[writer.CoreWriter]")
    assert "values go through run.log" in said
    wandb.timestamps = dict.fromkeys(wandb.rows, 0.0)
    assert_same_values(wandb, made)
    assert [item.caption for item in made.media["img"][4]] == ["black"]
    assert made.config["lr"] == swan.config["lr"] == 0.1
    assert made.state == swan.state == "finished"


def test_without_the_bytes_of_the_store(trained: tuple[WandbStore, SwanStore, Path]) -> None:
    """Conversion point by point: the same store, times and console included."""
    wandb, swan, work = trained
    code = """
from pathlib import Path
from wandb_swan.sources.local_discovery import discover
from wandb_swan.convert.jobs import Job
from wandb_swan.sources.selection import Options
from wandb_swan.convert.worker import convert
(run,) = discover(Path("wandb")).runs
options = Options(log_dir=Path("again"), system=False)
report = convert(Job(reference=run.reference(), run_id=run.run_id, options=options, run_dir="run-again"), lambda points: None)
sys.exit(report.state != "converted" or not report.identical)
"""
    made, said = again(work, code, "[bulk.BulkWriter]")
    assert "points are written one by one" in said
    assert_same_values(wandb, made)
    assert made.times == pytest.approx(swan.times)
    assert [line.line for line in made.lines] == [line.line for line in swan.lines]
