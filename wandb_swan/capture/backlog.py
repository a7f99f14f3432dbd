"""How far a mirror is behind its run: what is said while `finish()` waits for it."""

from __future__ import annotations

import time
from pathlib import Path

from ..journal.fields import StatusFields
from ..journal.life import is_spooled
from ..journal.status import points_of, read_status

_LONG_BYTES, _LONG_POINTS = 5_000_000, 20_000
"""More than this of a journal to be read, or to be sent, takes longer than the end of a run takes anyhow."""
_SHORTEST = 1.0
"""Seconds over which a speed can be told."""


class Backlog:
    """What is left of one journal, and how fast it becomes less."""

    def __init__(self, journal: Path) -> None:
        """Made when the run begins."""
        self._journal = journal
        self._began = time.monotonic()
        self._first: tuple[float, float] | None = None
        """When (monotonic) something was first said to be left, and how many points."""

    def is_long(self) -> bool:
        """Whether what is left is worth a word at once."""
        status = read_status(self._journal)
        return self._unread(status) > _LONG_BYTES or (status.get("unsent") or 0) > _LONG_POINTS

    def line(self) -> str:
        """What is left and how long it takes, as far as that can be told; "" if it cannot."""
        status = read_status(self._journal)
        said = []
        if status.get("state") == "waiting":
            said.append(f"it cannot be reached ({status.get('reason')})")
        elif status.get("reason"):
            said.append(str(status["reason"]))
        if is_spooled(self._journal):
            said.append("the last records are on their way to the journal, whose disk is slow")
        unread, read, unsent = self._unread(status), status.get("offset") or 0, status.get("unsent") or 0
        points = points_of(status.get("counts") or {})
        if unread and not (read and points):
            said.append(f"{unread / 1e6:,.1f} MB of the journal left")
        elif unread or unsent:
            left = unread * points / max(1, read) + unsent
            said.append(f"about {left:,.0f} points left")
            said += self._time_left(left, points - unsent)
        elif read and not is_spooled(self._journal):
            said.append("all points are read, the SwanLab run is being completed")
        return ", ".join(said)

    def _unread(self, status: StatusFields) -> int:
        """Bytes of the journal that its mirror has not read."""
        try:
            return max(0, self._journal.stat().st_size - (status.get("offset") or 0))
        except OSError:
            return 0

    def _time_left(self, left: float, done: int) -> list[str]:
        """By the speed since this was first asked; the first time by that of the whole run."""
        now = time.monotonic()
        self._first = self._first or (now, left)
        since, before = self._first
        speed = done / max(_SHORTEST, now - self._began)
        if now - since >= _SHORTEST:
            speed = (before - left) / (now - since)
        return [f"about {max(1.0, left / speed):,.0f} s"] if speed > 0 else []
