"""Values through SwanLab's public `run.log`, for what its core does not take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from . import capabilities
from .capabilities import loss


class PointWriter:
    """Takes rows point by point."""

    def scalar(self, key: str, step: int, timestamp: float, number: float) -> None:
        raise NotImplementedError

    def row(self, keys: Sequence[str], step: int, timestamp: float, numbers: Sequence[float]) -> None:
        for key, number in zip(keys, numbers, strict=True):
            self.scalar(key, step, timestamp, number)

    def rows(
        self,
        keys: Sequence[str],
        steps: Sequence[int],
        timestamps: Sequence[float],
        columns: Sequence[Sequence[float]],
    ) -> None:
        for step, timestamp, *numbers in zip(steps, timestamps, *columns, strict=True):
            self.row(keys, step, timestamp, numbers)


class LogWriter(PointWriter):
    """The public `run.log`: every value, at the time it is written. Console lines and chart axes have no public way."""

    def __init__(self, run: Any) -> None:
        self._run = run
        self.failure: str | None = None
        self.losses: Counter[tuple[str, str]] = Counter()
        self.skip_lines = 0

    def scalar(self, key: str, step: int, timestamp: float, number: float) -> None:
        self._run.log({key: number}, step=step)
        self._count_time(key, timestamp)

    def media(self, key: str, step: int, timestamp: float, items: list[Any]) -> int:
        self._run.log({key: items}, step=step)
        self._count_time(key, timestamp)
        return len(items)

    def _count_time(self, key: str, timestamp: float) -> None:
        if timestamp > 0:
            self.losses[key, loss(capabilities.POINT_TIMES)] += 1

    def column(self, key: str, x_axis: str, *, hidden: bool) -> None:
        # Without x_axis: SwanLab drops every point whose X equals the one before it (`try_accept_x_value`).
        define = getattr(self._run, "define_metric", None)  # from SwanLab 0.10
        if define is not None:
            define(key, hidden=hidden)
        if x_axis or (hidden and define is None):
            self.losses[key, loss(capabilities.CHART_AXES)] += 1

    def console(self, line: str, timestamp: float, *, error: bool) -> bool:
        self.losses["console output", loss(capabilities.CONSOLE_LINES)] += 1
        return False

    def flush(self) -> None:
        pass
