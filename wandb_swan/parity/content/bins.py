"""Histograms: the counts and both edges of every bin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .texts import json_of
from .verdict import BROKEN_STORED, Verdict, counted, same_value, two


def histogram(value: dict[str, Any], stored: Path) -> Verdict:
    """A `wandb.Histogram`, which is in its record whole, and SwanLab's chart of bars."""
    counts, edges = value.get("values"), _edges(value)
    if not isinstance(counts, list) or edges is None or len(edges) != len(counts) + 1:
        return Verdict(None, "the histogram in wandb is broken")
    try:
        chart = json_of(stored)
        (series,) = chart["series"]
        bars, shown_labels = series["data"], chart["xAxis"][0]["data"]
        held = _bins(bars, chart)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        return BROKEN_STORED
    if series.get("type") != "bar" or not isinstance(shown_labels, list):
        return Verdict(False, "the chart in SwanLab is no chart of bars")
    for found in (bars, held):
        if len(found) != len(counts):
            return counted("bins", len(counts), len(found))
    if len(shown_labels) != len(held):
        return Verdict(False, f"{len(held)} bins, {len(shown_labels)} labels in SwanLab")
    for index, (count, *ends) in enumerate(held):
        low, high = edges[index], edges[index + 1]
        if not _same_count(counts[index], count):
            return two(f"bin {index}", counts[index], count)
        if not (_same_edge(low, ends[0]) and _same_edge(high, ends[1])):
            found = " … ".join(str(end)[:30] for end in ends)
            return Verdict(False, f"bin {index}: {low!r} … {high!r} in wandb, {found} in SwanLab")
        label = f"{_short(low)} … {_short(high)}"
        if shown_labels[index] != label:
            return two(f"label of bin {index}", label, shown_labels[index])
    return Verdict(True, "same bins")


def _bins(bars: list[Any], chart: dict[str, Any]) -> list[tuple[Any, Any, Any]]:
    """Count, lower and upper edge of each bar. Raises KeyError, ValueError, TypeError or AttributeError if broken."""
    if "dataset" not in chart:  # how the first versions wrote it: each bar's name has its edges
        named = [(bar.get("value"), *bar["name"].split(" … ")) for bar in bars]
        return [(count, low, high) for count, low, high in named]
    edges = chart["dataset"]["source"]["edge"]
    return list(zip(bars, edges[:-1], edges[1:], strict=False))


def _edges(value: dict[str, Any]) -> list[Any] | None:
    """The edges as the record has them, or as it describes bins of one width."""
    edges, packed = value.get("bins"), value.get("packedBins")
    if isinstance(edges, list):
        return edges
    if not isinstance(packed, dict) or not isinstance(value.get("values"), list):
        return None
    low, width, count = packed.get("min"), packed.get("size"), packed.get("count")
    if not isinstance(low, int | float) or not isinstance(width, int | float) or count != len(value["values"]):
        return None
    try:
        return [low + index * width for index in range(len(value["values"]) + 1)]
    except OverflowError:
        return None


def _same_count(wandb: Any, swanlab: Any) -> bool:
    if isinstance(wandb, float) and wandb - wandb != 0:  # NaN and infinities are no JSON
        return swanlab is None
    return same_value(wandb, swanlab)


def _same_edge(wandb: Any, swanlab: Any) -> bool:
    """Whether an edge is the same, though it is spelled, or in another way: 1 for 1.0."""
    if isinstance(swanlab, str) and not isinstance(wandb, str):
        try:
            swanlab = float(swanlab)
        except ValueError:
            return False
    return same_value(wandb, swanlab)


def _short(edge: Any) -> str:
    try:
        return f"{edge:.4g}" if isinstance(edge, int | float) else str(edge)
    except OverflowError:
        return str(edge)
