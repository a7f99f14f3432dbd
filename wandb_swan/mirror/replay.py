"""One replay of a journal from its start into one SwanLab run, held against wandb's own log on the way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..stream.events import Alert, ConfigChanged, ConsoleLine, Event, HistoryRow, RunStarted
from ..stream.records import Decoder
from .reconcile import WAITING, Reconciler

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
        unlogged = self.checks.unlogged if self.checks.active else None
        if unlogged is not None and isinstance(event, HistoryRow | ConsoleLine | Alert):
            unlogged.live(event)
            if len(unlogged) > WAITING:
                self.checks.give_up()
                self.write_unlogged()
            return
        if isinstance(event, HistoryRow):
            if self.checks.from_log and self.checks.active:
                return
            self.checks.live(event)
        elif self.checks.lines_from_log and isinstance(event, ConsoleLine | Alert):
            return
        else:
            # The config of a run that has begun is what wandb's core has made of it: a large int is a float.
            if self.checks.active and not (self.checks.unlogged is not None and isinstance(event, ConfigChanged)):
                self.checks.rest.live(event)
            if isinstance(event, RunStarted):
                return
        self.sink.write(event)

    def write_unlogged(self) -> None:
        """Writes what wandb's log should have and has not, of a run that was tapped when it had begun."""
        if self.checks.unlogged is None:
            return
        for event in self.checks.unlogged.left():
            self.sink.write(event)
        gap = (self.decoder.begin.run.joined_at or 0) - 1 - self.checks.unlogged.reached
        if gap > 0:
            reason = "steps from before it was mirrored that wandb's log does not have"
            self.sink.losses.counts["run", reason] = gap

    def take_from_log(self, *, drained: bool) -> None:
        """Writes what wandb's log alone has; `drained`: the journal held nothing more at the last look."""
        written = 0
        for event in self.checks.follow(self.decoder.step, drained=drained):
            self.sink.write(event)
            written += 1
        if written:
            self.sink.flush()
