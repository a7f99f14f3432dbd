"""The place of a mirror behind the trainer and wandb's core, where they want the same processor."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

NICE = 10
"""Of a mirror, and of its session."""
_nice = False
"""Whether this process is, or the one that has forked it."""


def give_way() -> None:
    """Leaves the processor to others. Again in a forked child: its session is its own."""
    global _nice
    if sys.platform == "win32":
        return
    if not _nice:
        os.nice(NICE)
        _nice = True
    with suppress(OSError):  # no Linux, or one without
        # Linux shares a processor between sessions first (sched(7), "autogroup"), and a mirror has its own: the nice
        # value of a process counts within its session alone, this one is the session's.
        Path("/proc/self/autogroup").write_text(f"{NICE}")
