"""Follows one journal, and wandb's own log beside it, until the run or the trainer ends."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from ..exceptions import ExperimentEnded, WandbSwanError
from ..journal.reader import LogReader
from ..journal.wake import sleep_until_woken
from ..stream.events import Event, HistoryRow, RunChanged
from . import pace, priority
from .ending import Ending
from .opening import Opening
from .pace import POLL, Pace
from .session import Session

log = logging.getLogger("wandb_swan")

RECORDS_A_TURN, BYTES_A_TURN = 5_000, 8_000_000
"""Records that are held in memory at once, at most, and about how large they may be together."""

BACKLOG = 50_000
"""Records that SwanLab's server has not taken, above which the journal is left to wait: memory stays bounded."""

READ_PATIENCE = 60.0
"""Seconds for which a journal that cannot be read is tried again once its training has ended."""
OPEN_AFTER = 5.0
"""Seconds after which the SwanLab run is opened, if no row is there: what is set until then (a name that tells the
learning rate, tags) it has from its start."""
HELD = 10_000
"""Events that may wait for it."""
EXPERIMENTS = 5
"""SwanLab experiments that one mirror tries, where SwanLab's server ends them in the middle of the run."""


class Follower:
    """Reads one journal to its end, from its start again where what was made of it has to be made anew."""

    def __init__(self, session: Session, mirror_earlier: Callable[[Path], int]) -> None:
        """`mirror_earlier` brings another journal to its end, as `Opening` says."""
        self._session = session
        self._opening = Opening(session, mirror_earlier)
        self._ending = Ending(session)
        self._pace = Pace()
        self._unread: float | None = None
        """Since when (monotonic) the journal cannot be read."""
        self._held: list[Event] = []
        """What waits for the SwanLab run to be opened."""
        self._since = 0.0
        """When (monotonic) the wandb run was seen to have started."""

    def run(self) -> int:
        """Follows the journal, from its start again if SwanLab's server has ended the experiment meanwhile.

        Returns the exit code: 0 finished, 1 not whole in SwanLab.

        Raises:
            WandbSwanError, OSError: what the user can do something about.
            Superseded: another process has taken the journal.
        """
        session = self._session
        for _ in range(EXPERIMENTS):
            try:
                while (code := self._follow()) is None:
                    session.start_anew(from_log=True)
                return code
            except ExperimentEnded as error:
                log.warning("%s: the journal is replayed, into an experiment that runs", error)
                session.replay.sink.abandon()
                session.start_anew(from_log=session.replay.rows_from_log)
        raise WandbSwanError("SwanLab's server ends every experiment of this run")

    def _follow(self) -> int | None:
        """One replay, to the end of the journal: the exit code; None if it has to be made anew from wandb's log."""
        session, replay = self._session, self._session.replay
        session.report("starting")
        self._held = []
        with LogReader(session.journal, patient=True) as reader:
            while True:
                alive = session.may_grow()  # asked before the read: what was written before the death is read
                priority.hurry(self._pace.late or not alive)
                if self._held_up(alive=alive):
                    time.sleep(POLL)
                    continue
                size = pace.BYTES_A_TURN if alive else BYTES_A_TURN
                logged = replay.checks.read_ahead(size)
                drained = self._turn(reader, size, alive=alive)
                if replay.is_open:
                    replay.take_from_log(drained=drained)
                if drained and (replay.decoder.ended or not alive):
                    priority.hurry(True)  # somebody may wait in `finish()`
                    return self._ending.end(reader)
                uploads = replay.uploads
                problem = reader.damage or (uploads.problem if uploads is not None else session.obstacle)
                session.report("running" if replay.is_open else "starting", offset=reader.offset, reason=problem)
                all_read = drained and not logged
                rest = self._pace.rest(all_read=all_read) if alive else POLL * all_read
                if rest:
                    sleep_until_woken(rest)

    def _held_up(self, *, alive: bool) -> bool:
        """Whether SwanLab's server is so far behind that the journal has to wait for it.

        Raises:
            WandbSwanError: the trainer has ended, and the server takes nothing for as long as our patience lasts.
        """
        uploads = self._session.replay.uploads
        if uploads is None or uploads.waiting < BACKLOG:
            return False
        reason = f"SwanLab does not take what is sent: {uploads.problem or 'no answer'}"
        if uploads.stalled() and not alive:
            raise WandbSwanError(reason)
        self._session.report("running", reason=reason)
        return True

    def _turn(self, reader: LogReader, most: int, *, alive: bool) -> bool:
        """Reads what is there, some thousand records of `most` bytes or so. Returns whether the journal has no more."""
        replay = self._session.replay
        events: list[Event] = []
        size = 0
        whole = True
        for count, payload in enumerate(reader, 1):
            size += len(payload)
            events.extend(replay.decoder.feed(payload))
            if count >= RECORDS_A_TURN or size >= most:
                whole = False
                break
        if replay.decoder.rows_from_core:
            replay.checks.from_log = True
        if not replay.is_open and replay.decoder.started is not None:
            if not self._since:
                self._opening.foresee()
            events = self._held = [*self._held, *events]
            if self._opens(alive=alive and reader.damage is None):
                changes = [event for event in events if isinstance(event, RunChanged)]
                started = replay.decoder.started
                self._opening.open(started.changed(**changes[-1].model_dump()) if changes else started)
                self._held = []
        if replay.is_open:
            replay.write_all(events)
        return whole and self._readable(reader)

    def _opens(self, *, alive: bool) -> bool:
        """Whether it is time to open the SwanLab run: SwanLab takes names and tags at the start, if at all."""
        self._since = self._since or time.monotonic()
        decoder = self._session.replay.decoder
        over = decoder.ended or decoder.finished is not None or not alive
        rows = any(isinstance(event, HistoryRow) for event in self._held)
        return over or rows or len(self._held) > HELD or time.monotonic() - self._since > OPEN_AFTER

    def _readable(self, reader: LogReader) -> bool:
        """Whether the journal could be read; if not, waits a moment.

        Raises:
            OSError: it could not for as long as our patience lasts, and its training has ended.
        """
        if reader.trouble is None:
            self._unread = None
            return True
        now = time.monotonic()
        if self._unread is None:
            self._unread = now
            log.warning("%s cannot be read (%s): it is tried again", self._session.journal.name, reader.trouble)
        if now - self._unread > READ_PATIENCE and not self._session.may_grow():
            raise reader.trouble
        time.sleep(1.0)
        return False
