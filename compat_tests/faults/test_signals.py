"""Signals that a scheduler sends to every process of a job are for the training."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import suppress

import psutil
import pytest

from compat_tests.faults.conftest import LOOP, Train, Training, assert_whole, cmdline, until

Check = Callable[..., None]

DEAF = """
import signal
for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:
    signal.signal(number, lambda *_: None)
pathlib.Path("deaf").touch()
"""
"""A training that has a handler for everything that can be caught."""

ALL = sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD})


def pythons(training: Training) -> list[psutil.Process]:
    """The training and all below it but wandb's core, which has a rule of its own for some signals."""
    root = psutil.Process(training.process.pid)
    found = [root, *root.children(recursive=True), *training.mirrors()]
    return [process for process in found if "wandb-core" not in " ".join(cmdline(process))]


def send(training: Training, *numbers: int) -> int:
    sent = 0
    for process in {one.pid: one for one in pythons(training)}.values():
        for number in numbers:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
                sent += process.pid != training.process.pid
    return sent


@pytest.mark.fault(
    "Any signal that can be caught, sent to every process of the job: while the run starts, goes on, and finishes",
    "the training alone reacts; equal stores, the run is finished",
)
def test_a_signal_to_the_whole_job(train: Train, unharmed: Check) -> None:
    script = DEAF + LOOP
    training = train(script)
    until((training.dir / "deaf").exists)
    sent = 0
    while not (training.statuses and training.statuses[0].get("run_dir")):
        sent += send(training, signal.SIGUSR1, signal.SIGINT, signal.SIGTERM)
        assert training.process.poll() is None, training.end(check=False).explain()
        time.sleep(0.01)
    assert sent, "the mirror had none while it started"
    training.at("middle")
    send(training, *ALL)
    time.sleep(0.5)
    assert len(training.mirrors()) == 1
    training.at("end")
    (mirror,) = training.mirrors()
    mirror.suspend()
    training.go("end")
    time.sleep(0.5)  # finish() waits
    assert send(training, *ALL)
    mirror.resume()
    unharmed(training.end(), script)
    assert training.said[-1].startswith("SwanLab run saved")
    assert assert_whole(training).state == "finished"
    assert training.journals == []
    assert "Traceback" not in training.log()
