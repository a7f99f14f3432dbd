"""How much of a full machine a mirror takes: little, as long as what waits in the journal is young."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol

POLL = 0.1
"""Seconds between two looks at a journal that has nothing new."""
SHARE = 0.05
"""Of one processor: what a mirror takes of a full machine."""
HOLD = 10.0
"""Seconds for which the journal of a full machine may hold what was not read; then all of it is, without a rest."""
LONGEST = 2.0
"""Seconds of a rest, at most."""
WINDOW = 0.5
"""Seconds over which is seen whether the machine is full: Linux counts idle time in hundredths."""
SPARE = 0.9
"""Of one processor: what has to be left over, our own work not counted, where a machine is not full."""
BYTES_A_TURN = 100_000
"""About how much of a journal is read between two rests: some hundred rows of ten numbers, a twentieth of a second."""


class Machine(Protocol):
    """Where a mirror runs."""

    def now(self) -> float:
        """Seconds of a clock that never goes back."""

    def used(self) -> float:
        """Seconds of processor time that this process has taken."""

    def idle(self) -> float | None:
        """Seconds for which processors that we may use had nothing to do, all together; None: nobody says."""

    def waited(self) -> float:
        """Seconds for which this process could have run and was not let: by others, or by a quota."""


class ThisMachine:
    """As Linux tells of it; any other system says nothing of its idle time, and is not taken to be full."""

    def __init__(self) -> None:
        self._tick = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100

    def now(self) -> float:
        return time.monotonic()

    def used(self) -> float:
        return time.process_time()

    def idle(self) -> float | None:
        with suppress(OSError, ValueError, IndexError, AttributeError):
            ours = {f"cpu{number}" for number in os.sched_getaffinity(0)}
            lines = map(str.split, Path("/proc/stat").read_text("ascii").splitlines())
            idle = [int(line[4]) + int(line[5]) for line in lines if line and line[0] in ours]
            return sum(idle) / self._tick if idle else None
        return None

    def waited(self) -> float:
        with suppress(OSError, ValueError, IndexError):
            return int(Path("/proc/self/schedstat").read_text("ascii").split()[1]) / 1e9
        return 0.0


class Pace:
    """Says how long a mirror rests between two turns.

    On a machine that has a processor to spare a mirror works as there is something to do. On a full one it takes
    `SHARE` of a processor until it has not read all for `HOLD` seconds; then it reads all there is, as fast as it can.
    """

    def __init__(self, machine: Machine | None = None) -> None:
        self._machine = machine or ThisMachine()
        self._used = self._machine.used()
        self._read_all_at = self._machine.now()
        self.late = False
        """Whether all was not read for longer than the journal may hold it."""
        self._full = False
        self._look()

    def rest(self, *, all_read: bool) -> float:
        """Seconds to rest after a turn, which may have left nothing unread."""
        machine = self._machine
        now, used = machine.now(), machine.used()
        worked, self._used = used - self._used, used
        pause = POLL if all_read else 0.0
        wanted = min(LONGEST, worked * (1 / SHARE - 1))
        if all_read:
            self._read_all_at = now
        self.late = now - self._read_all_at > HOLD
        if self.late or wanted <= pause or not self._is_full(now):
            return pause
        return wanted

    def _look(self) -> None:
        machine = self._machine
        self._at = machine.now(), machine.used(), machine.idle(), machine.waited()

    def _is_full(self, now: float) -> bool:
        """Whether there was no processor for us alone lately, or none that let us run."""
        then, used_then, idle_then, waited_then = self._at
        if now - then < WINDOW:
            return self._full
        self._look()
        _, used, idle, waited = self._at
        if idle is not None and idle_then is not None:
            ours = used - used_then
            self._full = idle - idle_then + ours < SPARE * (now - then) or waited - waited_then > ours / 4
        return self._full
