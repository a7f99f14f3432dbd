"""A transaction log as events: rows of numbers many at a time, and the summary beside them.

For each row wandb's core writes what it sets in the summary, and then the row: the same items in another order, but
where `define_metric` says otherwise. Of rows under the same keys only the last one's is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .events import Event, HistoryRows
from .records import Decoder
from .summary import SUMMARY, LoggedSummary
from .wire import record_field, same_items

HISTORY = 2
"""Its field number in `wandb_internal.Record`."""
_ROWS = 500
"""Rows that are decoded together, at most."""


def with_fields(payloads: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Records with the field numbers of their contents."""
    return ((record_field(payload), payload) for payload in payloads)


def decoded(
    records: Iterable[tuple[int, bytes]], decoder: Decoder, summary: LoggedSummary, *, together: bool
) -> Iterator[Event]:
    """The events of records that came one after the other, but for the summary, which takes what is its own.

    `together`: rows of numbers may come as `HistoryRows`.
    """
    if together:
        yield from _Gathered(decoder, summary).events(records)
        return
    for field, payload in records:
        if field == SUMMARY:
            summary.take(payload)
        else:
            yield from decoder.feed(payload)


class _Gathered:
    def __init__(self, decoder: Decoder, summary: LoggedSummary) -> None:
        self._decoder = decoder
        self._summary = summary
        self._rows: list[bytes] = []
        self._set: list[tuple[bytes, int] | None] = []
        """What each of these rows sets in the summary, with its number, where it is the row itself."""
        self._before: tuple[bytes, int] | None = None
        """The summary's record that came last, if nothing has come since."""

    def events(self, records: Iterable[tuple[int, bytes]]) -> Iterator[Event]:
        for field, payload in records:
            if field == HISTORY:
                before, self._before = self._before, None
                if before is not None and not same_items(before[0], payload):
                    self._take(before)
                    before = None
                self._rows.append(payload)
                self._set.append(before)
                if len(self._rows) >= _ROWS:
                    yield from self._together()
                continue
            if self._before is not None:
                self._take(self._before)
                self._before = None
            if field != SUMMARY:
                yield from self._together()
                yield from self._decoder.feed(payload)
            elif not self._summary.comes_again(payload):
                self._before = payload, self._summary.count()
        if self._before is not None:
            self._take(self._before)
            self._before = None
        yield from self._together()

    def _take(self, record: tuple[bytes, int]) -> None:
        """A record may remove what an earlier one has set: those come first."""
        for at, earlier in enumerate(self._set):
            if earlier is not None:
                self._summary.take(*earlier)
                self._set[at] = None
        self._summary.take(*record)

    def _together(self) -> Iterator[Event]:
        if not self._rows:
            return
        events = list(self._decoder.feed_rows(self._rows))
        at, groups = 0, []
        for event in events:
            if isinstance(event, HistoryRows):
                groups.append(self._set[at : at + len(event.steps)])
                at += len(event.steps)
        if len(groups) < len(events) or at < len(self._rows):  # each is looked at
            groups = [[record] for record in self._set]
        for group in groups:
            last = next(filter(None, reversed(group)), None)
            if last is not None:
                self._summary.take(*last)
        self._rows, self._set = [], []
        yield from events
