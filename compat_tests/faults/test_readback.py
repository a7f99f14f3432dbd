"""A journal goes only when what replaces it was read from the disk."""

from __future__ import annotations

import math
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from compat_tests.faults.conftest import Train, Training, assert_whole, kill, until
from compat_tests.stores import SwanStore
from wandb_swan.parity.readback import Expected, Points

Check = Callable[..., None]

MIXED = """
import numpy
run = wandb.init(project="p", id="r1", config={"lr": 0.1})
pathlib.Path("weights.bin").write_bytes(b"w" * 100)
wandb.save("weights.bin", policy="now")
for i in range(60):
    run.log({"loss": 1 / (i + 1), "word": f"at {i}"})
    if i == 30:
        run.log({"picture": [wandb.Image(numpy.full((4, 4, 3), n, dtype=numpy.uint8)) for n in range(3)]})
        print("half way")
        gate("middle")
gate("end")
run.finish()
print("done")
"""


def truncated(run: Path) -> None:
    (store,) = run.glob("run-*.swanlab")
    with store.open("r+b") as file:
        file.truncate(2000)


def flipped(run: Path) -> None:
    (store,) = run.glob("run-*.swanlab")
    with store.open("r+b") as file:
        file.seek(1000)
        byte = file.read(1)
        file.seek(1000)
        file.write(bytes((byte[0] ^ 255,)))


def without_a_text(run: Path) -> None:
    next(run.glob("media/text/005-*.txt")).unlink()


def with_another_text(run: Path) -> None:
    next(run.glob("media/text/005-*.txt")).write_text("at 7")


def without_a_saved_file(run: Path) -> None:
    (run / "files" / "weights.bin").unlink()


def without_a_picture(run: Path) -> None:
    next(run.glob("media/image/*.png")).unlink()


@pytest.mark.fault(
    "The SwanLab run on disk is cut, has a flipped byte, lacks a text or a picture, has another text, or its folder is "
    "removed, while the training goes on",
    "read back at the end: the finish line says what is missing, the journal stays, `wandb-swan resume` makes it whole",
)
@pytest.mark.parametrize(
    "harm",
    [truncated, flipped, without_a_text, with_another_text, without_a_picture, without_a_saved_file, shutil.rmtree],
)
def test_the_store_is_harmed(train: Train, unharmed: Check, harm: Callable[[Path], None]) -> None:
    training = train(MIXED)
    training.at("middle")
    until(lambda: training.statuses and training.statuses[-1].get("counts", {}).get("rows", 0) >= 32)
    (run,) = training.swan_dirs()
    harm(run)
    unharmed(training.end(), MIXED)
    training.mirrored()
    assert "is not whole in SwanLab" in training.said[-1] and "wandb-swan resume" in training.said[-1]
    assert len(training.journals) == 1
    training.command("resume")
    store = assert_whole(training)
    assert [len(items) for items in store.media["picture"].values()] == [3]
    assert training.journals == [] and store.state == "finished"


FORGETFUL = """
import sys
from swanlab.proto.swanlab.record.v1.record_pb2 import Record
from swanlab.sdk.internal.core_python.core import CorePython
from wandb_swan.swan.sdk.bulk import BulkWriter
real, bulk = CorePython._store_records, BulkWriter._write
def kept(record):
    return not ({what})
CorePython._store_records = lambda self, records: real(self, [record for record in records if kept(record)])
BulkWriter._write = lambda self, points: bulk(  # points of an offline run go past SwanLab's core
    self, [point for point in points if kept(Record.FromString(b"j" + point))]
)
from wandb_swan.mirror import process
sys.exit(process.main(sys.argv[1:]))
"""


@pytest.mark.fault(
    "SwanLab drops a point, a text, a console line or the end of the run without a word",
    "the same",
)
@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("record.scalar.key == 'loss' and record.scalar.step == 7", "59 of 60 values of loss"),
        ("record.media.key == 'word' and record.media.step == 7", "59 of 60 values of word"),
        ("record.log.line == 'half way'", "console lines as they were"),
        ("record.WhichOneof('record_type') == 'finish'", "has no end on disk"),
    ],
)
def test_swanlab_forgets(train: Train, what: str, told: str) -> None:
    training = killed_whole(train)
    (journal,) = training.journals
    forgetful = [sys.executable, "-c", FORGETFUL.format(what=what), str(journal)]
    assert subprocess.run(forgetful, cwd=training.dir, env=training.env, timeout=120).returncode == 1
    assert told in training.statuses[-1]["reason"]
    assert journal.exists()
    training.command("resume")
    assert training.journals == []


def killed_whole(train: Train, **env: str) -> Training:
    training = train(MIXED, **env)
    training.at("end")
    until(lambda: training.statuses and training.statuses[-1].get("counts", {}).get("rows", 0) >= 61)
    kill(training.mirrors()[0])
    kill(training.process)
    return training.end(expect=-signal.SIGKILL)


@pytest.mark.fault(
    "The SwanLab folder of an interrupted or failed try is removed by hand before `wandb-swan resume`",
    "the run is made whole in another folder, which stays",
)
@pytest.mark.parametrize("mode", ["offline", "local"])
def test_the_folder_of_the_last_try_is_gone(train: Train, mode: str) -> None:
    training = killed_whole(train, WANDB_SWAN_MODE=mode)
    (run,) = training.swan_dirs()
    shutil.rmtree(run)
    training.command("resume")
    assert training.journals == []
    (made,) = training.swan_dirs()
    store = SwanStore.read(made)
    assert len(store.scalars["loss"]) == len(store.media["word"]) == 60
    assert store.state == "crashed"


@pytest.mark.fault(
    "The SwanLab folder of a finished run whose journal was kept is removed",
    "`wandb-swan resume` makes it anew",
)
def test_the_folder_of_a_kept_journal_is_gone(train: Train) -> None:
    training = train(gates=False, WANDB_SWAN_KEEP_JOURNAL="1").end().mirrored()
    assert "is whole already" in training.command("resume")
    (run,) = training.swan_dirs()
    shutil.rmtree(run)
    assert "is whole already" not in training.command("resume")
    assert assert_whole(training).state == "finished"
    assert len(training.journals) == 1


def test_the_first_value_of_a_step_counts() -> None:
    points = Points()
    for step, value in ((1, 1.0), (5, 2.0), (1, 9.0), (3, 4.0), (5, 2.0), (1 << 47, 0.5)):
        points.add(step, value)
    other = Points()
    for step, value in ((1 << 47, 0.5), (3, 4.0), (5, 2.0), (1, 1.0)):
        other.add(step, value)
    assert points == other
    other.add(2, 4.0)
    assert points != other


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, -0.0, 1e308, 2**53])
def test_any_number_is_itself(number: float) -> None:
    one, other = Expected(), Expected()
    one.scalar("x", 0, number)
    other.scalar("x", 0, float(str(float(number))))
    assert one.scalars == other.scalars
    other.scalar("x", 1, 1.0)
    one.scalar("x", 1, 2.0)
    assert one.scalars != other.scalars


def test_every_bit_of_a_number_counts() -> None:
    for one, other in ((-1.0, -2.0), (0.0, -0.0), (1.0, 2.0**61), (math.inf, 314159.0)):
        ours, theirs = Expected(), Expected()
        ours.scalar("x", 5, one)
        theirs.scalar("x", 5, other)
        assert ours.scalars != theirs.scalars


LOSSY_CONFIG = """
import sys
from swanlab.sdk.internal.run.components import config
real = config.dump_config
def lossy(content):
    changed = {key: {**item, "value": 0.2} if key == "lr" else item for key, item in content.items()}
    return real(changed)
config.dump_config = lossy
from wandb_swan.mirror import process
sys.exit(process.main(sys.argv[1:]))
"""


@pytest.mark.fault("SwanLab stores another config value than it was given", "the same")
def test_swanlab_has_another_config(train: Train) -> None:
    training = killed_whole(train)
    (journal,) = training.journals
    lossy = [sys.executable, "-c", LOSSY_CONFIG, str(journal)]
    assert subprocess.run(lossy, cwd=training.dir, env=training.env, timeout=120).returncode == 1
    assert "not the value of lr in its config" in training.statuses[-1]["reason"]
    training.command("resume")
    assert training.journals == []


EDGES = """
run = wandb.init(project="p", id="r1", config={
    "none": None, "nested": {"none": None, "list": [None, 1, [2, {"a": None}]], "empty": {}, "no": []},
    "nan": float("nan"), "inf": float("inf"), "less": float("-inf"), "in": {"inf": [float("inf"), float("nan")]},
    "small": 5e-324, "big": 1.7e308, "int": 2**70, "bool": True, "yes": "yes", "date": "2020-01-01", "oct": "0o17",
    "breaks": "a\\u2028b\\x85c\\n d\\t", "edge ": " lead", "ключ": "значение", "1": 2, "sur": "\\ud800x", "text": "x" * 5000,
    "float as text": "1e5", "minus": -0.0, "mid": 0.1 + 0.2, "wandb_run": {"a": 1}, "tuple": (1, 2), "~": "~", "a\\u2028b": 1, "deep": {"a\\x85b": "\\u2029"}, "": "empty",
    "ê": {"\\x85o+": {}, "acc.": "d"}, "next lines": "a\\n\\x85b",
})
run.config.update({"a.b": 1, "later": [1.5, "x", False]})
run.log({"loss": 1.0})
run.finish()
"""


@pytest.mark.parametrize("mode", ["offline", "local"])
def test_any_config_is_read_back_as_it_is(train: Train, mode: str) -> None:
    training = train(EDGES, gates=False, WANDB_SWAN_MODE=mode).end().mirrored()
    assert training.statuses[-1]["state"] == "finished", training.statuses[-1]["reason"]
    assert training.journals == []
