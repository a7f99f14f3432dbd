"""The tables of the commands: at a terminal of 80 columns, without colour, and in a pipe nothing is cut or broken."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len

from compat_tests.conftest import Recorded, clean_environment, recorder
from compat_tests.terminal import at_a_terminal

pytestmark = pytest.mark.live

NAMES = (
    "一次名字很长的实验-学习率零点零零二-批大小六十四",
    "resnet50-imagenet-lr0.001-batch256-seed42-warmup5-cosine-ema0.9999",
)
PROJECT = "ein-sehr-langer-projektname-für-alles"
METRICS = ("验证/准确率/每一个类别的平均值/最后一层", "train/" + "/".join(f"block{i}" for i in range(9)) + "/loss")
SCRIPT = f"""
import wandb_swan as wandb
for name in {NAMES!r}:
    with wandb.init(project={PROJECT!r}, name=name) as run:
        run.log(dict.fromkeys({METRICS!r}, 0.5))
"""
COMMANDS = {
    "status": ["status", "--all"],
    "verify": ["verify", "wandb", "swanlog"],
    "verify one": ["verify", "ONE", "swanlog"],
    "convert": ["convert", "-t", "wandb-local", "--mode", "offline", "-l", "INTO"],
}
SHOWN = {"verify": NAMES, "verify one": (NAMES[0], *METRICS), "convert": (*NAMES, PROJECT)}
"""What each of them shows; `status` has all run folders and journals."""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return recorder(tmp_path_factory.mktemp("columns"))(SCRIPT, WANDB_SWAN_KEEP_JOURNAL="true")


def given(recorded: Recorded, what: str, into: str) -> list[str]:
    command = Path(sys.executable).with_name("wandb-swan")
    places = {"ONE": str(recorded.wandb_dirs[0].relative_to(recorded.dir)), "INTO": into}
    return [str(command), *(places.get(word, word) for word in COMMANDS[what])]


def names(recorded: Recorded, what: str) -> list[str]:
    if what != "status":
        return list(SHOWN.get(what, ()))
    return [path.name for path in (*recorded.swan_dirs(), *recorded.dir.glob("swanlog/journals/*.journal"))]


def is_whole(name: str, said: str) -> bool:
    """Whether a name is there, in one piece or folded into the lines of a column."""
    rests = {name}
    for line in said.splitlines():
        cells = [cell.strip().removeprefix("swanlog/") for cell in re.split(r"\s{2,}|[│┃]|\s(?=\S+$)", line)]
        rests |= {
            rest.removeprefix(cell).lstrip() for rest in rests for cell in cells if cell and rest.startswith(cell)
        }
    return "" in rests or name in said


@pytest.mark.parametrize("what", ["status", "verify one", "convert"])
def test_at_a_terminal_of_80_columns(recorded: Recorded, what: str) -> None:
    said = at_a_terminal(recorded.dir.parent, *given(recorded, what, "narrow"), columns=80)
    lines = [line.rsplit("\r", 1)[-1] for line in said.replace("\r\n", "\n").splitlines()]  # a bar is drawn again
    assert "…" not in said, "something is cut"
    for line in lines:
        assert cell_len(line) <= 80 or "`" in line, line  # what is to be typed is one line, which the terminal folds
    for name in names(recorded, what):
        assert is_whole(name, "\n".join(lines)), f"{name} is not whole in\n" + "\n".join(lines)


@pytest.mark.parametrize("what", ["status", "verify", "convert"])
def test_in_a_pipe(recorded: Recorded, what: str) -> None:
    done = subprocess.run(
        given(recorded, what, "piped"),
        cwd=recorded.dir,
        env=clean_environment(recorded.dir.parent / "home", COLUMNS="80", FORCE_COLOR=None),
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr and "…" not in done.stdout
    for name in names(recorded, what):
        assert name in done.stdout, "in one piece"


def test_without_colour(recorded: Recorded) -> None:
    from compat_tests.terminal import Terminal

    terminal = Terminal(recorded.dir.parent, *given(recorded, "verify one", ""), NO_COLOR="1", LC_ALL="C")
    assert "identical" in terminal.end()
    assert not re.search(rb"\x1b\[[0-9;]*3[0-9]m", terminal.raw), "no colour"
