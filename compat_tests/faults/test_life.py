"""How a training's processes end, fork and multiply."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest

from compat_tests.faults.conftest import LOOP, Train, Training, assert_whole, kill, until
from compat_tests.stores import SwanStore, assert_same_values

Check = Callable[..., None]

START = 'run = wandb.init(project="p", id="r1")\n'
STEPS = "for i in range(30): run.log({'loss': i / 3})\n"


def ended_by_itself(train: Train, unharmed: Check, script: str, code: int) -> Training:
    training = train(script, gates=False).end(expect=code).mirrored()
    unharmed(training, script)
    return training


def rows_before_the_death(training: Training, count: int) -> None:
    """wandb's core writes its log in blocks: after a kill it may lack the last rows, which SwanLab has."""
    swan = training.swan_dirs()
    assert len(swan) == 1, training.explain()
    store = SwanStore.read(swan[0])
    assert store.scalars["loss"] == {i: i / 3 for i in range(count)}
    assert store.state == "crashed"


@pytest.mark.fault(
    "`os._exit`, `kill -9`, SIGTERM of the trainer",
    "every value that reached `log()` is in SwanLab; the run is crashed",
)
@pytest.mark.parametrize(
    ("end", "code"), [("os._exit(7)", 7), ("os.kill(os.getpid(), 9)", -9), ("os.kill(os.getpid(), 15)", -15)]
)
def test_the_trainer_dies_without_a_word(train: Train, unharmed: Check, end: str, code: int) -> None:
    script = START + STEPS + "print('here', flush=True)\ntime.sleep(0.3)\n" + end
    training = train(script, gates=False).end(expect=code).mirrored()
    assert training.stdout == "here\n"
    assert "Traceback" not in training.stderr
    rows_before_the_death(training, 30)


@pytest.mark.fault(
    "SIGTERM, then SIGKILL, to every process of the job",
    "every value that reached `log()` is in SwanLab, at once or after `wandb-swan resume`",
)
def test_sigterm_and_sigkill_reach_the_whole_job(train: Train) -> None:
    """As Slurm and Kubernetes do: SIGTERM to every process, SIGKILL to what is left after a grace period."""
    training = train()
    training.at("middle")
    until(lambda: training.statuses and training.statuses[0].get("run_dir"))
    mirror = training.mirrors()[0]
    for process in (training.process, mirror):
        os.kill(process.pid, signal.SIGTERM)
    time.sleep(0.5)
    if mirror.is_running():
        kill(mirror)
    training.end(expect=-signal.SIGTERM)
    until(lambda: not training.mirrors())
    if training.journals:
        training.command("resume")
    store = training.swan_dirs()
    assert len(store) == 1
    swan = SwanStore.read(store[0])
    assert len(swan.scalars["loss"]) == 31
    assert swan.state == "crashed"


@pytest.mark.fault(
    "An unhandled exception",
    "equal stores; the run is crashed, with the traceback",
)
def test_an_unhandled_exception(train: Train, unharmed: Check) -> None:
    script = START + STEPS + "raise RuntimeError('boom')"
    training = ended_by_itself(train, unharmed, script, 1)
    swan = assert_whole(training)
    assert swan.state == "crashed"
    assert "RuntimeError: boom" in swan.finish.error


@pytest.mark.fault(
    "Ctrl-C",
    "equal stores; the run is aborted",
)
def test_one_ctrl_c(train: Train, unharmed: Check) -> None:
    script = START + STEPS + "os.kill(os.getpid(), 2)\ntime.sleep(5)"
    training = ended_by_itself(train, unharmed, script, -signal.SIGINT)
    assert assert_whole(training).state == "aborted"


@pytest.mark.fault(
    "Ctrl-C twice",
    "the training ends; the values are in SwanLab, at once or after `wandb-swan resume`",
)
def test_two_ctrl_c(train: Train) -> None:
    script = (
        START
        + STEPS
        + (
            "import threading\nthreading.Timer(0.7, lambda: os.kill(os.getpid(), 2)).start()\n"
            "os.kill(os.getpid(), 2)\ntime.sleep(5)"
        )
    )
    training = train(script, gates=False, WANDB_SWAN_FINISH_TIMEOUT="200").end(expect=None).mirrored()
    assert training.returncode != 0
    if training.journals:
        training.command("resume")
    assert SwanStore.read(training.swan_dirs()[0]).scalars["loss"] == {i: i / 3 for i in range(30)}


@pytest.mark.fault(
    "Ctrl-C while `finish()` waits for the mirror",
    "the wait ends at once; the mirror completes the run by itself",
)
def test_ctrl_c_while_finish_waits_leaves_at_once(train: Train) -> None:
    script = (
        START
        + STEPS
        + (
            "import signal, subprocess\n"
            "mirror = __import__('psutil').Process().children()\n"
            "mirror = next(p for p in mirror if 'wandb_swan.mirror' in ' '.join(p.cmdline()))\n"
            "mirror.suspend()\n"
            "import threading\nthreading.Timer(3, lambda: os.kill(os.getpid(), 2)).start()\n"
            "began = time.monotonic()\n"
            "run.finish()\n"
            "print('left', time.monotonic() - began < 8)\n"
            "mirror.resume()\n"
        )
    )
    training = train(script, gates=False).end().mirrored()
    assert training.stdout == "left True\n"
    assert "the mirror goes on by itself" in training.said[-1]
    assert_whole(training)


@pytest.mark.fault(
    "`kill -9` of the mirror",
    "restarted by `finish()`; equal stores",
)
def test_the_mirror_is_killed(train: Train, unharmed: Check) -> None:
    training = train()
    training.at("middle")
    until(lambda: training.statuses and training.statuses[0].get("run_dir"))
    kill(training.mirrors()[0])
    unharmed(training.end())
    training.mirrored()
    assert_whole(training)
    assert training.journals == []


@pytest.mark.fault(
    "`kill -9` of trainer and mirror",
    "`wandb-swan status` lists the run; `wandb-swan resume` completes it, once",
)
def test_trainer_and_mirror_are_killed(train: Train) -> None:
    training = train()
    training.at("end")
    until(lambda: training.statuses and training.statuses[0].get("run_dir"))
    kill(training.mirrors()[0])
    kill(training.process)
    training.end(expect=-9)
    assert "interrupted" in training.command("status")
    training.command("resume")
    (folder,) = training.swan_dirs()
    store = SwanStore.read(folder)
    assert len(store.scalars["loss"]) == 60
    assert store.console()[:2] == ["half way", "trained"]
    assert "0 unfinished" in training.command("status")
    assert "nothing to resume" in training.command("resume")


FORK = (
    START
    + """
import multiprocessing
def work(queue, n):
    queue.put(n * n)
context = multiprocessing.get_context("fork")
for epoch in range(3):
    queue = context.Queue()
    workers = [context.Process(target=work, args=(queue, n)) for n in range(4)]
    [worker.start() for worker in workers]
    run.log({"sum": sum(queue.get() for _ in workers), "epoch": epoch})
    [worker.join() for worker in workers]
print("done")
"""
)

SPAWN = """
import multiprocessing
def work(run, n):
    run.log({"child": n})
if __name__ == "__main__":
    run = wandb.init(project="p", id="r1")
    run.log({"loss": 1.0})
    for n in range(2):
        worker = multiprocessing.get_context("spawn").Process(target=work, args=(run, n))
        worker.start()
        worker.join()
        run.log({"loss": 2.0 + n})
    print("done")
    run.finish()
"""


@pytest.mark.fault(
    "Forked workers, as in a DataLoader",
    "equal stores; the workers are silent",
)
def test_forked_workers(train: Train, unharmed: Check) -> None:
    training = ended_by_itself(train, unharmed, FORK, 0)
    assert assert_whole(training).scalars["sum"] == {0: 14, 1: 14, 2: 14}


@pytest.mark.fault(
    "Spawned children that log to the run",
    "equal stores: their rows come from wandb's own log",
)
def test_spawned_children_log_to_the_run(train: Train, unharmed: Check) -> None:
    training = ended_by_itself(train, unharmed, SPAWN, 0)
    assert set(assert_whole(training).scalars) == {"loss", "child"}


@pytest.mark.fault(
    "`wandb.teardown()` instead of `finish()`",
    "equal stores",
)
def test_teardown_ends_the_run(train: Train, unharmed: Check) -> None:
    script = START + STEPS + "wandb.teardown()\nprint('done')"
    assert assert_whole(ended_by_itself(train, unharmed, script, 0)).state == "finished"


THREADS = """
import threading
def train(n):
    run = wandb.init(project="p", id=f"t{n}", reinit="create_new")
    for i in range(40):
        run.log({"loss": n * 100 + i})
    run.finish()
threads = [threading.Thread(target=train, args=(n,)) for n in range(3)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print("done")
"""

SEVERAL = """
runs = [wandb.init(project="p", id=f"t{n}", reinit="create_new") for n in range(3)]
for i in range(40):
    for n, run in enumerate(runs):
        run.log({"loss": n * 100 + i})
for run in runs:
    run.finish()
print("done")
"""


@pytest.mark.fault(
    'Several live runs: in threads, and with `reinit="create_new"`',
    "each has its own SwanLab run; equal stores",
)
@pytest.mark.parametrize("script", [THREADS, SEVERAL], ids=["threads", "create_new"])
def test_several_live_runs_each_have_their_own(train: Train, unharmed: Check, script: str) -> None:
    training = ended_by_itself(train, unharmed, script, 0)
    pairs = training.pairs()
    assert sorted(pairs) == ["t0", "t1", "t2"]
    for wandb, swan in pairs.values():
        assert_same_values(wandb, swan)
        assert len(swan.scalars["loss"]) == 40


@pytest.mark.fault(
    "A run was interrupted; the next one starts in the same log directory",
    "one line says so; `wandb-swan resume` completes it",
)
def test_an_interrupted_run_is_told_of_by_the_next_and_resumed_in_order(train: Train, unharmed: Check) -> None:
    first = train()
    first.at("middle")
    until(lambda: first.statuses and first.statuses[0].get("run_dir"))
    kill(first.mirrors()[0])
    kill(first.process)
    first.end(expect=-9)
    script = LOOP.replace('id="r1"', 'id="r2"')
    second = train(script, gates=False).end()
    unharmed_lines = [line for line in second.said if "not whole in SwanLab" in line]
    assert unharmed_lines == ["1 earlier run(s) are not whole in SwanLab: type `wandb-swan resume swanlog/journals`"]
    told = second.command("status")
    assert "interrupted" in told
    assert "1 unfinished" in told
    second.command("resume", "swanlog")
    assert second.journals == []
    stores = {store.start.id: store for store in map(SwanStore.read, second.swan_dirs())}
    assert len(stores["r1"].scalars["loss"]) == 31
    assert len(stores["r2"].scalars["loss"]) == 60
    assert len(second.swan_dirs()) == 2
