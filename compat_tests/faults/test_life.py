"""How a training's processes end, fork and multiply."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import pytest

from compat_tests.faults.conftest import (
    LOOP,
    Bare,
    Train,
    Training,
    assert_whole,
    kill,
    processes,
    unharmed_until_killed,
    until,
)
from compat_tests.stores import SwanStore, WandbStore, assert_same_values

Check = Callable[..., None]

START = 'run = wandb.init(project="p", id="r1")\n'
STEPS = "for i in range(30): run.log({'loss': i / 3})\n"
LONG_STEPS = STEPS.replace("30", "400") + "two_blocks()\n"
"""Some blocks of wandb's log: what a kill leaves of it holds rows to compare."""
LONG = LOOP.replace("range(60)", "range(500)").replace("i == 30", "i == 399").replace("gate(", "two_blocks(); gate(")


def ended_by_itself(train: Train, unharmed: Check, script: str, code: int) -> Training:
    training = train(script, gates=False).end(expect=code).mirrored()
    unharmed(training, script)
    return training


def only_store(training: Training) -> SwanStore:
    (folder,) = training.swan_dirs()
    return SwanStore.read(folder)


@pytest.mark.fault(
    "`os._exit`, `kill -9`, SIGTERM of the trainer",
    "every value that reached `log()` is in SwanLab; the run is crashed",
)
@pytest.mark.parametrize(
    ("end", "code"), [("os._exit(7)", 7), ("os.kill(os.getpid(), 9)", -9), ("os.kill(os.getpid(), 15)", -15)]
)
def test_the_trainer_dies_without_a_word(train: Train, bare: Bare, end: str, code: int) -> None:
    script = START + LONG_STEPS + "print('here', flush=True)\n" + end
    training = train(script, gates=False).end(expect=code).mirrored()
    unharmed_until_killed(training, bare(script), rows=100)
    swan = only_store(training)
    assert swan.scalars["loss"] == {i: i / 3 for i in range(400)}
    assert swan.state == "crashed"


CHECKPOINT = """
import signal
def save(*_):
    print("saving", flush=True)
    time.sleep(60)
signal.signal(signal.SIGTERM, save)
"""


@pytest.mark.fault(
    "SIGTERM, 5 s later SIGKILL, to every process of the job; the trainer ends at once, or saves a checkpoint",
    "every value that reached `log()` is in SwanLab, at once or after `wandb-swan resume`; the run is crashed",
)
def test_sigterm_and_sigkill_reach_the_whole_job(train: Train) -> None:
    """As Slurm and Kubernetes do: SIGTERM to every process, SIGKILL to what is left after a grace period."""
    cases = [
        (train(script, name=f"mirrored{code}"), train(script, name=f"bare{code}", WANDB_SWAN="0"), code)
        for script, code in ((LONG, -signal.SIGTERM), (CHECKPOINT + LONG, -signal.SIGKILL))
    ]
    trainings = [training for pair in cases for training in pair[:2]]
    for training in trainings:
        training.at("middle")
    for training, _, _ in cases:
        until(lambda training=training: training.statuses and training.statuses[0].get("run_dir"))  # type: ignore[misc]
    for wait, end in ((5, signal.SIGTERM), (0, signal.SIGKILL)):
        for process in (process for training in trainings for process in processes(training.dir)):
            process.send_signal(end)
        time.sleep(wait)
    for training, alone, code in cases:
        alone.end(expect=code)
        unharmed_until_killed(training.end(expect=code), alone, rows=100)
        if training.journals:
            training.command("resume")
        swan = only_store(training)
        assert len(swan.scalars["loss"]) == 400
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
def test_two_ctrl_c(train: Train, bare: Bare) -> None:
    """Without us, the second one comes while wandb ends the run, or when all is over: outputs are not compared."""
    script = (
        START
        + LONG_STEPS
        + (
            "import threading\nthreading.Timer(0.7, lambda: os.kill(os.getpid(), 2)).start()\n"
            "os.kill(os.getpid(), 2)\ntime.sleep(5)"
        )
    )
    training = train(script, gates=False, WANDB_SWAN_FINISH_TIMEOUT="200").end(expect=None).mirrored()
    assert training.returncode != 0
    if training.journals:
        training.command("resume")
    expected = {i: i / 3 for i in range(400)}
    assert only_store(training).scalars["loss"] == expected
    for one in (training, bare(script)):
        rows = WandbStore.read(one.wandb_dirs[0]).rows
        assert {step: row["loss"] for step, row in rows.items()} == {step: expected[step] for step in rows}
        assert len(rows) >= 100


@pytest.mark.fault(
    "Ctrl-C while `finish()` waits for the mirror",
    "the wait ends at once; the mirror completes the run by itself",
)
def test_ctrl_c_while_finish_waits_leaves_at_once(train: Train, unharmed: Check) -> None:
    script = (
        START
        + STEPS
        + (
            "import signal, subprocess\n"
            "mirror = mirrors()\n"
            "[p.suspend() for p in mirror]\n"
            "import threading\n"
            "pressed = threading.Timer(3, lambda: os.kill(os.getpid(), 2))\n"
            "pressed.start()\n"
            "began = time.monotonic()\n"
            "run.finish()\n"
            "pressed.cancel()\n"
            "print('left', time.monotonic() - began < 8)\n"
            "[p.resume() for p in mirror]\n"
        )
    )
    training = train(script, gates=False).end().mirrored()
    unharmed(training, script)
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
def test_trainer_and_mirror_are_killed(train: Train, bare: Bare) -> None:
    training = killed(train(LONG), "end")
    unharmed_until_killed(training, bare(LONG, kill_at="end"), rows=100)
    assert "interrupted" in training.command("status")
    training.command("resume")
    store = only_store(training)
    assert len(store.scalars["loss"]) == 500
    assert store.console()[:2] == ["half way", "trained"]
    assert "0 unfinished" in training.command("status")
    assert "nothing to resume" in training.command("resume")


def killed(training: Training, gate: str) -> Training:
    """`kill -9` of the mirror, once it has its SwanLab run, and of the trainer, at a gate."""
    training.at(gate)
    until(lambda: training.statuses and training.statuses[-1].get("run_dir"))
    kill(training.mirrors()[0])
    kill(training.process)
    return training.end(expect=-signal.SIGKILL)


@pytest.mark.fault(
    "A node dies, wandb's log has no last block",
    "SwanLab has more than wandb's log; `verify` says that it came after the log's end, with exit code 3",
)
def test_verify_of_a_log_that_was_cut(train: Train) -> None:
    training = killed(train(LONG), "middle")
    training.command("resume", "swanlog")
    (log,) = training.dir.glob("wandb/*run-*/*.wandb")
    log.write_bytes(log.read_bytes()[:32768])  # as far as a block that reached the disk
    said = training.command("verify", "wandb", "swanlog", expect=3)
    (loss,) = (line for line in said.splitlines() if "loss" in line)
    assert "in SwanLab, after the end of wandb's log, which was cut" in loss and "different" not in said
    assert "1 of 1 runs identical, 1 of them but for content that could not be compared" in said


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
def test_an_interrupted_run_is_told_of_by_the_next_and_resumed_in_order(
    train: Train, unharmed: Check, bare: Bare
) -> None:
    first = killed(train(LONG), "middle")
    unharmed_until_killed(first, bare(LONG, kill_at="middle"), rows=100)
    script = LOOP.replace('id="r1"', 'id="r2"')
    second = train(script, gates=False).end()  # whose finish() has waited for its mirror; the first one has none
    unharmed_lines = [line for line in second.said if "not whole in SwanLab" in line]
    assert unharmed_lines == ["1 earlier run(s) are not whole in SwanLab: type `wandb-swan resume swanlog/journals`"]
    told = second.command("status")
    assert "interrupted" in told
    assert "1 unfinished" in told
    second.command("resume", "swanlog")
    assert second.journals == []
    assert len(second.swan_dirs()) == 2
    pairs = second.pairs()
    assert_same_values(*pairs["r2"])
    assert len(pairs["r1"][1].scalars["loss"]) == 400
