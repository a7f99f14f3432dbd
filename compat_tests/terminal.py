"""A command at a terminal, as a user types it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from compat_tests.conftest import clean_environment

pty = pytest.importorskip("pty", reason="a POSIX terminal")

CTRL_C = "\x03"

_COMMAND = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # Ctrl-C goes to who has the terminal
os.execvp(sys.argv[1], sys.argv[1:])
"""


class Terminal:
    """A terminal of its own, with a command in the foreground."""

    def __init__(self, folder: Path, *command: str | Path, columns: int = 100, **environment: str) -> None:
        """The command runs in `folder`/work; of `environment` on top of that of a user without an account."""
        import fcntl
        import struct
        import termios

        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        given = clean_environment(folder / "home", TERM="xterm", COLUMNS=None, **environment)
        self.process = subprocess.Popen(
            [sys.executable, "-c", _COMMAND, *map(str, command)],
            cwd=folder / "work",
            env=given,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.raw = b""
        """What it has written, both streams, escape sequences included."""

    @property
    def said(self) -> str:
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.raw.decode(errors="replace"))

    def _read(self) -> bool:
        try:
            piece = os.read(self._ours, 65536)
        except OSError:  # the other side is closed
            piece = b""
        self.raw += piece
        return bool(piece)

    def until(self, text: str) -> None:
        """Reads until it has said this."""
        deadline = time.monotonic() + 60
        while text not in self.said:
            assert self._read() and time.monotonic() < deadline, f"{text!r} does not come: {self.said}"

    def type(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def end(self, expect: int = 0) -> str:
        """Waits for its end. Returns all that it has said."""
        while self._read():
            pass
        os.close(self._ours)
        assert self.process.wait(60) == expect, self.said
        return self.said


def at_a_terminal(folder: Path, *command: str | Path, expect: int = 0, columns: int = 100, **environment: str) -> str:
    """What a command writes to a terminal, both streams, without escape sequences."""
    return Terminal(folder, *command, columns=columns, **environment).end(expect)
