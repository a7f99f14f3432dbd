"""One relay for many trainings: both stores are equal in the end, and everything is there once."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import pty
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from compat_tests.conftest import clean_environment
from compat_tests.faults.conftest import until
from compat_tests.field import COMMAND, QUIET, Field
from compat_tests.journals import written
from compat_tests.servers.swanlab_cloud import SwanLabCloud
from compat_tests.stores import SwanStore
from wandb_swan.journal.reader import LogReader

pytestmark = [pytest.mark.live, pytest.mark.skipif(os.name == "nt", reason="signals")]


def test_a_relay_mirrors_and_finish_waits_for_it(field: Field) -> None:
    relay = field.relay()
    (sign,) = (field.work / "swanlog").glob(".relay-*.json")
    told = json.loads(sign.read_text())
    assert (told["pid"], told["host"]) == (relay.pid, platform.node()) and told["wandb_swan"]
    alone, automatic, here = (field.train(mode, WANDB_SWAN_MIRROR=mode) for mode in ("relay", "auto", "here"))
    for training in (alone, automatic):
        said = field.end(training)
        assert f"is mirrored to SwanLab by the relay on {platform.node()} (pid {relay.pid})" in said
        assert "SwanLab run saved (no SwanLab credentials, so offline)" in said
    assert "wandb_swan: mirroring run here to SwanLab" in field.end(here)
    field.whole("relay", "auto", "here")
    assert "nothing is left" in field.stop(relay)
    assert not sign.exists()


def test_without_a_relay_the_journal_waits_and_once_takes_it(field: Field) -> None:
    said = field.end(field.train("r1"))
    lines = [line for line in said.splitlines() if line.startswith("wandb_swan:")]
    assert len(lines) == 2 and "run r1 waits for a relay in its journal swanlog/journals/r1-" in lines[0]
    assert "no relay is at work: type `wandb-swan relay swanlog/journals`" in lines[1]
    assert not field.mirrors()
    done = field.end(field.start(COMMAND, "relay", "swanlog", "--once", "--json"))
    events = [json.loads(line) for line in done.splitlines()]
    assert [event["event"] for event in events] == ["relay", "follow", "finished", "end"]
    field.whole("r1")
    assert field.end(field.start(COMMAND, "relay", "--once", "--quiet")) == "", "there is nothing to do"


def test_once_says_by_its_exit_code_what_is_not_whole(field: Field) -> None:
    field.end(field.train("r1"))
    (journal,) = field.journals.glob("*.journal")
    journal.write_bytes(b"no journal at all")
    said = field.end(field.start(COMMAND, "relay", "swanlog", "--once", "--quiet"), expect=1)
    assert "the run is not whole in SwanLab" in said and "1 run(s) are not whole" in said


def test_twenty_trainings_over_one_relay_with_three_mirrors(field: Field) -> None:
    names = [f"t{number}" for number in range(20)]
    relay = field.relay("--workers", "3")
    running: list[subprocess.Popen[str]] = []
    most = 0
    before: set[int] = set()
    for name in names:
        while sum(training.poll() is None for training in running) >= 4:
            now = {mirror.pid for mirror in field.mirrors()}
            most = max(most, len(now & before))  # while one looks, one ends and the next begins
            before = now
            time.sleep(0.2)
        running.append(field.train(name, WANDB_SWAN_FINISH_TIMEOUT="0"))
    for training in running:
        field.end(training)
    field.whole(*names, timeout=300)
    assert 0 < most <= 3
    assert "nothing is left" in field.stop(relay)


def test_two_relays_on_one_folder(field: Field) -> None:
    relays = [field.relay(), field.relay()]
    names = [f"t{number}" for number in range(6)]
    for training in [field.train(name) for name in names]:
        field.end(training)
    field.whole(*names)
    for relay in relays:
        field.stop(relay)


def test_the_same_run_again_and_again(field: Field) -> None:
    """A requeued job: three generations of one run id, which no relay has seen while they ran."""
    for generation in range(3):
        field.end(field.train("r1", 10 + generation))
        time.sleep(1.1)  # a journal's name tells seconds
    journals = len(list(field.journals.glob("*.journal")))
    assert journals == 3
    done = field.end(field.start(COMMAND, "relay", "swanlog", "--once", "--json"))
    order = [event["journal"] for event in map(json.loads, done.splitlines()) if event["event"] == "finished"]
    assert order == sorted(order) and len(order) == 3


MEDIA = """
import pathlib
import numpy
import wandb_swan as wandb

pathlib.Path("weights.bin").write_bytes(b"weights")
run = wandb.init(project="p", id="r1")
run.save(str(pathlib.Path("weights.bin").absolute()), base_path=".")
for i in range(3):
    run.log({"picture": wandb.Image(numpy.full((4, 4, 3), i, dtype=numpy.uint8)), "a": i})
run.finish()
"""


@pytest.fixture
def moved(field: Field, tmp_path: Path) -> Callable[[str], Path]:
    """A run that was recorded on another machine, whose folders are elsewhere here: `moved(what)` moves `what`."""
    (field.work / "media.py").write_text(MEDIA)
    field.end(field.start(sys.executable, "media.py", WANDB_SWAN_MIRROR="relay"))
    (journal,) = field.journals.glob("*.journal")
    with LogReader(journal) as reader:
        records = list(reader)
    note = json.loads(records[0])
    note["trainer"]["host"] = "elsewhere"
    journal.write_bytes(written([json.dumps(note).encode(), *records[1:]]))

    def move(what: str) -> Path:
        there = tmp_path / "mnt"
        (field.work / what).rename(there)
        return there

    return move


def whole_in(folder: Path, pictures: int = 3, *, weights: bool = True) -> None:
    (run,) = (folder / "swanlog").glob("run-*")
    store = SwanStore.read(run)
    assert store.scalars["a"] == {0: 0.0, 1: 1.0, 2: 2.0}
    assert len(store.media.get("picture", {})) == pictures
    assert [path.read_bytes() for path in run.rglob("weights.bin")] == ([b"weights"] if weights else [])


def test_a_folder_that_is_mounted_elsewhere(field: Field, moved: Callable[[str], Path]) -> None:
    there = moved(".")
    field.work.mkdir()
    field.end(field.start(COMMAND, "relay", there / "swanlog", "--once"))
    whole_in(there)
    assert not (field.work / "swanlog").exists()


def test_files_that_are_not_found_are_taken_later(field: Field, moved: Callable[[str], Path]) -> None:
    there = moved("wandb")
    said = field.end(field.start(COMMAND, "relay", "swanlog", "--once"))
    assert "3 x the file is missing" in said and "which is not found here (--map says where it is)" in said
    whole_in(field.work, 0, weights=False)
    assert len(list(field.journals.glob("*.journal"))) == 1
    field.end(field.start(COMMAND, "relay", "swanlog", "--once"))  # nothing has changed
    whole_in(field.work, 0, weights=False)
    field.end(field.start(COMMAND, "resume", f"--map={field.work}/wandb={there}"))
    whole_in(field.work)
    assert not list(field.journals.glob("*.journal"))


def test_a_map_that_is_none(field: Field) -> None:
    said = field.end(field.start(COMMAND, "relay", "--map=/scratch"), expect=2)
    assert "--map /scratch: give FROM=TO, for instance /scratch=/mnt/scratch" in said


def test_a_saved_file_that_is_elsewhere(field: Field, moved: Callable[[str], Path]) -> None:
    """`wandb.save` has made a link; what that names is not found here."""
    there = moved("weights.bin")
    said = field.end(field.start(COMMAND, "relay", "swanlog", "--once"))
    assert "1 x file not saved: the file is missing" in said and "(--map says where it is)" in said
    whole_in(field.work, weights=False)
    away = there.with_name("away")
    away.mkdir()
    there.rename(away / "weights.bin")
    field.end(field.start(COMMAND, "resume", f"--map={field.work}={away}"))
    whole_in(field.work)
    assert not list(field.journals.glob("*.journal"))


def test_files_that_are_taken_later_online(field: Field, moved: Callable[[str], Path], cloud: SwanLabCloud) -> None:
    there = moved("wandb")
    field.end(field.start(COMMAND, "relay", "swanlog", "--once", **cloud.env()))
    assert cloud.experiment("r1").media == {} and len(list(field.journals.glob("*.journal"))) == 1
    field.end(field.start(COMMAND, "relay", "swanlog", "--once", f"--map={field.work}/wandb={there}", **cloud.env()))
    experiment = cloud.experiment("r1")
    assert sorted(experiment.media["picture"]) == [0, 1, 2] and experiment.duplicate_points == []
    assert not list(field.journals.glob("*.journal"))


def test_the_table_on_a_terminal(field: Field) -> None:
    """What has happened as lines, what is followed below them; nothing of it is left at the end."""
    training = field.train("r1", 40, "gate")
    field.at_gate("r1")
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    relay = subprocess.Popen(
        [COMMAND, "relay", "swanlog"],
        cwd=field.work,
        env=clean_environment(field.home, **QUIET, TERM="xterm", COLUMNS="100"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = ""

    def more() -> str:
        nonlocal shown
        with contextlib.suppress(OSError):  # the terminal is gone with the relay
            shown += os.read(ours, 65536).decode()
        return shown

    try:
        until(lambda: "1 run(s) followed" in more() and "running" in shown, 120)
        (field.work / "r1.go").touch()
        field.end(training)
        until(lambda: "SwanLab run saved" in more() and "0 run(s) followed" in shown, 120)
        relay.terminate()
        until(lambda: "nothing is left" in more(), 60)
        assert relay.wait(60) == 0
    finally:
        relay.kill()
        relay.wait()
        os.close(ours)
    field.whole("r1")
