"""The place of a mirror behind the trainer and wandb's core, where they want the same processor."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

NICE = 10
"""Of a mirror; and of its session, until it is late or somebody waits for it."""
_nice = False
"""Whether this process is, or the one that has forked it."""
_session_nice: int | None = None
"""What this process has given its session; None: that may be another's."""


def give_way() -> None:
    """Leaves the processor to others. Again in a forked child: its session is its own."""
    global _nice
    if sys.platform == "win32":
        return
    if not _nice:
        os.nice(NICE)
        _nice = True
    _set_session_nice(NICE)


def hurry(yes: bool) -> None:
    """Takes of the processor what others take as well, or gives way again; nothing in a process that never did."""
    wanted = 0 if yes else NICE
    if _session_nice not in (None, wanted):
        _set_session_nice(wanted)


def _set_session_nice(nice: int) -> None:
    global _session_nice
    with suppress(OSError):  # no Linux, or one without
        # Linux shares a processor between sessions first (sched(7), "autogroup"), and a mirror has its own: the nice
        # value of a process counts within its session alone, this one is the session's. Unlike that of a process
        # anybody may lower it again, once in a tenth of a second.
        Path("/proc/self/autogroup").write_text(f"{nice}")
        _session_nice = nice
