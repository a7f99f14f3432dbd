"""The page of a run that goes on, and of one that is too large to be read at once."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import expect
from swanlab.proto.swanlab.record.v1.record_pb2 import Record
from swanlab.sdk.internal.core_python.store import DataStoreWriter

from compat_tests.conftest import clean_environment, wait_for_mirrors
from compat_tests.view.conftest import COMMAND, Look
from wandb_swan.parity.stored import StoredRun
from wandb_swan.swan.sdk.scan import FILE_HEADER, scan, stretches
from wandb_swan.swan.sdk.store import records
from wandb_swan.view import reading
from wandb_swan.view.runs import ViewedRun

pytestmark = pytest.mark.live

TRAINING = """
import sys
import wandb_swan as wandb
run = wandb.init(project="grows", name="grows")
for step in range(10):
    run.log({"loss": step})
print("begun")
sys.stdin.readline()
for step in range(25):
    run.log({"loss": step, "later": step})
run.finish()
"""


def test_a_run_that_goes_on_is_followed(look: Look, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "train.py").write_text(textwrap.dedent(TRAINING))
    training = subprocess.Popen(
        [sys.executable, "train.py"],
        cwd=work,
        env=clean_environment(tmp_path, WANDB_SWAN_MODE="offline"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        deadline = time.monotonic() + 60
        while not any((work / "swanlog").glob("run-*/run-*.swanlab")) and time.monotonic() < deadline:
            time.sleep(0.1)
        looked = look(work, "swanlog")
        expect(looked.page.locator(".run")).to_contain_text("unfinished")
        loss = looked.page.locator('[data-key="loss"] .plot')
        expect(loss).to_have_attribute("aria-label", "loss. grows: 10 points, from 0 to 9, last 9", timeout=30_000)
        assert training.stdin is not None
        training.stdin.write("\n")
        training.stdin.flush()
        expect(looked.page.locator('[data-key="later"] .plot')).to_have_attribute(
            "aria-label", "later. grows: 25 points, from 0 to 24, last 24", timeout=60_000
        )
        expect(loss).to_have_attribute("aria-label", "loss. grows: 35 points, from 0 to 24, last 24")
        expect(looked.page.locator(".run")).to_contain_text("finished", timeout=30_000)
    finally:
        training.communicate("\n", timeout=60)
        wait_for_mirrors(work)


def store(folder: Path, rows: int, keys: int) -> Path:
    """A run folder with keys x rows points, records longer than a block, and lines between them."""
    run = folder / "run-20260101_000000-large"
    run.mkdir(parents=True)
    writer = DataStoreWriter()
    writer.open(run / "run-large.swanlab")
    started = Record(num=-1)
    started.start.name, started.start.id = "large", "large"
    started.start.started_at.seconds = 1_790_000_000
    writer.write(started.SerializeToString())
    number = 0
    for row in range(rows):
        for at in range(keys):
            number += 1
            record = Record(num=number)
            record.timestamp.seconds, record.timestamp.nanos = 1_790_000_000 + row, row
            point = record.scalar
            point.key, point.step, point.type, point.value.number = f"part/metric {at}", row, 1, row * at / 7
            point.timestamp.seconds, point.timestamp.nanos = 1_790_000_000 + row, row * 17 % 1_000_000_000
            writer.write(record.SerializeToString())
        if row % 50 == 0:
            line = Record(num=number)
            line.log.line = f"row {row} " + "x" * (70_000 if row % 500 == 0 else 10)
            writer.write(line.SerializeToString())
    writer.close()
    return run


Series = dict[str, list[tuple[int, float, float]]]


def by_swanlab(run: Path) -> tuple[Series, list[str]]:
    """The points (step, value, time) and lines of a run folder, read with SwanLab's own code."""
    points: Series = {}
    lines = []
    for record in records(run):
        if record.HasField("scalar"):
            at = record.scalar.timestamp
            of = points.setdefault(record.scalar.key, [])
            of.append((record.scalar.step, record.scalar.value.number, at.seconds + at.nanos / 1e9))
        elif record.HasField("log"):
            lines.append(record.log.line)
    return points, lines


def read(run: StoredRun) -> tuple[Series, list[str]]:
    points = {key: list(zip(of.steps, of.values, of.times, strict=True)) for key, of in run.scalars.items()}
    return points, [line for line, _ in run.lines]


def test_stretches_of_any_length_make_the_same_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = store(tmp_path, rows=1100, keys=12)
    whole = by_swanlab(run)
    assert read(StoredRun(run)) == whole
    for stretch in (1, 32_768, 100_000, 1 << 20):
        monkeypatch.setattr(reading, "STRETCH", stretch)
        assert read(ViewedRun("r0", run).whole()) == whole, stretch
    (file,) = run.glob("run-*.swanlab")
    content = file.read_bytes()
    cut = tmp_path / "cut" / run.name
    cut.mkdir(parents=True)
    growing = None
    for end in (
        0,
        5,
        7,
        1000,
        32_760,
        32_768,
        32_775,
        70_000,
        200_001,
        len(content) // 2,
        len(content) - 1,
        len(content),
    ):
        (cut / file.name).write_bytes(content[:end])
        if end >= FILE_HEADER:
            growing = growing or ViewedRun("r0", cut)
            growing.whole()
    assert growing is not None and read(growing.whole()) == whole


def test_a_large_run_is_read_by_several_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = store(tmp_path, rows=1100, keys=12)
    monkeypatch.setattr(reading, "LARGE", 100_000)
    monkeypatch.setattr("wandb_swan.view.runs.LARGE", 100_000)
    monkeypatch.setattr(reading, "STRETCH", 100_000)
    viewed = ViewedRun("r0", run)
    assert viewed.soon().read <= 1
    viewed.wait()
    assert read(viewed.soon()) == by_swanlab(run) and viewed.head()["read"] == 1


def test_a_stretch_takes_points_as_swanlab_reads_them(tmp_path: Path) -> None:
    run = store(tmp_path, rows=60, keys=3)
    (file,) = run.glob("run-*.swanlab")
    found = [scan(file, *bound) for bound in stretches(file.stat().st_size, FILE_HEADER, 1)]
    taken = sum(len(steps) for stretch in found for steps, _, _ in stretch.points.values())
    assert taken > 150, "most points are decoded straight from the bytes"
    assert not any(stretch.damage for stretch in found)


def test_a_server_that_is_ended_while_it_reads_leaves_nothing(tmp_path: Path) -> None:
    work = tmp_path / "work"
    store(work / "swanlog", rows=9000, keys=40)  # over 24 MB: read by several processes
    for number in (signal.SIGTERM, signal.SIGINT):
        with subprocess.Popen(
            [COMMAND, "view", "--no-open"],
            cwd=work,
            env=clean_environment(tmp_path),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as server:
            assert server.stdout is not None
            server.stdout.readline()
            deadline = time.monotonic() + 60
            while len(psutil.Process(server.pid).children()) < 2 and time.monotonic() < deadline:
                time.sleep(0.02)
            readers = psutil.Process(server.pid).children(recursive=True)
            assert len(readers) >= 2
            server.send_signal(number)
            _, errors = server.communicate(timeout=60)
        assert server.returncode == 0 and not errors, errors
        _, alive = psutil.wait_procs(readers, timeout=10)
        assert not alive
