"""The journal is on a disk where each write takes long: its run is spooled on a local one, and whoever dies, all is there.

The disk is slow in the training's processes alone: `os.pwrite` sleeps for what is below some folders.
"""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from compat_tests.faults.conftest import Train, Training, assert_whole, cmdline, kill, processes, until
from compat_tests.field import Field, namespaces
from compat_tests.stores import SwanStore

pytestmark = [pytest.mark.live, pytest.mark.skipif(sys.platform != "linux", reason="spools need /proc")]

Check = Callable[..., None]

SITE = """
import os, time

def slowed(descriptor, *given, write=os.pwrite):
    where = os.readlink(f"/proc/self/fd/{descriptor}")
    if any(where.startswith(folder) for folder in os.environ["SLOW"].split(":")):
        time.sleep(0.03)
    return write(descriptor, *given)

if os.environ.get("SLOW"):
    os.pwrite = slowed
"""


@pytest.fixture
def slow(tmp_path: Path) -> dict[str, str]:
    """The environment of a training in `tmp_path/work` whose journals are on a slow disk, and `tmp_path/local` is not."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(SITE)
    (tmp_path / "local").mkdir()
    return {
        "PYTHONPATH": str(tmp_path / "site"),
        "SLOW": str(tmp_path / "work" / "swanlog"),
        "TMPDIR": str(tmp_path / "local"),
    }


def copiers(folder: Path) -> list[psutil.Process]:
    return [process for process in processes(folder) if "wandb_swan.journal.spool" in " ".join(cmdline(process))]


def spools(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "local").glob("wandb-swan-*"))


def half_way(train: Train, slow: dict[str, str]) -> Training:
    """A training that is spooled and waits in its middle, with a SwanLab run."""
    training = train(**slow)
    training.at("middle")
    until(lambda: training.statuses and training.statuses[0].get("run_dir"))
    until(lambda: copiers(training.dir))
    return training


AHEAD = """
run = wandb.init(project="p", id="r1")
for i in range(500):
    run.log({"loss": 1 / (i + 1)})
    if i == 5:
        gate("middle")
two_blocks()
time.sleep(1)
gate("end")
run.finish()
"""
"""A training whose rows are in wandb's own log before they are in the journal, where who copies is suspended."""


def left_behind(train: Train, slow: dict[str, str], *also: str) -> Training:
    """A training that was killed with who copies for it, when that had not copied all; and with its mirror (`also`)."""
    training = train(AHEAD, **slow)
    training.at("middle")
    until(lambda: training.statuses and training.statuses[0].get("run_dir"))
    (copier,) = copiers(training.dir)
    copier.suspend()
    training.at("end")
    mirrors = training.mirrors() if also else []
    for process in (*mirrors, training.process, copier):
        kill(process)
    until(lambda: not copier.is_running() or copier.status() == psutil.STATUS_ZOMBIE)
    for mirror in mirrors:
        mirror.wait(10)
    training.end(expect=-signal.SIGKILL)
    return training


def assert_crashed_with_all_rows(training: Training, rows: int) -> None:
    (folder,) = training.swan_dirs()
    swan = SwanStore.read(folder)
    assert [value for _, value in sorted(swan.scalars["loss"].items())] == [1 / (i + 1) for i in range(rows)]
    assert swan.state == "crashed"
    until(lambda: not training.journals)


@pytest.mark.fault(
    "Each write to the journal takes long (FUSE, a busy NFS)",
    "the run is spooled on a local disk, said once; another process brings it over; equal stores",
)
def test_the_journals_disk_is_slow(train: Train, unharmed: Check, slow: dict[str, str], tmp_path: Path) -> None:
    training = train(gates=False, **slow).end()
    unharmed(training)
    (told,) = [line for line in training.said if "spool" in line]
    assert f"run r1 is spooled in {tmp_path}/local/wandb-swan-" in told
    assert "SwanLab run saved" in training.said[-1]
    assert assert_whole(training).state == "finished"
    assert training.journals == []
    assert not list((training.dir / "swanlog" / "journals").glob("*.spool"))
    until(lambda: not spools(tmp_path))


@pytest.mark.fault(
    "The same, and `kill -9` of the trainer",
    "what reached `log()` is brought over; the run is crashed",
)
def test_the_trainer_is_killed(train: Train, slow: dict[str, str], tmp_path: Path) -> None:
    training = half_way(train, slow)
    training.at("end")
    kill(training.process)
    training.end(expect=-signal.SIGKILL).mirrored()
    assert_crashed_with_all_rows(training, 60)
    until(lambda: not spools(tmp_path))


@pytest.mark.fault(
    "The same, and `kill -9` of the process that brings it over, twice",
    "started again; equal stores",
)
def test_who_copies_is_killed(train: Train, unharmed: Check, slow: dict[str, str], tmp_path: Path) -> None:
    training = half_way(train, slow)
    (first,) = copiers(training.dir)
    kill(first)
    until(lambda: [one for one in copiers(training.dir) if one.pid != first.pid])
    training.at("end")
    for copier in copiers(training.dir):
        kill(copier)
    training.end()
    unharmed(training)
    assert assert_whole(training).state == "finished"
    until(lambda: not spools(tmp_path))


@pytest.mark.fault(
    "The same, and `kill -9` of the trainer and of that process while records are left; the mirror lives",
    "the mirror brings them over; the run is crashed",
)
def test_both_are_killed(train: Train, slow: dict[str, str], tmp_path: Path) -> None:
    training = left_behind(train, slow).mirrored()
    assert_crashed_with_all_rows(training, 500)
    assert not spools(tmp_path)


@pytest.mark.fault(
    "The same, and `kill -9` of all three",
    "nothing is called whole; the next run, `wandb-swan status`, `doctor` or `resume` bring them over, `resume` completes it",
)
@pytest.mark.parametrize("by", ["next run", "resume"])
def test_all_three_are_killed(train: Train, slow: dict[str, str], tmp_path: Path, by: str) -> None:
    training = left_behind(train, slow, "mirror")
    assert spools(tmp_path)
    if by == "next run":
        following = train("run = wandb.init(project='p', id='r2')\nrun.finish()", gates=False, **slow).end()
        assert "1 earlier run(s) are not whole" in following.stderr
        until(lambda: not spools(tmp_path))
        training.command("resume")
        whole = [SwanStore.read(folder) for folder in training.swan_dirs()]
        assert [len(swan.scalars["loss"]) for swan in whole if swan.start.id == "r1"] == [500]
    else:
        training.command("resume")
        assert_crashed_with_all_rows(training, 500)
    assert not spools(tmp_path)
    until(lambda: not training.journals)


FILLED = """
def fill(local):
    with open(local + "/big", "wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            pass

run = wandb.init(project="p", id="r1")
for i in range(60):
    run.log({"loss": 1 / (i + 1), "text": "x" * 1000})
    if i == 30 and "LOCAL" in os.environ:
        fill(os.environ["LOCAL"])
run.finish()
print("done")
"""


@pytest.mark.fault(
    "The same, and the local disk fills up",
    "said once; the journal is written itself again; equal stores",
)
def test_the_local_disk_fills_up(
    train: Train, unharmed: Check, slow: dict[str, str], small_file_system: Callable[[str], Path]
) -> None:
    local = small_file_system("70m")
    training = train(FILLED, gates=False, **slow | {"TMPDIR": str(local), "LOCAL": str(local)}).end()
    unharmed(training, FILLED)
    assert sum("is spooled in" in line for line in training.said) == 1
    assert sum("takes no more" in line for line in training.said) == 1
    assert assert_whole(training).state == "finished"
    until(lambda: not list(local.glob("wandb-swan-*")))


@pytest.mark.fault(
    "The same, and no local disk is faster",
    "nothing is said and nothing changes; equal stores",
)
def test_no_local_disk_is_faster(train: Train, unharmed: Check, slow: dict[str, str], tmp_path: Path) -> None:
    every = f"{slow['SLOW']}:{tmp_path}/local:/var/tmp"
    training = train(gates=False, **slow | {"SLOW": every}).end()
    unharmed(training)
    assert not [line for line in training.said if "spool" in line]
    assert assert_whole(training).state == "finished"
    assert not spools(tmp_path)


FORKS = """
run = wandb.init(project="p", id="r1")
for i in range(60):
    run.log({"loss": i / 3})
    if i % 20 == 10:
        child = os.fork()
        if not child:
            os._exit(len(__import__("wandb_swan").capture.live.captured))
        assert os.waitpid(child, 0)[1] == 0, "it would write to its parent's journal"
run.finish()
print("done")
"""


@pytest.mark.fault(
    "The same, and workers are forked before and after",
    "equal stores; the workers are silent",
)
def test_forked_workers(train: Train, unharmed: Check, slow: dict[str, str], tmp_path: Path) -> None:
    journals = str(tmp_path / "journals")
    training = train(FORKS, gates=False, **slow | {"WANDB_SWAN_JOURNAL_DIR": journals, "SLOW": journals}).end()
    unharmed(training, FORKS)
    assert assert_whole(training).state == "finished"
    assert any("is spooled in" in line for line in training.said)
    until(lambda: not spools(tmp_path))
    assert {path.suffix for path in Path(journals).iterdir()} == {".json", ".log"}


@pytest.mark.fault(
    "The same, and the mirror is a relay's on another machine; who brings the run over is suspended when the training ends",
    "nothing is called whole before it goes on; equal stores",
)
def test_a_relay_elsewhere(field: Field, slow: dict[str, str], tmp_path: Path) -> None:
    apart = [*namespaces("--uts", "--pid", "--fork", "--mount-proc", "--kill-child"), "sh", "-c"]
    command = shlex.join([str(Path(sys.executable).with_name("wandb-swan")), "relay", "swanlog"])
    relay = field.start(*apart, f"hostname relayhost && exec {command}")
    until(lambda: "relay of" in field.said(relay), 60)
    training = field.half_way(**slow, WANDB_SWAN_FINISH_TIMEOUT="0")
    (copier,) = copiers(field.work)
    copier.suspend()
    (field.work / "r1.go").touch()
    field.end(training)
    (told,) = field.statuses("r1")
    (journal,) = field.journals.glob("*.journal")
    assert told["state"] == "running" and spools(tmp_path)
    assert not journal.with_suffix(".ended").exists()
    copier.resume()
    field.whole("r1")
    (told,) = field.statuses("r1")
    assert told["result"] == "success" and relay.poll() is None
    until(lambda: not spools(tmp_path))
