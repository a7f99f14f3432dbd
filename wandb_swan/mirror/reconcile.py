"""Holds what was mirrored live against wandb's own transaction log: adds what is missing, reports what differs.

wandb's core writes rows that never pass the tap (TensorBoard, processes that attach to the run), and numbers all rows
of the run together. The log on disk is the truth; it is read as its blocks are flushed, so little is left to do at the
end, and what waits for its row in the log is bounded by what wandb's core has not flushed yet.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

from ..journal.reader import LogReader
from ..stream.events import Alert, ConsoleLine, Event, HistoryRow, RunFinished, Tree
from ..stream.nested import Path, leaves, merge
from ..stream.records import Decoder
from ..stream.summary import SUMMARY, LoggedSummary
from ..stream.wire import record_field
from ..swan.limits import clean_text
from .joined import Unlogged
from .rest import Rest

log = logging.getLogger("wandb_swan")

READ_AHEAD, READ_AHEAD_BYTES = 5_000, 8_000_000
"""Rows of the log that are read at once, and about how large its records may be together."""
CLOCK = 1e-5
"""Seconds: two times of a row that are no further apart are the same."""
WAITING = 200_000
"""Live rows without a row in the log, after which the log is taken to be not written at all."""


class Reconciler:
    """Compares the rows of one run, live and logged. Rows are matched by step."""

    def __init__(self, path: FilePath | None, *, joined: bool = False) -> None:
        """`joined`: the run had begun when it was tapped."""
        self.path = path
        self.unlogged = Unlogged() if joined else None
        self.from_log = joined
        """Whether the rows come from the log alone: the live steps cannot be trusted (any more)."""
        self.lines_from_log = joined
        """Whether console lines and alerts do too, in their order: the run is made anew from a whole log."""
        self.whole = False
        """Whether the log was read to its exit record."""
        self.compared = 0
        self.added = 0
        self.differences: list[str] = []
        """The first few differences, in words."""
        self.conflicts = 0
        """Values that SwanLab has otherwise than wandb's log."""
        self._waiting: dict[int, HistoryRow] = {}
        self._early: deque[HistoryRow | ConsoleLine | Alert] = deque()
        self._decoder = Decoder()
        self._summary = LoggedSummary()
        self.rest = Rest()
        self._read = 0
        """Bytes of the log that `read_ahead` has read."""
        self._reader: LogReader | None = None
        self._stream: Iterator[bytes] | None = None

    @property
    def active(self) -> bool:
        return self.path is not None

    @property
    def finished(self) -> RunFinished | None:
        """The run's end, if the log has it."""
        return self._decoder.finished if self.path is not None and self.whole else None

    def live(self, row: HistoryRow) -> None:
        """A row that was written from the journal."""
        if self.path is None or row.step is None:
            return
        self._waiting[row.step] = row
        if len(self._waiting) > WAITING:
            self.give_up()

    def give_up(self) -> None:
        """There is no log."""
        log.warning("wandb writes no transaction log at %s: no self-check", self.path)
        self.path = None
        self._waiting.clear()
        self.rest = Rest()

    def follow(self, current: int, *, drained: bool) -> Iterator[Event]:
        """Rows, or parts of rows, that the log has and SwanLab has not, and what they have to be read with.

        `current` is the live step; `drained` says that the journal held nothing more after the last `read_ahead`, so
        that every row in the log has had its chance to come live.
        """
        if drained or self.from_log:
            yield from self.rest.before_rows()
        while self._early:
            first = self._early[0]
            if not isinstance(first, HistoryRow):
                yield first
            elif not (drained or self.from_log or (first.step or 0) < current):
                break
            elif first.step is not None:
                yield from self._match(first)
            self._early.popleft()

    def read_ahead(self, most: int = READ_AHEAD_BYTES) -> bool:
        """Reads what wandb's core has flushed, some thousand rows of about `most` bytes; whether there was any."""
        if self._early:
            return True
        self._read = 0
        for event in self._events():
            if isinstance(event, HistoryRow) or (self.lines_from_log and isinstance(event, ConsoleLine | Alert)):
                self._early.append(event)
                if self.unlogged is not None:
                    self.unlogged.logged(event)
                if len(self._early) >= READ_AHEAD or self._read >= most:
                    break
            else:
                self.rest.logged(event)
        return bool(self._early)

    def finish(self) -> None:
        """After the last `follow`: names the live rows that a whole log does not hold."""
        if self.path is None or not self.whole:
            return
        for step in sorted(self._waiting):
            self._differ(
                f"step {step} was mirrored live, wandb's log does not have it", len(self._waiting[step].values)
            )
        self._waiting.clear()

    def the_rest(self) -> Iterator[Event]:
        """What a whole log has besides rows and SwanLab has not; its summary, of which wandb's core alone knows what
        `define_metric` declares.
        """
        if self.path is not None and self.whole:
            yield from self.rest.finish()
            yield from self._summary.events()
        elif self.path is not None and self.unlogged is not None:
            yield from self.rest.missing()

    def summary(self) -> dict[str, Any]:
        """The result of the self-check, for the status file."""
        return {
            "rows_compared": self.compared,
            "rows_added_from_log": self.added,
            "differences": self.conflicts,
            "first_differences": self.differences,
            "log_read_to_its_end": self.whole,
        }

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()

    def _events(self) -> Iterator[Event]:
        if self.path is None:
            return
        if self._reader is None:
            try:
                self._reader = LogReader(self.path, patient=True)
            except OSError:
                return  # not there yet
        for payload in self._reader:
            self._read += len(payload)
            if record_field(payload) == SUMMARY:
                self._summary.take(payload)
                continue
            for event in self._decoder.feed(payload):
                if isinstance(event, RunFinished):
                    self.whole = True
                yield event

    def _match(self, row: HistoryRow) -> Iterator[HistoryRow]:
        assert row.step is not None
        live = self._waiting.pop(row.step, None)
        if live is None:
            if not self.from_log:
                log.info("step %d is in wandb's log alone: rows come from the log from here on", row.step)
                self.from_log = True
            self.added += 1
            yield row
            return
        self.compared += 1
        if live.values == row.values:
            return
        missing: Tree = {}
        seen = {_clean(path): value for path, value in leaves(live.values)}
        for path, value in leaves(row.values):
            if _clean(path) not in seen:
                merge(missing, path, value)
            elif not _same(seen.pop(_clean(path)), value):
                self._differ(f"{'.'.join(path)} at step {row.step}: not the value in wandb's log")
        for path in seen:
            self._differ(f"{'.'.join(path)} at step {row.step} is not in wandb's log")
        if missing:
            if live.timestamp and row.timestamp and abs(live.timestamp - row.timestamp) > CLOCK:
                self._differ(
                    f"step {row.step}: another process added to the row, which has its time now", len(live.values)
                )
            self.added += 1
            yield row.changed(values=missing)

    def _differ(self, what: str, values: int = 1) -> None:
        self.conflicts += values
        if len(self.differences) < 20:
            self.differences.append(what)
            log.warning("self-check: %s", what)


def _clean(path: Path) -> Path:
    """A path as wandb's core writes it: no half of a surrogate pair."""
    return tuple(map(clean_text, path))


def _same(live: Any, logged: Any) -> bool:
    if isinstance(live, int | float) and isinstance(logged, int | float):
        try:
            first, second = float(live), float(logged)
        except OverflowError:
            return str(live) == str(logged) or abs(float(logged)) == float("inf")
        return first == second or (first != first and second != second)  # noqa: PLR0124
    if isinstance(live, list) and isinstance(logged, list):
        return len(live) == len(logged) and all(map(_same, live, logged))
    if isinstance(live, dict) and isinstance(logged, dict):
        return live.keys() == logged.keys() and all(_same(value, logged[key]) for key, value in live.items())
    if isinstance(live, str) and isinstance(logged, str):
        return logged in (live, clean_text(live), live.encode("utf-8", "replace").decode())
    return bool(live == logged)
