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
        held = [(bar["name"], bar.get("value")) for bar in bars]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        return BROKEN_STORED
    if series.get("type") != "bar" or not isinstance(shown_labels, list):
        return Verdict(False, "the chart in SwanLab is no chart of bars")
    if len(held) != len(counts):
        return counted("bins", len(counts), len(held))
    if len(shown_labels) != len(held):
        return Verdict(False, f"{len(held)} bins, {len(shown_labels)} labels in SwanLab")
    for index, (name, count) in enumerate(held):
        low, high = edges[index], edges[index + 1]
        if not _same_count(counts[index], count):
            return two(f"bin {index}", counts[index], count)
        if name != f"{low!r} … {high!r}" and not _same_edges(name, low, high):
            return Verdict(False, f"bin {index}: {low!r} … {high!r} in wandb, {str(name)[:60]} in SwanLab")
        label = f"{_short(low)} … {_short(high)}"
        if shown_labels[index] != label:
            return two(f"label of bin {index}", label, shown_labels[index])
    return Verdict(True, "same bins")


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


def _same_edges(name: Any, low: Any, high: Any) -> bool:
    """Whether a bar's name spells both edges in another way, 1 for 1.0."""
    parts = name.split(" … ") if isinstance(name, str) else []
    try:
        return len(parts) == 2 and same_value(low, float(parts[0])) and same_value(high, float(parts[1]))
    except ValueError:
        return False


def _short(edge: Any) -> str:
    try:
        return f"{edge:.4g}" if isinstance(edge, int | float) else str(edge)
    except OverflowError:
        return str(edge)
