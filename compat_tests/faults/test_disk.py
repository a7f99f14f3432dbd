"""Full and forbidden disks, and sizes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from compat_tests.faults.conftest import Train, Training, assert_whole, until
from compat_tests.stores import SwanStore, WandbStore, assert_same_values

Check = Callable[..., None]


@pytest.mark.fault(
    "The journal folder cannot be made",
    "wandb works alone; one warning",
)
def test_the_journal_folder_cannot_be_made(train: Train, unharmed: Check) -> None:
    training = train(gates=False, WANDB_SWAN_JOURNAL_DIR="/proc/nowhere").end()
    unharmed(training)
    (told,) = training.said
    assert "is not mirrored to SwanLab" in told
    assert "/proc/nowhere" in told


@pytest.mark.fault(
    "The journal folder is read-only",
    "wandb works alone; one warning",
)
def test_the_journal_folder_is_read_only(
    train: Train, unharmed: Check, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    if os.geteuid() == 0:  # who may write anywhere but on a read-only file system
        folder = request.getfixturevalue("tiny_disk")
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    training = train(gates=False, WANDB_SWAN_JOURNAL_DIR=str(folder)).end()
    unharmed(training)
    assert len(training.said) == 1


FULL = """
import resource
run = wandb.init(project="p", id="r1")
for i in range(400):
    run.log({"loss": i / 3, "text": "x" * 50})
    if i == 200:
        run.config["late"] = 1
        journals = pathlib.Path(os.environ.get("WANDB_SWAN_JOURNAL_DIR", "swanlog/journals"))
        journal = next(journals.glob("*.journal"), None)
        while journal and not journal.with_suffix(".mirror").exists():  # it has the journal
            time.sleep(0.05)
        limit(journal.stat().st_size + 2000 if journal else 10_000_000)
run.finish()
print("done")
"""


@pytest.mark.fault(
    "The journal reaches a file size limit in the middle",
    "one warning; the rest is read from wandb's own log; equal stores",
)
@pytest.mark.skipif("coverage" in sys.modules, reason="the limit is on what coverage writes, too")
def test_the_disk_is_full_in_the_middle(train: Train, unharmed: Check) -> None:
    """RLIMIT_FSIZE on the training process alone: wandb's core has its own."""
    script = "def limit(size): __import__('resource').setrlimit(1, (size, -1))\n" + FULL
    training = train(script, gates=False).end().mirrored()
    unharmed(training, script)
    assert sum("stopped" in line for line in training.said) == 1
    swan = assert_whole(training)
    assert (swan.state, swan.config["late"]) == ("finished", 1)
    assert "Traceback" not in training.log()


@pytest.fixture
def tiny_disk(small_file_system: Callable[[str], Path]) -> Path:
    return small_file_system("48k")


@pytest.mark.fault(
    "The journal's file system fills up",
    "one warning; the rest is read from wandb's own log; equal stores",
)
def test_a_small_file_system_fills_up(train: Train, unharmed: Check, tiny_disk: Path) -> None:
    script = "def limit(size): pass\n" + FULL
    training = train(script, gates=False, WANDB_SWAN_JOURNAL_DIR=str(tiny_disk)).end()
    unharmed(training, script)
    assert sum("stopped" in line for line in training.said) == 1
    assert_whole(training)


@pytest.mark.fault(
    "SwanLab's log directory and the journal share a file system that fills up",
    "the finish line says what to type; `wandb-swan resume` completes the run once there is room",
)
def test_a_full_disk_that_gets_room_again(train: Train, unharmed: Check, tiny_disk: Path) -> None:
    script = "def limit(size): pass\n" + FULL
    place = {"WANDB_SWAN_LOG_DIR": str(tiny_disk / "swanlog"), "WANDB_SWAN_JOURNAL_DIR": str(tiny_disk)}
    training = train(script, gates=False, **place).end()
    unharmed(training, script)
    assert "wandb-swan resume" in training.said[-1]
    until(lambda: not training.mirrors())
    subprocess.run(["mount", "-o", "remount,size=50m", tiny_disk], check=True)
    training.command("resume")
    (folder,) = [path.parent for path in tiny_disk.glob("swanlog/run-*/run-*.swanlab")]
    swan = SwanStore.read(folder)
    assert_same_values(WandbStore.read(training.wandb_dirs[0]), swan)
    assert swan.state == "finished"


@pytest.mark.fault(
    "One value of 50 MB",
    "cut to SwanLab's 10 MB, counted in the finish line",
)
def test_one_record_of_fifty_megabytes(train: Train, unharmed: Check) -> None:
    script = """
    run = wandb.init(project="p", id="r1")
    run.log({"loss": 1.0})
    run.log({"big": "x" * 50_000_000})
    run.log({"loss": 2.0})
    run.finish()
    print("done")
    """
    training = train(script, gates=False).end(timeout=280).mirrored()
    unharmed(training, script)
    (folder,) = training.swan_dirs()
    swan = SwanStore.read(folder)
    assert swan.scalars["loss"] == {0: 1.0, 2: 2.0}
    (text,) = swan.texts("big").values()
    assert text.startswith("xxx")
    assert "the whole text has 50000000 bytes" in text
    assert "1 values could not be kept" in training.said[-1]


@pytest.mark.fault(
    "10,000 keys in a row",
    "equal stores",
)
def test_ten_thousand_keys(train: Train, unharmed: Check) -> None:
    script = """
    run = wandb.init(project="p", id="r1")
    for i in range(3):
        run.log({f"group{k % 100}/key{k}": k + i / 4 for k in range(10_000)})
    run.finish()
    print("done")
    """
    training = train(script, gates=False).end().mirrored()
    unharmed(training, script)
    assert len(assert_whole(training).scalars) == 10_000


RUNS = """
import psutil, threading
me = psutil.Process()
seen = []
for n in range(COUNT):
    run = wandb.init(project="p", id=f"r{n}")
    run.log({"loss": n})
    run.finish()
    if n in (1, COUNT // 10, COUNT - 1):
        left = threading.active_count(), me.num_fds(), len(me.children(recursive=True))
        seen.append((left, me.memory_info().rss / 2**20))
pathlib.Path("counts.json").write_text(__import__("json").dumps(seen))
print("done")
"""


def runs_one_after_the_other(train: Train, unharmed: Check, bare: Callable[[str], Training], count: int) -> None:
    script = RUNS.replace("COUNT", str(count))
    training = train(script, gates=False).end(timeout=3600).mirrored()
    unharmed(training, script)
    seen, alone = (json.loads((one.dir / "counts.json").read_text()) for one in (training, bare(script)))
    print(f"threads, descriptors, children, MiB: {seen}; without us {alone}")
    lefts = [left for left, _ in seen]
    assert lefts == lefts[:1] * len(lefts)
    growth, growth_alone = (told[-1][1] - told[len(told) // 2][1] for told in (seen, alone))
    assert growth < growth_alone + 10
    pairs = training.pairs()
    assert len(pairs) == len(training.swan_dirs()) == count
    for wandb, swan in pairs.values():
        assert_same_values(wandb, swan)
    assert training.journals == []


@pytest.mark.fault(
    "Runs one after the other in a process",
    "equal stores; no thread, process, file descriptor or memory is left",
)
def test_runs_one_after_the_other_leak_nothing(train: Train, unharmed: Check, bare: Callable[[str], Training]) -> None:
    runs_one_after_the_other(train, unharmed, bare, 4)


@pytest.mark.fault(
    "300 runs one after the other in a process",
    "equal stores; no thread, process, file descriptor or memory is left",
)
@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_three_hundred_runs_one_after_the_other(train: Train, unharmed: Check, bare: Callable[[str], Training]) -> None:
    runs_one_after_the_other(train, unharmed, bare, 300)


@pytest.mark.fault(
    "1,000,000 calls of `log()`",
    "equal stores; the mirror's memory stays flat",
)
@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_million_calls(train: Train, tmp_path: Path) -> None:
    """Prints the mirror's memory as the run goes on."""
    script = """
    run = wandb.init(project="p", id="r1")
    began = time.monotonic()
    for i in range(1_000_000):
        run.log({"loss": i / 3})
    print(f"{time.monotonic() - began:.0f} s for a million calls")
    run.finish()
    """
    training = train(script, gates=False, WANDB_SWAN_FINISH_TIMEOUT="1800")
    memory = []
    while training.process.poll() is None:
        for mirror in training.mirrors():
            with suppress(psutil.Error, OSError, ValueError):
                rows = training.statuses[0].get("counts", {}).get("rows", 0) if training.statuses else 0
                memory.append((rows, mirror.memory_info().rss >> 20))
        time.sleep(2)
    training.end().mirrored()
    at = {share: next(mib for rows, mib in memory if rows >= share * 10_000) for share in (10, 50)}
    print(training.stdout, training.said, f"MiB of the mirror at % of the rows: {at}, at the end {memory[-1]}")
    assert len(assert_whole(training).scalars["loss"]) == 1_000_000
    assert max(mib for _, mib in memory) < at[10] + 200
