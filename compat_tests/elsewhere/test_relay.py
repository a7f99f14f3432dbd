"""One relay for many trainings: whoever of them dies, both stores are equal in the end, and everything is there once."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from compat_tests.conftest import Recorded, clean_environment
from compat_tests.faults.conftest import assert_cloud_has, cmdline, processes, until
from compat_tests.journals import written
from compat_tests.servers.swanlab_cloud import SwanLabCloud
from compat_tests.stores import SwanStore, WandbStore, assert_same_values
from wandb_swan.journal.reader import LogReader

pytestmark = [pytest.mark.live, pytest.mark.skipif(os.name == "nt", reason="signals")]

COMMAND = Path(sys.executable).with_name("wandb-swan")
TRAIN = """
import os, pathlib, sys, time
import wandb_swan as wandb

name, rows, gates = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
run = wandb.init(project="p", id=name, config={"lr": 0.1, "name": name})
for i in range(rows):
    run.log({"loss": 1 / (i + 1), "who": name} if i % 5 == 0 else {"loss": 1 / (i + 1)})
    if gates and i == rows // 2:
        pathlib.Path(name + ".reached").touch()
        while not pathlib.Path(name + ".go").exists():
            time.sleep(0.05)
print("trained", name)
run.finish()
"""
QUIET = {"WANDB_X_DISABLE_STATS": "true", "WANDB_X_DISABLE_META": "true", "SWANLAB_PROBE_MONITOR": "false"}


class Field:
    """A folder that trainings and relays share."""

    def __init__(self, folder: Path) -> None:
        self.home, self.work = folder / "home", folder / "work"
        self.home.mkdir()
        self.work.mkdir()
        self.journals = self.work / "swanlog" / "journals"
        self.started: list[subprocess.Popen[str]] = []
        (self.work / "train.py").write_text(TRAIN)

    def start(self, *command: str | Path, **environment: str | None) -> subprocess.Popen[str]:
        number = len(self.started)
        with (self.work / f"out{number}").open("w") as out, (self.work / f"err{number}").open("w") as err:
            process = subprocess.Popen(
                [str(word) for word in command],
                cwd=self.work,
                env=clean_environment(self.home, **{**QUIET, **environment}),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                text=True,
            )
        self.started.append(process)
        return process

    def said(self, process: subprocess.Popen[str]) -> str:
        number = self.started.index(process)
        return "".join((self.work / f"{name}{number}").read_text() for name in ("out", "err"))

    def train(self, name: str, rows: int = 20, *gates: str, **environment: str | None) -> subprocess.Popen[str]:
        given = {"WANDB_SWAN_MIRROR": "relay", **environment}
        return self.start(sys.executable, "train.py", name, str(rows), *gates, **given)

    def relay(self, *options: str | Path, **environment: str | None) -> subprocess.Popen[str]:
        """A relay that has begun."""
        process = self.start(COMMAND, "relay", "swanlog", *options, **environment)
        until(lambda: "relay of" in self.said(process) or '"relay"' in self.said(process), 60)
        return process

    def at_gate(self, name: str) -> None:
        until((self.work / f"{name}.reached").exists, 60)

    def mirrored(self, name: str) -> bool:
        """Whether a mirror has written something of a run."""
        return any(told.get("counts", {}).get("rows") for told in self.statuses(name))

    def statuses(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in sorted(self.journals.glob(f"{name}-*.status.json"))]

    def whole(self, *names: str, timeout: float = 120) -> None:
        """Waits until every journal is gone; both stores are then the same, with one SwanLab run for each of wandb's."""

        def done() -> bool:
            return not list(self.journals.glob("*.journal")) and all(
                told["state"] == "finished" for name in names for told in self.statuses(name)
            )

        until(done, timeout)
        pairs = Recorded(self.work, 0, "", "".join(map(self.said, self.started))).pairs()
        assert set(pairs) == set(names)
        for wandb, swan in pairs.values():
            assert_same_values(wandb, swan)
        assert len(list((self.work / "swanlog").glob("run-*"))) == len(names)

    def end(self, process: subprocess.Popen[str], *, expect: int = 0) -> str:
        assert process.wait(120) == expect, self.said(process)
        return self.said(process)

    def stop(self, relay: subprocess.Popen[str], *, expect: int = 0) -> str:
        relay.terminate()
        return self.end(relay, expect=expect)

    def mirrors(self) -> list[Any]:
        return [p for p in processes(self.work) if "wandb_swan.mirror.process" in " ".join(cmdline(p))]


@pytest.fixture
def field(tmp_path: Path) -> Iterator[Field]:
    made = Field(tmp_path)
    yield made
    for process in made.started:
        if process.poll() is None:
            process.kill()
            process.wait()
    for mirror in processes(made.work):
        mirror.kill()


@pytest.fixture
def cloud() -> Iterator[SwanLabCloud]:
    with SwanLabCloud() as running:
        yield running
        running.heal()


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
    field.end(field.start(COMMAND, "relay", "--once"))  # there is nothing to do


def test_once_says_by_its_exit_code_what_is_not_whole(field: Field) -> None:
    field.end(field.train("r1"))
    (journal,) = field.journals.glob("*.journal")
    journal.write_bytes(b"no journal at all")
    said = field.end(field.start(COMMAND, "relay", "swanlog", "--once"), expect=1)
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


def test_a_relay_that_is_killed_and_started_again(field: Field) -> None:
    first = field.relay()
    training = field.train("r1", 40, "gate")
    field.at_gate("r1")
    until(lambda: field.mirrored("r1"), 150)
    first.kill()
    first.wait()
    second = field.relay()
    (field.work / "r1.go").touch()
    assert "SwanLab run saved" in field.end(training)
    field.whole("r1")
    field.stop(second)


def test_relay_and_mirror_killed_with_the_training(field: Field) -> None:
    relay = field.relay()
    training = field.train("r1", 40, "gate")
    field.at_gate("r1")
    until(lambda: field.mirrored("r1"), 150)
    for process in (relay, training):
        process.kill()
        process.wait()
    for mirror in field.mirrors():
        mirror.kill()
    second = field.relay()
    until(lambda: not list(field.journals.glob("*.journal")), 60)
    (told,) = field.statuses("r1")
    assert (told["state"], told["result"]) == ("finished", "crashed")
    assert len(list((field.work / "swanlog").glob("run-*"))) == 1
    field.stop(second)


def test_a_training_that_is_killed_under_a_relay(field: Field) -> None:
    relay = field.relay()
    training = field.train("r1", 40, "gate")
    field.at_gate("r1")
    training.kill()
    until(lambda: any(told["state"] == "finished" for told in field.statuses("r1")), 60)
    (told,) = field.statuses("r1")
    assert told["result"] == "crashed" and told["counts"]["rows"] == 21
    field.stop(relay)


def test_the_relay_dies_and_the_training_ends_with_a_mirror_of_its_own(field: Field) -> None:
    relay = field.relay()
    training = field.train("r1", 40, "gate", WANDB_SWAN_MIRROR="auto")
    field.at_gate("r1")
    until(lambda: field.mirrored("r1"), 150)
    relay.kill()
    relay.wait()
    for mirror in field.mirrors():
        mirror.kill()
    (field.work / "r1.go").touch()
    said = field.end(training)
    assert "wandb_swan: mirroring run r1 to SwanLab" in said and "SwanLab run saved" in said
    field.whole("r1")


def test_a_relay_is_told_to_end_while_a_training_goes_on(field: Field) -> None:
    first = field.relay()
    training = field.train("r1", 40, "gate")
    field.at_gate("r1")
    until(lambda: field.mirrored("r1"), 150)
    said = field.stop(first)
    assert "its run goes on; the next relay" in said and "1 run(s) are not whole in SwanLab" in said
    assert not field.mirrors() and not list(field.journals.glob("*.mirror"))
    assert not list(field.journals.parent.glob(".relay-*"))
    field.end(field.start(COMMAND, "relay", "swanlog", "--once"))  # takes what is there, and leaves it again
    assert not field.mirrors()
    second = field.relay()
    (field.work / "r1.go").touch()
    field.end(training)
    field.whole("r1")
    field.stop(second)


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


def test_online_with_an_outage(field: Field, cloud: SwanLabCloud) -> None:
    relay = field.relay(**cloud.env())
    training = field.train("r1", 40, "gate")
    field.at_gate("r1")
    until(lambda: field.mirrored("r1"), 150)
    cloud.vanish()
    (field.work / "r1.go").touch()
    time.sleep(3)
    relay.kill()
    relay.wait()
    for mirror in field.mirrors():
        mirror.kill()
    relay = field.relay(**cloud.env())
    time.sleep(2)
    cloud.come_back()
    field.end(training)
    until(lambda: not list(field.journals.glob("*.journal")), 120)
    wandb = Recorded(field.work, 0, "", "").wandb_dirs[0]
    assert_cloud_has(cloud.experiment("r1"), WandbStore.read(wandb))
    assert cloud.experiment("r1").state == "FINISHED"
    field.stop(relay)


MEDIA = """
import numpy
import wandb_swan as wandb

run = wandb.init(project="p", id="r1")
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


def whole_in(folder: Path, pictures: int = 3) -> None:
    (run,) = (folder / "swanlog").glob("run-*")
    store = SwanStore.read(run)
    assert store.scalars["a"] == {0: 0.0, 1: 1.0, 2: 2.0}
    assert len(store.media.get("picture", {})) == pictures


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
    whole_in(field.work, 0)
    assert len(list(field.journals.glob("*.journal"))) == 1
    field.end(field.start(COMMAND, "relay", "swanlog", "--once"))  # nothing has changed
    whole_in(field.work, 0)
    field.end(field.start(COMMAND, "resume", f"--map={field.work}/wandb={there}"))
    whole_in(field.work)
    assert not list(field.journals.glob("*.journal"))


def test_a_map_that_is_none(field: Field) -> None:
    said = field.end(field.start(COMMAND, "relay", "--map=/scratch"), expect=2)
    assert "--map /scratch: give FROM=TO, for instance /scratch=/mnt/scratch" in said


def namespaces(*kinds: str) -> list[str]:
    command = ["unshare", *kinds]
    if shutil.which("unshare") is None or subprocess.run([*command, "true"], capture_output=True).returncode:
        pytest.skip("this machine refuses namespaces")
    return command


def test_two_hosts(field: Field) -> None:
    """The relay's machine has another name, and sees no process of the training's."""
    apart = namespaces("--uts", "--pid", "--fork", "--mount-proc", "--kill-child")
    renamed = ["sh", "-c", 'hostname relayhost && exec "$@"', "sh"]
    relay = field.start(*apart, *renamed, COMMAND, "relay", "swanlog")
    until(lambda: "relay of" in field.said(relay), 60)
    training = field.train("r1", 40, "gate")
    field.at_gate("r1")
    until(lambda: field.mirrored("r1"), 150)
    assert "is mirrored to SwanLab by the relay on relayhost" in field.said(training)
    (field.work / "r1.go").touch()
    assert "SwanLab run saved" in field.end(training)
    field.whole("r1")
