"""What a user at a terminal sees: a run that starts, goes on and ends, Ctrl-C, SwanLab catching up, conversions."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from compat_tests.conftest import Record, Recorded, wait_for_mirrors
from compat_tests.faults.conftest import processes
from compat_tests.stores import assert_same_values
from compat_tests.terminal import CTRL_C, Terminal, at_a_terminal

pytestmark = pytest.mark.live

SUSPEND = """
import os, psutil
mirrors = []
while not mirrors:
    for one in psutil.process_iter():
        try:
            if one.name() == "swan-mirror" and one.cwd() == os.getcwd():
                mirrors.append(one)
        except psutil.Error:
            continue
[one.suspend() for one in mirrors]
"""
TRAIN = """
import threading
import wandb_swan as wandb
run = wandb.init(project="p", id="r1")
for i in range(3):
    run.log({"loss": i})
exec(open("suspend.py").read())
threading.Timer(2, lambda: [one.resume() for one in mirrors]).start()
run.finish()
"""


def test_waiting_converting_and_resuming(record: Record, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    work = tmp_path / "work"
    work.mkdir()
    (work / "train.py").write_text(TRAIN)
    (work / "suspend.py").write_text(SUSPEND)
    said = at_a_terminal(tmp_path, sys.executable, "train.py")
    assert "SwanLab is catching up" in said
    assert "SwanLab run saved" in said
    wandb, swan = Recorded(work, 0, said, "").pair()
    assert_same_values(wandb, swan)
    command = Path(sys.executable).with_name("wandb-swan")
    said = at_a_terminal(
        tmp_path, command, "convert", "-t", "wandb-local", "--wb-dir", "wandb", "--mode", "offline", "-l", "past"
    )
    assert re.search(r"runs \S+ [01]/1 .* left", said)
    assert "1 converted" in said
    (work / "swanlog" / "journals" / "torn-20260101_000000.journal").write_bytes(b":W&B")
    said = at_a_terminal(tmp_path, command, "resume", expect=1)
    assert "torn-20260101_000000.journal (1 of 1)" in said and "ends inside its header" in said


UNEDITED = """
import time, sys
import wandb
run = wandb.init(project="p", id="r1")
for i in range(100 if "long" in sys.argv else 3):
    run.log({"loss": i})
    print("epoch", i)
    time.sleep(0.1)
if "slow" in sys.argv:  # the mirror is far behind
    exec(open("suspend.py").read())
    open("mirror", "w").write(str(mirrors[0].pid))
    run.log({"text": "x" * 1_000_000})
run.finish()
print("the program goes on")
"""
COMMAND = Path(sys.executable).with_name("wandb-swan")


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "home").mkdir()
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "train.py").write_text(UNEDITED)
    (tmp_path / "work" / "suspend.py").write_text(SUSPEND)
    yield tmp_path / "work"
    for process in processes(tmp_path):  # of a test that failed: a mirror may be suspended
        process.kill()


@pytest.mark.parametrize("way", ["variable", "command"])
def test_an_unedited_session(work: Path, way: str) -> None:
    command = [COMMAND, "run", "--"] if way == "command" else []
    terminal = Terminal(
        work.parent, *command, sys.executable, "train.py", **({} if command else {"WANDB_SWAN": "1"}), columns=80
    )
    terminal.until("wandb_swan: mirroring run r1 to SwanLab, journal swanlog/journals/r1-")
    terminal.until("epoch 1")
    said = terminal.end()
    assert re.search(r"wandb_swan: SwanLab run saved \(no SwanLab credentials, so offline\); type `swanlab sync", said)
    assert said.index("SwanLab run saved") < said.index("the program goes on")
    lines = [line for line in said.splitlines() if "wandb_swan: " in line and "catching up" not in line]
    assert len(lines) == 2 and "Traceback" not in said, lines
    assert terminal.raw.count(b"\x1b[?25l") == terminal.raw.count(b"\x1b[?25h"), "the cursor is there"
    wandb, swan = Recorded(work, 0, said, "").pair()
    assert_same_values(wandb, swan)


def test_ctrl_c_in_an_unedited_training(work: Path) -> None:
    terminal = Terminal(work.parent, sys.executable, "train.py", "long", WANDB_SWAN="1")
    terminal.until("epoch 3")
    terminal.type(CTRL_C)
    said = terminal.end(-signal.SIGINT)
    assert said.count("KeyboardInterrupt") == 1 and "the program goes on" not in said
    assert "wandb_swan: SwanLab run saved" in said
    wandb, swan = Recorded(work, 1, said, "").pair()
    assert_same_values(wandb, swan)
    assert 3 < len(swan.scalars["loss"]) < 100


def test_ctrl_c_while_an_unedited_run_waits_for_swanlab(work: Path) -> None:
    terminal = Terminal(work.parent, sys.executable, "train.py", "slow", WANDB_SWAN="1")
    terminal.until("SwanLab is catching up")
    terminal.type(CTRL_C)
    said = terminal.end()
    assert "the program goes on" in said and "KeyboardInterrupt" not in said
    psutil.Process(int((work / "mirror").read_text())).resume()
    wait_for_mirrors(work)
    wandb, swan = Recorded(work, 0, said, "").pair()
    assert_same_values(wandb, swan)
