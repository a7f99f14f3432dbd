"""Charts of `wandb.plot`: whether their numbers are those of the table, whatever W&B's spec of the chart says."""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from ...swan import limits
from .verdict import BROKEN_STORED, Verdict, counted, same_value, shown, two

_Key = tuple[str, Any]
"""A cell as something to count, with its sort."""
_FEW = 12
"""Columns of a table for which the nearest pair is looked for, to name what differs."""


def chart(held: dict[str, Any], columns: list[str], rows: list[list[Any]]) -> tuple[Verdict, int]:
    """SwanLab's chart of a table: all rows are in it, and nothing else; and the number of columns that it shows."""
    cells = [[row[at] if at < len(row) else None for row in rows] for at in range(len(columns))]
    try:
        series = held["series"]
        kinds = {part["type"] for part in series}
        if kinds <= {"line", "scatter"}:
            return _curves(series, columns, cells, len(rows))
        if kinds == {"bar"} and "dataset" in held:
            return _histogram(held, columns, cells), 1
        if kinds == {"bar"} and len(series) == 1:
            return _bars(held, cells), 2
        if kinds == {"bar"}:
            return _groups(held, cells), 3
        if kinds == {"heatmap"}:
            return _heat_map(held, columns, cells), 3
    except (KeyError, TypeError, IndexError, ValueError, AttributeError):
        return BROKEN_STORED, 0
    return Verdict(None, f"a chart of {', '.join(sorted(map(str, kinds)))[:60]} is not known here"), 0


def _key(cell: Any) -> _Key:
    """Numbers are the same if their bits are; what is no JSON number is null in a chart."""
    if isinstance(cell, bool):
        return "bool", cell
    if isinstance(cell, int | float):
        if isinstance(cell, float) and not math.isfinite(cell):
            return "none", None
        return "number", (cell, isinstance(cell, float) and cell == 0 and math.copysign(1, cell) < 0)
    if cell is None:
        return "none", None
    return _text(cell) if isinstance(cell, str) else ("json", json.dumps(cell, sort_keys=True))


def _text(cell: Any) -> _Key:
    return "text", limits.clean_text(str(cell))


def _sides(cells: list[list[Any]]) -> Iterator[tuple[int, list[_Key]]]:
    """Every column, its cells as they are and as texts."""
    for at, column in enumerate(cells):
        keys, texts = list(map(_key, column)), list(map(_text, column))
        yield at, keys
        if texts != keys:
            yield at, texts


def _curves(series: list[Any], columns: list[str], cells: list[list[Any]], count: int) -> tuple[Verdict, int]:
    """Points of X and Y are two columns; the name of their curve is a third one, or that of the column of Y."""
    points = [(_key(x), _key(y), _text(part.get("name", ""))) for part in series for x, y in part["data"]]
    if len(points) != count:
        return counted("points", count, len(points)), 0
    pairs = Counter((x, y) for x, y, _ in points)
    every = Counter(points)
    xs, ys = Counter(x for x, _, _ in points), Counter(y for _, y, _ in points)
    ups = [(at, keys) for at, keys in _sides(cells) if Counter(keys) == ys]
    unnamed: Verdict | None = None
    for _, across in _sides(cells):
        if Counter(across) != xs:
            continue
        for at, up in ups:
            if Counter(zip(across, up, strict=True)) != pairs:
                continue
            named = [every - Counter(zip(across, up, map(_text, column), strict=True)) for column in cells]
            if not all(named):
                return Verdict(True, "same points"), 3
            if all(name == _text(columns[at]) for _, _, name in points):
                return Verdict(True, "same points"), 2
            rest = min(named, key=lambda counter: sum(counter.values()))
            point = next(iter(rest))
            unnamed = Verdict(False, f"point {_spelled(point[:2])}: not in a curve {shown(point[2][1])} in wandb")
    return unnamed or _nearest(pairs, cells, "point") or Verdict(True, "same points"), 2


def _nearest(tuples: Counter[tuple[_Key, _Key]], cells: list[list[Any]], what: str) -> Verdict | None:
    """What of SwanLab's chart is not in the two columns that have most of it."""
    sides = list(_sides(cells[:_FEW]))
    rests = [tuples - Counter(zip(one, other, strict=True)) for _, one in sides for _, other in sides]
    rest = min(rests, key=lambda found: sum(found.values()), default=tuples)
    if not rest:
        return None
    total = sum(rest.values())
    first = f"{what} {_spelled(next(iter(rest)))} of SwanLab's chart is not in wandb's table"
    return Verdict(False, first if total == 1 else f"{first}, nor are {total - 1} more")


def _spelled(keys: tuple[_Key, ...]) -> str:
    cells = [part[0] if sort == "number" else part for sort, part in keys]
    return f"({', '.join(map(shown, cells))})"


def _bars(held: dict[str, Any], cells: list[list[Any]]) -> Verdict:
    """Labels and values are two columns in their order."""
    (part,) = held["series"]
    labels, values = held["xAxis"][0]["data"], part["data"]
    if len(labels) != len(values):
        return counted("labels of bars", len(values), len(labels))
    count = len(cells[0]) if cells else 0
    if len(values) != count:
        return counted("bars", count, len(values))
    bars = list(zip(map(_text, labels), map(_key, values), strict=True))
    nearest: list[int] | None = None
    for names in ([*map(_text, column)] for column in cells):
        for heights in ([*map(_key, column)] for column in cells):
            wrong = [at for at, bar in enumerate(bars) if bar != (names[at], heights[at])]
            if not wrong:
                return Verdict(True, "same bins" if not bars else "same points")
            if nearest is None or len(wrong) < len(nearest):
                nearest = wrong
    at = nearest[0] if nearest else 0
    return Verdict(False, f"bar {at}: {_spelled(bars[at])} of SwanLab's chart is not in wandb's table")


def _groups(held: dict[str, Any], cells: list[list[Any]]) -> Verdict:
    """Labels, values and the series of each bar are three columns; a group may lack a bar."""
    labels = list(map(_text, held["xAxis"][0]["data"]))
    bars = Counter(
        (label, _key(value), _text(part["name"]))
        for part in held["series"]
        for label, value in zip(labels, part["data"], strict=True)
    )
    texts, keys = ([list(map(key, column)) for column in cells] for key in (_text, _key))
    best = bars
    for names in texts:
        for heights in keys:
            for groups in texts:
                wanted = Counter(zip(names, heights, groups, strict=True))
                lacking = {bar for bar in wanted - bars if bar[1][0] != "none"}
                rest = Counter({bar: count for bar, count in (bars - wanted).items() if bar[1][0] != "none"})
                if not rest and not lacking:
                    return Verdict(True, "same points")
                best = min(best, rest or Counter(lacking), key=lambda counter: sum(counter.values()))
    return Verdict(False, f"bar {_spelled(next(iter(best)))} is not the same in SwanLab's chart and in wandb's table")


def _histogram(held: dict[str, Any], columns: list[str], cells: list[list[Any]]) -> Verdict:
    """The numbers that the chart brings are a column, and the bars count them."""
    (name,), *lines = held["dataset"]["source"]
    numbers = [number for (number,) in lines]
    found = [at for at, column in enumerate(columns) if column == limits.clean_text(str(name))]
    if not found:
        return Verdict(False, f"{shown(name)} of SwanLab's chart is no column of wandb's table")
    wanted = [cell for cell in cells[found[0]] if isinstance(cell, int | float) and math.isfinite(cell)]
    if len(numbers) != len(wanted):
        return counted("numbers", len(wanted), len(numbers))
    for index, (one, other) in enumerate(zip(wanted, numbers, strict=True)):
        if not same_value(one, other):
            return two(f"number {index}", one, other)
    (part,) = held["series"]
    counts = [bar["value"] for bar in part["data"]]
    edges = [tuple(map(float, bar["name"].split(" … "))) for bar in part["data"]]
    if any(before[1] != after[0] for before, after in pairwise(edges)) or any(low >= high for low, high in edges):
        return Verdict(False, "the bins of SwanLab's chart do not follow each other")
    tolerance = (edges[-1][1] - edges[0][0]) * 1e-9
    if min(wanted) < edges[0][0] - tolerance or max(wanted) > edges[-1][1] + tolerance:
        return Verdict(False, f"bins of {edges[0][0]} to {edges[-1][1]} in SwanLab, numbers outside of them in wandb")
    lows, right = [low for low, _ in edges], [0] * len(edges)
    for number in wanted:
        right[max(0, bisect_right(lows, number) - 1)] += 1
    for index, (one, other) in enumerate(zip(right, counts, strict=True)):
        if not same_value(one, other):
            return two(f"bin {index}", one, other)
    return Verdict(True, "same bins")


def _heat_map(held: dict[str, Any], columns: list[str], cells: list[list[Any]]) -> Verdict:
    """Cells are three columns: the class across, the class down, and what is counted.

    Where a column has the name of an axis it has to be that one: the other way round is another matrix.
    """
    (part,) = held["series"]
    across, down = held["xAxis"][0], held["yAxis"][0]
    found = Counter(
        (_text(across["data"][_index(x)]), _text(down["data"][_index(y)]), _key(count)) for x, y, count in part["data"]
    )
    count = len(cells[0]) if cells else 0
    if sum(found.values()) != count:
        return counted("cells", count, sum(found.values()))
    sides = [
        [at for at, name in enumerate(columns) if name == axis.get("name")] or list(range(len(columns)))
        for axis in (across, down)
    ]
    texts, keys = ([list(map(key, column)) for column in cells] for key in (_text, _key))
    best = found
    for x in sides[0]:
        for y in sides[1]:
            for number in range(len(columns)):
                rest = found - Counter(zip(texts[x], texts[y], keys[number], strict=True))
                if not rest:
                    return Verdict(True, "same cells")
                best = min(best, rest, key=lambda counter: sum(counter.values()))
    return Verdict(False, f"cell {_spelled(next(iter(best)))} of SwanLab's chart is not in wandb's table")


def _index(place: Any) -> int:
    """A place on an axis. Raises ValueError."""
    if isinstance(place, bool) or not isinstance(place, int) or place < 0:
        raise ValueError(f"{place!r} is no place")
    return place
