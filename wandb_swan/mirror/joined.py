"""A run that was tapped when it had begun: all of it is in wandb's log, but for the end that a kill leaves unwritten.

The steps of the journal are those of a run that starts in its middle, so rows and lines come from the log; what came
live is kept until the log has it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator

from ..stream.events import Alert, ConsoleLine, HistoryRow

Logged = HistoryRow | ConsoleLine | Alert


class Unlogged:
    """What came live and is not in wandb's log. Memory grows with what wandb's core has not flushed."""

    def __init__(self) -> None:
        self.reached = -1
        """The last step in the log."""
        self._rows: dict[int, HistoryRow] = {}
        self._lines: dict[Hashable, list[ConsoleLine | Alert]] = {}
        self._first: Counter[Hashable] = Counter()
        """Lines of the log that have not come live (yet)."""

    def __len__(self) -> int:
        return len(self._rows) + len(self._lines)

    def live(self, event: Logged) -> None:
        """An event of the journal."""
        if isinstance(event, HistoryRow):
            if event.step is not None and event.step > self.reached:
                self._rows[event.step] = event
            return
        key = _key(event)
        if self._first[key]:
            self._first[key] -= 1
        else:
            self._lines.setdefault(key, []).append(event)

    def logged(self, event: Logged) -> None:
        """An event of wandb's log."""
        if isinstance(event, HistoryRow):
            if event.step is not None:
                self.reached = event.step
                self._rows.pop(event.step, None)
            return
        key = _key(event)
        waiting = self._lines.get(key)
        if waiting is None:
            self._first[key] += 1
            return
        waiting.pop()
        if not waiting:
            del self._lines[key]

    def left(self) -> Iterator[Logged]:
        """What is not there, rows first."""
        for step in sorted(self._rows):
            yield self._rows[step]
        for lines in self._lines.values():
            yield from lines
        self._rows, self._lines = {}, {}


def _key(event: ConsoleLine | Alert) -> Hashable:
    return hash(tuple(event.model_dump().values()))
