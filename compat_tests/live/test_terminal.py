"""What a user at a terminal sees while SwanLab catches up and runs are converted."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from compat_tests.conftest import Record, Recorded
from compat_tests.stores import assert_same_values
from compat_tests.terminal import at_a_terminal

pytestmark = pytest.mark.live

TRAIN = """
import wandb_swan as wandb
run = wandb.init(project="p", id="r1")
for i in range(3):
    run.log({"loss": i})
run.finish()
"""


def test_waiting_converting_and_resuming(record: Record, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    work = tmp_path / "work"
    work.mkdir()
    (work / "train.py").write_text(TRAIN)
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
