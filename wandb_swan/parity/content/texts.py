"""Records that SwanLab keeps as texts, and reading JSON of files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .verdict import Verdict, difference


def record(value: dict[str, Any], stored: Path) -> Verdict:
    """A record that SwanLab has no kind for: its JSON. Numbers count as floats: wandb's core writes [1.0] as [1]."""
    try:
        text = stored.read_bytes().decode("utf-8")
        held = json.loads(text, parse_int=_as_float)
    except ValueError:
        return Verdict(False, "the text in SwanLab is no JSON")
    return difference(_with_floats(value), held) or Verdict(True, "same text")


def json_of(path: Path) -> Any:
    """A file's JSON, bare NaN and Infinity included. Raises ValueError, OSError, RecursionError."""
    return json.loads(path.read_bytes())


def _as_float(digits: str) -> float:
    return float(digits)  # of an int beyond 1.8e308 an infinity


def _with_floats(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_floats(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_with_floats(part) for part in value]
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            return float("inf") if value > 0 else float("-inf")
    return value
