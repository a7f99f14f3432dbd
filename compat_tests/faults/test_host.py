"""The host that forks mirrors: whatever becomes of it, each run is whole, and has nothing of another one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psutil
import pytest

from compat_tests.faults.conftest import LOOP, Train, Training, assert_whole, kill, launch, until
from compat_tests.stores import SwanStore, assert_same_values

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a host forks, on Linux alone")
TWO_RUNS = """
for name in ("r1", "r2"):
    run = wandb.init(project="p", id=name)
    for i in range(20):
        run.log({"loss": 1 / (i + 1), "who": name})
    run.finish()
    gate("middle" if name == "r1" else "end")
print("done")
"""


def hosts(training: Training) -> list[psutil.Process]:
    """The hosts of a training: those that have its environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.name() == "swan-host" and process.environ().get("HOME") == training.env["HOME"]:
                found.append(process)
        except psutil.Error:
            continue
    return [process for process in found if process.status() != psutil.STATUS_ZOMBIE]


def assert_all_whole(training: Training, *names: str) -> None:
    pairs = training.pairs()
    assert set(pairs) == set(names)
    for wandb, swan in pairs.values():
        assert_same_values(wandb, swan)
        assert swan.state == "finished"
    assert training.journals == []


def gone(training: Training) -> None:
    until(lambda: not hosts(training))


@pytest.mark.fault(
    "`kill -9` of the host of mirrors while a run goes on",
    "its mirror goes on; the next run has another host; equal stores",
)
def test_a_killed_host(train: Train) -> None:
    training = train(
        TWO_RUNS.replace("    run.finish()", "    gate('middle') if name == 'r1' else gate('end')\n    run.finish()")
    )
    training.at("middle")
    until(lambda: training.statuses and training.statuses[0].get("run_dir"))
    (first,) = hosts(training)
    assert len(training.mirrors()) == 1
    kill(first)
    training.at("end")
    (second,) = hosts(training)
    assert second.pid != first.pid
    training.end().mirrored()
    assert "mirroring run r2" in "".join(training.said)
    assert_all_whole(training, "r1", "r2")
    until(lambda: not training.mirrors())
    gone(training)


@pytest.mark.fault(
    "`kill -9` of the host of mirrors between two runs", "no zombie is left; the next run has another host"
)
def test_a_host_dies_between_two_runs(train: Train) -> None:
    training = train(TWO_RUNS + "import psutil\nprint([c.status() for c in psutil.Process().children()])\n")
    training.at("middle")
    (first,) = hosts(training)
    kill(first)
    training.at("end")
    assert [one.pid for one in hosts(training)] != [first.pid]
    training.end().mirrored()
    assert "zombie" not in training.stdout
    assert_all_whole(training, "r1", "r2")


@pytest.mark.fault(
    "The host of mirrors is stopped before it answers",
    "`finish()` starts a mirror of its own after some time; equal stores",
)
@pytest.mark.slow
def test_a_host_that_does_not_answer(train: Train) -> None:
    training = train(TWO_RUNS)
    training.at("middle")
    (host,) = hosts(training)
    host.suspend()
    training.end(timeout=150).mirrored()
    host.resume()
    assert_all_whole(training, "r1", "r2")
    gone(training)


@pytest.mark.fault(
    "The folder in which hosts are met is open to others, or a file",
    "no host; each mirror has a Python of its own; equal stores",
)
@pytest.mark.parametrize("what", ["open", "file"])
def test_no_place_for_a_host(train: Train, tmp_path: Path, what: str) -> None:
    place = tmp_path / f"swan-hosts-{os.getuid()}"
    if what == "open":
        place.mkdir()
        place.chmod(0o777)
    else:
        place.touch()
    training = train(f"import tempfile\ntempfile.tempdir = {str(tmp_path)!r}\n" + LOOP)
    training.at("end")
    until(training.mirrors)
    assert hosts(training) == []
    training.end().mirrored()
    assert place.is_file() or not list(place.iterdir())
    assert_whole(training)


def test_programs_that_are_alike_share_a_host(train: Train, tmp_path: Path) -> None:
    """It ends with the last of them."""
    script = LOOP.replace('"r1"', 'f"r{os.getpid()}"')
    one = train(script)
    one.at("middle")
    until(lambda: one.statuses and one.statuses[0].get("run_dir"))
    (host,) = hosts(one)
    folder = Path(host.cwd())
    assert folder.stat().st_mode & 0o777 == folder.parent.stat().st_mode & 0o777 == 0o700
    other = launch(tmp_path, script, "work", FAULTS_GATES="1")
    try:
        until(lambda: sum(bool(status.get("run_dir")) for status in one.statuses) == 2, 60)
        assert hosts(one) == [host]
        one.end()
        other.end().mirrored()
    finally:
        other.process.kill()
    until(lambda: not host.is_running())
    assert_all_whole(one, f"r{one.process.pid}", f"r{other.process.pid}")
    assert not folder.exists()


@pytest.mark.fault(
    "The host of mirrors ends, as it does when nobody asks any more, and so does the training, while a mirror is far behind",
    "the mirror goes on by itself and completes the run",
)
def test_a_mirror_outlives_its_host_and_its_training(train: Train) -> None:
    training = train(LOOP, WANDB_SWAN_FINISH_TIMEOUT="0")
    training.at("end")
    until(lambda: training.statuses and training.statuses[0].get("run_dir"))
    (mirror,) = training.mirrors()
    (host,) = hosts(training)
    mirror.suspend()
    until(lambda: not host.is_running(), 60)
    training.end()
    assert mirror.is_running()
    mirror.resume()
    training.mirrored()
    assert_whole(training)


OF_ITS_OWN = """
swanlog = pathlib.Path("swanlog").absolute()
os.environ["WANDB_SWAN_LOG_DIR"] = str(swanlog)
for name, more in (("r1", {"SWANLAB_API_KEY": "one"}), ("r2", {}), ("r3", {"SWANLAB_API_KEY": "three"})):
    os.environ.pop("SWANLAB_API_KEY", None)
    os.environ.update(more)
    folder = pathlib.Path("in-" + name)
    folder.mkdir()
    os.chdir(folder)
    run = wandb.init(project="p", id=name, dir="..")
    run.log({"loss": 1})
    while not list((swanlog / "journals").glob(name + "-*.status.json")):
        time.sleep(0.05)
    for mirror in mirrors():
        told = mirror.environ()
        print(name, pathlib.Path(mirror.cwd()).name, told.get("SWANLAB_API_KEY"), told.get("WANDB_RUN_ID"))
    run.finish()
    os.chdir("..")
"""


def test_nothing_of_one_run_is_in_another(train: Train) -> None:
    """Working folder, environment, credentials: each mirror has those of its own run."""
    training = train(OF_ITS_OWN, gates=False, WANDB_SWAN_MODE="offline").end().mirrored()
    told = {line.split()[0]: line.split()[1:] for line in training.stdout.splitlines() if line.startswith("r")}
    assert told == {"r1": ["in-r1", "one", "None"], "r2": ["in-r2", "None", "None"], "r3": ["in-r3", "three", "None"]}
    assert all(status["state"] == "finished" for status in training.statuses)


FORKED = """
run = wandb.init(project="p", id="r1")
run.log({"loss": 1})
child = os.fork()
if child == 0:
    other = wandb.init(project="p", id="r2", reinit="create_new")
    for i in range(10):
        other.log({"loss": i})
    other.finish()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
gate("middle")
run.log({"loss": 2})
run.finish()
"""


def test_a_forked_training_has_mirrors_too(train: Train) -> None:
    training = train(FORKED)
    training.at("middle")
    until(lambda: sorted(status["state"] for status in training.statuses) == ["finished", "running"])
    training.end().mirrored()
    for store in map(SwanStore.read, sorted((training.dir / "swanlog").glob("run-*"))):
        assert store.state == "finished"
        assert store.scalars["loss"] in ({0: 1.0, 1: 2.0}, {i: float(i) for i in range(10)})
    gone(training)


MANY = """
import gc, psutil
def here():
    gc.collect()
    return os.listdir("/proc/self/fd"), sorted(psutil.Process().children(), key=lambda one: one.pid)
def of_host():  # it may be another one by now, where the machine stood still for ten seconds
    every = [one for one in psutil.process_iter(["name", "environ"]) if one.info["name"] == "swan-host"]
    (host,) = [one for one in every if (one.info["environ"] or {}).get("HOME") == os.environ["HOME"]]
    return host.num_fds(), host.memory_info().rss
for number in range(RUNS):
    run = wandb.init(project="p", id=f"r{number}", settings=wandb.Settings(silent=True))
    run.log({"loss": number})
    run.finish()
    if number == 9:
        files, children = here()
        before = of_host()
now, left = here()
after = of_host()
assert len(now) <= len(files), (files, now)
assert left == children and all(one.status() != "zombie" for one in psutil.Process().children(recursive=True))
assert after[0] <= before[0] + 1 and after[1] < before[1] + 2_000_000, (before, after)
print("flat")
"""


@pytest.mark.slow
def test_three_hundred_runs_leave_nothing(train: Train) -> None:
    training = train(MANY.replace("RUNS", "300"), gates=False).end(timeout=600)
    assert "flat" in training.stdout
    assert len(list((training.dir / "swanlog").glob("run-*"))) == 300 and training.journals == []


def test_runs_leave_nothing(train: Train) -> None:
    assert "flat" in train(MANY.replace("RUNS", "20"), gates=False).end().stdout
