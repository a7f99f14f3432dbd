"""What wandb's log has of a run besides its rows, held against what came from the journal.

Processes that log to a run without the tap (forked, spawned, attached workers) leave config, files, artifacts, alerts
and console lines in wandb's log alone. What is in both is written once.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Hashable, Iterator

from ..stream import nested
from ..stream.config import apply
from ..stream.events import (
    Alert,
    Artifact,
    ChartDefined,
    ConfigChanged,
    ConsoleLine,
    Event,
    FileSaved,
    MaskLabels,
    MetricDefined,
    NotRead,
    RunChanged,
    RunStarted,
    Tree,
)
from ..swan.limits import clean_text


class Rest:
    """What is in wandb's log alone. Memory grows with that and with what the log has not yet, not with the run."""

    def __init__(self) -> None:
        self._ahead: Counter[Hashable] = Counter()
        """What came live and is not yet in the log -> how often."""
        self._missing: dict[Hashable, list[Event]] = {}
        """What is in the log and has not come live."""
        self._known: set[Hashable] = set()
        """What counts once, however often wandb says it."""
        self._early: list[Event] = []
        self._live_config: Tree = {}
        self._config: Tree = {}
        self._described: dict[str, object] = {}
        self._renamed: RunChanged | None = None

    def live(self, event: Event) -> None:
        """An event that was written from the journal."""
        match event:
            case ConfigChanged():
                apply(self._live_config, event)
            case RunStarted() | RunChanged():
                self._described = {name: getattr(event, name) for name in RunChanged.model_fields}
            case ConsoleLine() | Alert() | NotRead():
                key = _key(event)
                waiting = self._missing.get(key)
                if waiting:
                    waiting.pop(0)
                    if not waiting:
                        del self._missing[key]
                else:
                    self._ahead[key] += 1
            case FileSaved() | Artifact() | MetricDefined() | ChartDefined() | MaskLabels():
                key = _key(event)
                self._known.add(key)
                self._missing.pop(key, None)

    def logged(self, event: Event) -> None:
        """An event of wandb's log."""
        match event:
            case ConfigChanged():
                apply(self._config, event)
            case RunChanged():
                self._renamed = event
            case ConsoleLine() | Alert() | NotRead():
                key = _key(event)
                if self._ahead[key] > 1:
                    self._ahead[key] -= 1
                elif self._ahead.pop(key, 0) == 0:
                    self._missing.setdefault(key, []).append(event)
            case FileSaved() | Artifact() | MetricDefined() | ChartDefined() | MaskLabels():
                key = _key(event)
                if key not in self._known and key not in self._missing:
                    self._missing[key] = [event]
                    if not isinstance(event, FileSaved):
                        self._early.append(event)

    def before_rows(self) -> Iterator[Event]:
        """How values are shown, and the artifacts of tables: what rows of the log have to be read with."""
        early, self._early = self._early, []
        for event in early:
            key = _key(event)
            if self._missing.pop(key, None):
                self._known.add(key)
                yield event

    def missing(self) -> Iterator[Event]:
        """What the log, as far as it was read, has besides and the journal has not."""
        yield from self.before_rows()
        for events in self._missing.values():
            yield from events
        self._missing = {}

    def finish(self) -> Iterator[Event]:
        """What a log that was read to its end has besides; of the config and the name, its last word."""
        yield from self.missing()
        there = dict(nested.leaves(self._live_config, empty=True))
        update = tuple(
            (path, value)
            for path, value in nested.leaves(self._config, empty=True)
            if path not in there or nested.spelled(there[path]) != nested.spelled(value)
        )
        if update:
            yield ConfigChanged(update=update)
        if self._renamed is not None:
            told = {name: value for name, value in self._renamed if value}
            if any(self._described.get(name) != value for name, value in told.items()):
                yield RunChanged(**{**self._described, **told})


def _key(event: Event) -> Hashable:
    """Equal for an event of the journal and that of the log; wandb's core writes no half of a surrogate pair."""
    match event:
        case ConsoleLine():
            return hash((event.stderr, clean_text(event.text)))
        case FileSaved():
            return event.path
        case Artifact():
            return event.name, event.digest, event.used
        case _:
            return type(event), clean_text(json.dumps(event.model_dump(), ensure_ascii=False, sort_keys=True))
