"""The points of one metric, 24 bytes each, so that a run of a million points can be compared in memory."""

from __future__ import annotations

from array import array


class Series:
    """Points in the order they came: step, value, time (seconds since the epoch, 0.0 if there is none)."""

    __slots__ = ("steps", "times", "values")

    def __init__(self) -> None:
        self.steps = array("q")
        self.values = array("d")
        self.times = array("d")

    def add(self, step: int, value: float, time: float) -> None:
        self.steps.append(step)
        self.values.append(value)
        self.times.append(time)

    def __len__(self) -> int:
        return len(self.steps)
