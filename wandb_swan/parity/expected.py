"""What a source says of a run, in the form that SwanLab should have it."""

from __future__ import annotations

import hashlib
import math

from ..sources.reference import Source
from ..stream import nested
from ..stream.config import apply
from ..stream.events import (
    Alert,
    ChartDefined,
    ConfigChanged,
    ConsoleLine,
    Event,
    HistoryRow,
    Path,
    RunFinished,
    RunStarted,
    SystemStats,
    Tree,
)
from ..stream.series import Series
from ..stream.values import items
from ..swan import limits


class ExpectedRun:
    """What a source says of a run, in the form that SwanLab should have it."""

    def __init__(self) -> None:
        self.scalars: dict[Path, Series] = {}
        self.system: dict[Path, Series] = {}
        self.texts: dict[Path, dict[int, bytes]] = {}
        """Path -> step -> SHA-256 of the text."""
        self.media: dict[Path, list[int]] = {}
        """Path -> steps."""
        self.config: Tree = {}
        self.lines = 0
        self.started: RunStarted | None = None
        self.finished: RunFinished | None = None
        self.short: tuple[str, ...] = ()
        """What the source says that it has and has not given."""
        self._samples = 0
        self._charts: dict[str, str] = {}
        self._next_step = 0
        self._last_step = 0
        self._alert_step = -1

    @classmethod
    def of(cls, source: Source) -> ExpectedRun:
        run = cls()
        for event in source.events():
            run.take(event)
        run.short = tuple(source.short)
        return run

    def take(self, event: Event) -> None:
        """Adds one event."""
        if isinstance(event, HistoryRow):
            step = event.step
            if step is None:  # wandb's shared mode: numbered as they come
                step = self._next_step
                self._next_step += 1
            if 0 <= step <= limits.LAST_STEP:
                self._last_step = step
                self._values(event.values, (), step, event.timestamp)
        elif isinstance(event, ConfigChanged):
            apply(self.config, event)
        elif isinstance(event, ConsoleLine):
            self.lines += 1
        elif isinstance(event, SystemStats):
            for key, value in event.values.items():
                if isinstance(value, int | float):
                    self.system.setdefault(("system", key), Series()).add(self._samples, float(value), event.timestamp)
            self._samples += 1
        elif isinstance(event, Alert):
            self._alert_step = max(self._alert_step + 1, self._last_step)
            self.media.setdefault(("alerts",), []).append(self._alert_step)
            self.lines += 1
        elif isinstance(event, ChartDefined):
            self._charts[event.table_key] = event.key
        elif isinstance(event, RunStarted):
            self.started = event
        elif isinstance(event, RunFinished):
            self.finished = event

    def _values(self, tree: Tree, above: Path, step: int, time: float) -> None:
        for key, value in tree.items():
            path = (*above, key)
            if isinstance(value, int | float):
                series = self.scalars.get(path)
                if series is None:
                    series = self.scalars[path] = Series()
                try:
                    number = float(value)
                except OverflowError:
                    number = math.copysign(math.inf, value)
                series.add(step, number, time)
                continue
            found = items(value)
            if found:
                chart = self._charts.get(".".join(path))
                self.media.setdefault((chart,) if chart else path, []).append(step)
            if isinstance(value, dict):
                if not found:
                    self._values(value, path, step, time)
            elif not found or len(found) != len(value):
                text = value if isinstance(value, str) else nested.spelled(value)
                self.texts.setdefault(path, {})[step] = hashlib.sha256(limits.clean_text(text).encode()).digest()
