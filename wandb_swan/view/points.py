"""The points of a curve for a screen: the smallest and the largest value of each stretch, so that no spike is lost."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from ..stream.series import Series

Axis = Literal["step", "time", "relative"]
"""What is on the X axis of a curve: steps, seconds since the epoch, seconds since the run began."""


class Curve(NamedTuple):
    """Some points of a metric, sorted by X; where a value is not finite, Y is None."""

    x: list[float]
    y: list[float | None]
    of: int
    """How many points the metric has in the range."""

    def shape(self) -> dict[str, Any]:
        """As the browser takes it."""
        return {"x": self.x, "y": self.y, "of": self.of}


def curve(  # noqa: PLR0917  (a range and a size)
    series: Series,
    axis: Axis = "step",
    against: Series | None = None,
    begin: float | None = None,
    end: float | None = None,
    most: int = 1_000,
    started_at: float = 0.0,
) -> Curve:
    """At most about `most` points of a metric with X in [begin, end] (None: no bound), spikes and gaps included.

    Args:
        series: The metric.
        axis: What is on the X axis.
        against: The metric that is the X axis, instead; points at steps at which it has no value are left out.
        begin: The smallest X.
        end: The largest X.
        most: How many points, at most, twice the number of stretches.
        started_at: When the run began, seconds since the epoch.
    """
    x, y = _placed(series, axis, against, started_at)
    first = 0 if begin is None else max(0, bisect_left(x, begin) - 1)  # with a neighbour, so that lines go on
    last = len(x) if end is None else min(len(x), bisect_right(x, end) + 1)
    count = last - first
    if count <= most:
        return Curve(list(x[first:last]), [_finite(value) for value in y[first:last]], count)
    chosen = _extremes(y, first, last, max(1, most // 2))
    return Curve([x[at] for at in chosen], [_finite(y[at]) for at in chosen], count)


def _placed(
    series: Series, axis: Axis, against: Series | None, started_at: float
) -> tuple[Sequence[float], Sequence[float]]:
    x: Sequence[float]
    if against is not None:
        at = dict(zip(against.steps, against.values, strict=True))
        points = [(at[step], value) for step, value in zip(series.steps, series.values, strict=True) if step in at]
        points = [point for point in points if math.isfinite(point[0])]
        points.sort(key=lambda point: point[0])
        return [point[0] for point in points], [point[1] for point in points]
    if axis == "step":
        x = series.steps
    elif axis == "time":
        x = series.times
    else:
        x = array("d", (time - started_at for time in series.times))
    if any(map(float.__gt__, map(float, x), map(float, x[1:]))):
        order = sorted(range(len(x)), key=x.__getitem__)
        return [x[at] for at in order], [series.values[at] for at in order]
    return x, series.values


def _extremes(y: Sequence[float], first: int, last: int, stretches: int) -> list[int]:
    """Where each of so many stretches has its smallest and its largest value; the first and the last point, too."""
    chosen = [first]
    whole = math.isfinite(sum(y[first:last]))
    count = last - first
    for stretch in range(stretches):
        begin, end = first + count * stretch // stretches, first + count * (stretch + 1) // stretches
        part = y[begin:end]
        gap = None
        if not whole:
            finite = [value for value in part if math.isfinite(value)]
            if len(finite) < len(part):
                gap = begin + next(at for at, value in enumerate(part) if not math.isfinite(value))
                part = array("d", (value if math.isfinite(value) else finite[0] if finite else 0.0 for value in part))
        low, high = begin + part.index(min(part)), begin + part.index(max(part))
        chosen += sorted({low, high} | ({gap} if gap is not None else set()))
    if chosen[-1] != last - 1:
        chosen.append(last - 1)
    return chosen[1:] if chosen[1:2] == [first] else chosen


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
