"""Reads the code blocks of a Markdown page, runs them as a reader would, and compares what comes out with what is shown.

The blocks of a page run one after the other, in one folder and with one environment: what a command exports, and the
folder it goes to, hold for the next. Blocks are told apart by their language:

- `console`: lines that start with `$ ` are commands (up to the next such line, a command goes on behind a backslash),
  the others are what they print. Exit code 0 is expected. A line `...` stands for any number of lines, `…` for
  anything within one, `/home/you/digits` for the folder itself. A command with nothing below it may print anything.
- `python`: a program.
- `yaml`, `json`, `bash`, `sh`: read, not run.

What else is to be known about a block stands in a comment before it, several things behind semicolons:

    <!-- block: not run, needs a Slurm cluster -->
    <!-- block: file train.py -->          written into the folder under this name, not run
    <!-- block: output -->                 a `text` block that shows what the block before it printed
    <!-- block: exit 1 -->                 the exit code of each of its commands that print something
    <!-- block: slow -->                   run with `--slow` alone
    <!-- block: fresh folder -->           the first one of another story, in an empty folder

Run ids, times, versions and measures differ each time; `MASKS` says what is taken for the same.

`python -m compat_tests.tools.show_page PAGE` runs a page in a temporary folder and shows what each command prints: for
whoever writes one.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import yaml

MASKS: tuple[tuple[str, str], ...] = (
    (r"[│┃┏┓┗┛┡┩└┘├┤┬┴┼╇╈┳┻━─╭╮╰╯]+", " "),  # the lines of tables
    (r"\b\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}:\d{2}\b", "TIME"),
    (r"\b\d{8}_\d{6}\b", "TIME"),
    (r"\b\d[\d,]* points/(CPU )?s\b", "SPEED"),
    (r"\b\d[\d,.]* ?(s|ms|us|MB|kB|KB|GB)\b", "MEASURE"),
    (r"(?<=[-\w] )v?\d+(\.\d+)+(rc\d+|b\d+|\.dev\d+)?\b", "VERSION"),
    (r"(?<=run )[a-z0-9]{8}\b", "RUN"),
    (r"(?<=TIME-)[a-z0-9]{8}\b", "RUN"),
    (r"(?<=journals/)[a-z0-9]{8}(?=-TIME)", "RUN"),
    (r"\(([a-z0-9]{8})\)", "(RUN)"),
    (r"\b[a-z0-9]{8}(?=-TIME)", "RUN"),
    (r"(?m)(?<=^identical  )[a-z0-9]{8}\b", "RUN"),
    (r"(?m)(?:^ ?|(?<=\] ))[a-z0-9]{8}(?=[: ])", "RUN"),
    (r"[ \t]+", " "),
)
"""Patterns of what differs from one time to the next, and what stands for it."""

_FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=indent)``` *$", re.DOTALL | re.MULTILINE)
_COMMENT = re.compile(r"<!-- block: (?P<words>[^\n]*?) -->\s*\Z")
FOLDER = "/home/you/digits"
"""What pages call the folder in which their commands were typed."""


@dataclasses.dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    """Of its fence, from 1."""
    language: str
    text: str
    words: tuple[str, ...] = ()
    """What the comment before it says."""

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    def says(self, word: str) -> str | None:
        """What stands behind `word` in the comment, perhaps nothing; None without it."""
        for one in self.words:
            if one == word or one.startswith((word + " ", word + ",")):
                return one[len(word) :].lstrip(" ,")
        return None


def read_blocks(page: Path) -> list[Block]:
    """The blocks of a page, in order.

    Raises:
        ValueError: a fence that is opened and not closed, or a comment for a block without one.
    """
    text = page.read_text("utf-8")
    found = []
    for match in _FENCE.finditer(text):
        comment = _COMMENT.search(text, 0, match.start())
        words = tuple(word.strip() for word in comment["words"].split(";")) if comment else ()
        line = text.count("\n", 0, match.start()) + 1
        body = textwrap.dedent(match["text"])
        found.append(Block(page, line, match["info"].split(" ")[0].strip(), body, words))
    fences = len(re.findall(r"^ *```", text, re.MULTILINE))
    if fences != 2 * len(found):
        raise ValueError(f"{page}: {fences} fences are no {len(found)} blocks")
    if text.count("<!-- block: ") != sum(bool(block.words) for block in found):
        raise ValueError(f"{page}: a comment `block:` that is directly before no block")
    return found


def commands(block: Block) -> Iterator[tuple[str, str]]:
    """(command, what the page shows of its output), for each command of a `console` block."""
    command, shown, goes_on = "", [], False
    for line in block.text.splitlines():
        if line.startswith("$ ") and not goes_on:
            if command:
                yield command, "\n".join(shown)
            command, shown = line[2:], []
        elif goes_on:
            command += "\n" + line
        elif command:
            shown.append(line)
        else:
            raise ValueError(f"{block.place}: a console block starts with `$ `")
        goes_on = command.endswith("\\") and not shown
    if command:
        yield command, "\n".join(shown)


def masked(text: str) -> list[str]:
    """The lines of an output without what differs each time; empty ones are left out."""
    for pattern, instead in MASKS:
        text = re.sub(pattern, instead, text)
    return [line.strip() for line in text.splitlines() if line.strip()]


def differences(shown: str, printed: str) -> str:
    """What of an output is not as the page shows it; empty if it is."""
    expected, got = masked(shown), masked(printed)
    if _fits(expected, got):
        return ""
    return "\n".join(difflib.unified_diff(expected, got, "on the page", "printed", lineterm=""))


def _fits(expected: list[str], got: list[str]) -> bool:
    if not expected:
        return not got
    if expected[0] == "...":
        return any(_fits(expected[1:], got[start:]) for start in range(len(got) + 1))
    pattern = ".*".join(map(re.escape, expected[0].split("…")))
    return bool(got) and re.fullmatch(pattern, got[0]) is not None and _fits(expected[1:], got[1:])


class Reader:
    """Runs the blocks of a page in a folder, as somebody who reads it from the top."""

    def __init__(self, folder: Path, environment: dict[str, str], timeout: float = 120, *, show: bool = False) -> None:
        """Its blocks run in `folder`.

        Args:
            folder: Where; each story has a folder of its own in it.
            environment: What a command starts with; its `PATH` is led by the folder of this Python.
            timeout: Seconds for a command.
            show: Print every command and its output, and compare nothing.
        """
        self._show = show
        self.folder = folder
        self._environment = environment | {"PATH": f"{Path(sys.executable).parent}:{environment.get('PATH', '')}"}
        self._timeout = timeout
        self._story = 0
        self._printed = ""
        self._start_anew()

    def _start_anew(self) -> None:
        self._story += 1
        self.work = self.folder / f"story-{self._story}" / "work"
        self.work.mkdir(parents=True)
        self._state = self.work.parent / "state.sh"
        self._state.write_text(f"cd {self.work}\n")

    def run(self, page: Path, *, slow: bool = False) -> None:
        """Runs every block of a page; those that say `slow` if `slow` is true. What is not run is read, in its language.

        Raises:
            AssertionError: a command failed or printed what the page does not show; the text says where and what.
        """
        for block in read_blocks(page):
            if block.says("not run") is not None:
                check_syntax(block)
            elif slow or block.says("slow") is None:
                self._do(block)

    def _do(self, block: Block) -> None:
        if block.says("fresh folder") is not None:
            self._start_anew()
        name = block.says("file")
        if name is not None:
            path = self.work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, "utf-8")
        if block.says("output") is not None:
            self._compare(block, "the block before", block.text)
        elif block.language == "console":
            for command, shown in commands(block):
                self._command(block, command, shown)
        elif block.language == "python" and name is None:
            program = self.work / ".block.py"
            program.write_text(block.text, "utf-8")
            self._command(block, f"python {program.name}", "")
            program.unlink()
        else:
            check_syntax(block)

    def _command(self, block: Block, command: str, shown: str) -> None:
        state = self._state
        script = f". {state}\n{command}\ncode=$?\n{{ export -p; echo cd \"'$PWD'\"; }} > {state}\nexit $code\n"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.work,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=self._timeout,
        )
        self._printed = done.stdout.replace(str(self.work), FOLDER)
        if self._show:
            print(f"$ {command}\n{self._printed}", f"(exit code {done.returncode})", sep="")
            return
        expected = int(block.says("exit") or 0) if shown else 0
        assert done.returncode == expected, (
            f"{block.place}: exit code {done.returncode} of: {command}\n{done.stdout[-3000:]}"
        )
        if shown:
            self._compare(block, command, shown)

    def _compare(self, block: Block, command: str, shown: str) -> None:
        if self._show:
            return
        found = differences(shown, self._printed)
        assert not found, f"{block.place}: {command}\n{found}"


def check_syntax(block: Block) -> None:
    """Reads a block that is not run, in its language.

    Raises:
        AssertionError: it is not of its language.
    """
    try:
        if block.language == "yaml":
            list(yaml.safe_load_all(block.text))
        elif block.language == "json":
            json.loads(block.text)
        elif block.language == "python":
            compile(block.text, block.place, "exec")
        elif block.language in ("bash", "sh"):
            subprocess.run(["bash", "-n"], input=block.text, text=True, check=True, capture_output=True)
        elif block.language == "console":
            for command, _ in commands(block):
                subprocess.run(["bash", "-n"], input=command, text=True, check=True, capture_output=True)
    except (yaml.YAMLError, ValueError, SyntaxError, subprocess.CalledProcessError) as error:
        raise AssertionError(f"{block.place}: {error}") from error
