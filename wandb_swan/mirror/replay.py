"""One replay of a journal from its start into one SwanLab run, held against wandb's own log on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..stream.events import Event, HistoryRow, RunStarted
from ..stream.records import Decoder
from .reconcile import Reconciler

if TYPE_CHECKING:
    from ..swan.sdk.uploads import Uploads
    from ..swan.sink import Sink


class Replay:
    """What is known of one try: what was decoded, the SwanLab run that it goes to, and the self-check."""

    def __init__(self, *, from_log: bool) -> None:
        """`from_log`: the rows are taken from wandb's log, because the live ones have turned out wrong."""
        self.decoder = Decoder()
        self.checks = Reconciler(None)
        self.rows_from_log = from_log
        self.written: Counter[type[Event]] = Counter()
        """Events of each kind that came from the journal and were written."""
        self._sink: Sink | None = None

    @property
    def is_open(self) -> bool:
        """Whether the SwanLab run has started."""
        return self._sink is not None

    @property
    def sink(self) -> Sink:
        """The SwanLab run, once it has started."""
        assert self._sink is not None
        return self._sink

    @sink.setter
    def sink(self, sink: Sink) -> None:
        self._sink = sink

    @property
    def uploads(self) -> Uploads | None:
        """What an online run still has to send; None: nothing goes to a server, or not yet."""
        return self._sink.uploads if self._sink is not None else None

    def write_all(self, events: Sequence[Event]) -> None:
        """Writes what the journal held, and hands it to SwanLab."""
        for event in events:
            self.write(event)
        if events:
            self.sink.flush()

    def write(self, event: Event) -> None:
        """Writes one event of the journal; rows that come from wandb's log are left to it."""
        if isinstance(event, HistoryRow):
            if self.checks.from_log and self.checks.active:
                return
            self.checks.live(event)
        elif isinstance(event, RunStarted):
            return
        self.written[type(event)] += 1
        self.sink.write(event)

    def take_from_log(self, *, drained: bool) -> None:
        """Writes the rows that wandb's log alone has; `drained`: the journal held nothing more at the last look."""
        rows = 0
        for row in self.checks.follow(self.decoder.step, drained=drained):
            self.sink.write(row)
            rows += 1
        if rows:
            self.sink.flush()
