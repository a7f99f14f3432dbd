"""HTML pages, and the figures in them."""

from __future__ import annotations

import json
from pathlib import Path

from ...swan import limits
from .texts import json_of
from .verdict import BROKEN_SOURCE, SAME_BYTES, Verdict, difference, same_bytes, two

_FIGURE = "var figure = "
_DRAWN = 'Plotly.newPlot("figure", figure.data, figure.layout'


def html(source: Path, stored: Path) -> Verdict:
    """A page: the same text. What is no valid UTF-8 is U+FFFD in SwanLab."""
    if same_bytes(source, stored):
        return SAME_BYTES
    wanted = limits.clean_text(source.read_bytes().decode("utf-8", "replace"))
    held = stored.read_bytes().decode("utf-8", "replace")
    if wanted == held:
        return Verdict(True, "same page")
    at = next((i for i, (ours, theirs) in enumerate(zip(wanted, held, strict=False)) if ours != theirs), None)
    at = min(len(wanted), len(held)) if at is None else at
    return two(f"character {at}", wanted[at : at + 30], held[at : at + 30])


def plotly(source: Path, stored: Path) -> Verdict:
    """A figure: its JSON is in the page, which draws it."""
    try:
        wanted = json_of(source)
    except ValueError:
        return BROKEN_SOURCE
    page = stored.read_bytes().decode("utf-8", "replace")
    body = page.rpartition("<body>")[2]  # the JSON itself can hold no `<`, plotly.js before it can hold anything
    at = body.find(_FIGURE)
    try:
        held, end = json.JSONDecoder().raw_decode(body, at + len(_FIGURE)) if at >= 0 else (None, 0)
    except ValueError:
        at = -1
    if at < 0:
        return Verdict(False, "the page in SwanLab holds no figure")
    if _DRAWN not in body[end:]:
        return Verdict(False, "the page in SwanLab does not draw its figure")
    return difference(wanted, held) or Verdict(True, "same figure")
