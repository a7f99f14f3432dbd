"""A word from a training to its mirror, without which that sees the journal's end at its next look only: a signal."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

from .claim import mirror_at
from .life import lives


def wake_mirror(journal: Path) -> None:
    """Tells the mirror of a journal, if one is at it on this machine, that the journal has ended."""
    if sys.platform == "win32":
        return
    who = mirror_at(journal)
    if who is not None and lives(who):
        with contextlib.suppress(OSError):
            os.kill(who["pid"], signal.SIGURG)  # whoever does not wait for it ignores it


def sleep_until_woken(seconds: float) -> None:
    """In a mirror, where signals are blocked in every thread: sleeps for so long, or until it gets the word."""
    if sys.platform in ("win32", "darwin"):  # no sigtimedwait
        time.sleep(seconds)
    else:
        signal.sigtimedwait({signal.SIGURG}, seconds)
