"""A run that a relay mirrors: what its trainer waits for, and what it does where the relay has died."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from ..journal.claim import mirror_at
from ..journal.life import clock_ahead
from ..journal.relays import relay_at
from ..journal.status import is_whole, read_status

if TYPE_CHECKING:
    from collections.abc import Callable

    from .supervisor import Supervisor

    Start = Callable[[], Supervisor | None]

LOOK, RELAY_LOOK = 0.2, 2.0
"""Seconds between two looks of who waits at the journal, and at the relay."""
RESTART = 15.0
"""Seconds in which a relay that has died may be started again, by systemd for instance."""
AGAIN = 30.0
"""Seconds that a relay has to try a run again, at its end, whose last mirror has failed before."""


class Relayed:
    """The mirror of a run as its trainer sees it, where a relay starts it. The same questions as to a `Supervisor`."""

    def __init__(self, journal: Path, own: Start | None) -> None:
        """`own` starts a mirror of our own, where the relay is gone when the run has ended; None: there is to be none.

        It returns None where no mirror can be started, and has said so.
        """
        self._journal = journal
        self._start_own = own
        self._own: Supervisor | None = None
        self._ahead = clock_ahead(journal)
        self._over_at: float | None = None
        self._failed_before: tuple[object, object] | None = None
        self._looked_at = float("-inf")
        self._seen = False
        self._seen_at = float("-inf")

    @property
    def trouble(self) -> OSError | None:
        """As of a `Supervisor`."""
        return self._own.trouble if self._own is not None else None

    @property
    def waits_for_a_relay(self) -> bool:
        """Whether the run is not in SwanLab, and nobody is there who brings it."""
        left = not is_whole(self._journal) and read_status(self._journal).get("state") not in ("empty", "failed")
        return left and self._own is None and not self.at_work

    @property
    def at_work(self) -> bool:
        """Whether a mirror is at the journal, or a relay is there that brings one."""
        if self._own is not None:
            return self._own.at_work
        return mirror_at(self._journal) is not None or self._has_relay(at_once=True)

    def forget(self) -> None:
        """In a forked child: what waits is the parent."""
        if self._own is not None:
            self._own.forget()

    def run_is_over(self) -> None:
        """The journal is complete."""
        status = read_status(self._journal)
        if status.get("state") == "failed":
            self._failed_before = status.get("pid"), status.get("updated")
        self._over_at = time.monotonic()
        if self._own is not None:
            self._own.run_is_over()

    def wait(self, seconds: float) -> bool:
        """Waits until the run is in SwanLab, or nobody is there who brings it. KeyboardInterrupt passes.

        Returns False after so many seconds without either.
        """
        deadline = time.monotonic() + seconds
        while self._own is None:
            if self._has_ended():
                return True
            if mirror_at(self._journal) is None and not self._has_relay():
                self._own = self._start_own() if self._start_own is not None else None
                if self._own is not None:
                    if self._over_at is not None:
                        self._own.run_is_over()
                    break
                if self._start_own is not None or time.monotonic() - self._seen_at > RESTART:
                    return True
            if time.monotonic() >= deadline:
                return False
            time.sleep(min(LOOK, max(0.0, deadline - time.monotonic())))
        return self._own.wait(max(0.0, deadline - time.monotonic()))

    def _has_ended(self) -> bool:
        if mirror_at(self._journal) is not None:
            return False
        status = read_status(self._journal)
        state = status.get("state")
        if state == "failed":
            tried = (status.get("pid"), status.get("updated")) != self._failed_before
            return tried or (self._over_at is not None and time.monotonic() - self._over_at > AGAIN)
        return state == "empty" or is_whole(self._journal)

    def _has_relay(self, *, at_once: bool = False) -> bool:
        now = time.monotonic()
        if at_once or now - self._looked_at >= RELAY_LOOK:
            self._looked_at = now
            self._seen = relay_at(self._journal.parent, time.time() + self._ahead) is not None
            if self._seen:
                self._seen_at = now
        return self._seen
