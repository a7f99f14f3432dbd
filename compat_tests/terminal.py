"""A command at a terminal, as a user types it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from compat_tests.conftest import clean_environment

pty = pytest.importorskip("pty", reason="a POSIX terminal")


def at_a_terminal(folder: Path, *command: str | Path, expect: int = 0) -> str:
    """What a command writes to a terminal of 100 columns, both streams."""
    ours, theirs = pty.openpty()
    environment = clean_environment(folder / "home", TERM="xterm", COLUMNS="100")
    process = subprocess.Popen(
        [*map(str, command)], cwd=folder / "work", env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    said = b""
    while True:
        try:
            said += os.read(ours, 65536)
        except OSError:  # the other side is closed
            break
    os.close(ours)
    assert process.wait(60) == expect, said.decode()
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said.decode())
