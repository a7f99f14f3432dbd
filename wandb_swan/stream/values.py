"""What the values of a history row are in SwanLab, and at which step they come: decided here for who writes and checks.

A number is a scalar, a text is a text, a dict with `_type` is media, any other dict holds more values, and the rest
(None, lists) is written as the text of its JSON. Lists of media are media; a list of which only a part is, is both.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from .nested import Path, Tree, spelled

Leaf = tuple[Path, Any, float | None, str | None, Sequence[Tree]]
"""One value of a row: its path, the value as wandb has it, and what it is: a number, else a text, else media items."""

_NO_MEDIA: Sequence[Tree] = ()


def number_of(value: Any) -> float | None:
    """The number that a value is for SwanLab, which knows doubles alone; None if it is none.

    True is 1.0, as in wandb's charts. An int beyond 1.8e308, the largest double, is an infinity.
    """
    if type(value) is float:
        return value
    if not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def classified(values: Mapping[str, Any], step: int | None = None) -> list[Leaf]:
    """Every value of a row, in order."""
    found: list[Leaf] = []
    _classify(values, (), found, step)
    return found


def _classify(tree: Mapping[str, Any], above: Path, found: list[Leaf], step: int | None) -> None:
    for key, value in tree.items():
        path = (*above, key)
        if type(value) is float:  # almost every value is
            found.append((path, value, value, None, _NO_MEDIA))
        elif isinstance(value, int | float):
            found.append((path, value, number_of(value), None, _NO_MEDIA))
        elif isinstance(value, str):
            found.append((path, value, None, value, _NO_MEDIA))
        elif isinstance(value, dict) and "_type" not in value:
            _classify(value, path, found, step)
        else:
            media = items(value, key, step)
            if media:
                found.append((path, value, None, None, media))
            if not media or (isinstance(value, list) and len(media) < len(value)):
                found.append((path, value, None, spelled(value), _NO_MEDIA))


class Numbering:
    """The steps of what has none of its own: rows of wandb's shared mode, and alerts."""

    def __init__(self) -> None:
        self._next_row = 0
        self._reached = 0
        self._alert = -1

    def of_row(self, step: int | None) -> int:
        """The step of a row; those of wandb's shared mode have none, and are numbered as they come."""
        if step is None:
            step = self._next_row
            self._next_row += 1
        return step

    def reached(self, step: int) -> None:
        """A row was written at `step`."""
        self._reached = step

    def of_alert(self, *, first: int = 0) -> int:
        """The step of an alert: that of the last row or the next free one, for SwanLab keeps one a step.

        `first` is the first step that is free for it at all.
        """
        self._alert = max(self._alert + 1, self._reached, first)
        return self._alert


def items(value: Any, key: str = "", step: int | None = None) -> list[Tree]:
    """The single media items of a row's value, in order; `key` and `step`: where it is, the last part of its path.

    wandb's lists have a form of their own for each kind (`seq_to_json` of its data types), or are plain lists.
    """
    if isinstance(value, list):
        found = [part for part in value if isinstance(part, dict) and "_type" in part]
        return [item for part in found for item in items(part, key, step)]
    if not isinstance(value, dict) or "_type" not in value:
        return []
    kind = value["_type"]
    single = SEQUENCES.get(kind) if isinstance(kind, str) else None
    if single is None:
        return [value]
    field_name, item_kind = single
    if kind == "images":
        return [_strip(value, key, step)]
    parts = value.get(field_name)
    if not isinstance(parts, list):
        parts = _unnamed_pictures(value, key, step) if kind == "images/separated" else []
        if not parts:
            return [value]
    captions, boxes, masks = (_list(value.get(name)) for name in ("captions", "all_boxes", "all_masks"))
    singles = []
    for index, part in enumerate(parts):
        item = dict(part) if isinstance(part, dict) else {"path": part}
        item["_type"] = item_kind
        for name, given in (("caption", captions), ("boxes", boxes), ("masks", masks)):
            if index < len(given) and given[index]:
                item[name] = given[index]
        singles.append(item)
    return singles


def _unnamed_pictures(value: Tree, key: str, step: int | None) -> list[str]:
    """The files of a list of pictures that names none: wandb up to 0.12.10 numbered them."""
    count, suffix = value.get("count"), value.get("format")
    if step is None or not isinstance(count, int) or not 0 < count <= _MOST_PICTURES:
        return []
    return [f"media/images/{key}_{step}_{number}.{suffix or 'png'}" for number in range(count)]


def _strip(value: Tree, key: str, step: int | None) -> Tree:
    """A list of pictures of wandb before 0.10: one file, in which they stand side by side."""
    captions = [str(caption) for caption in _list(value.get("captions")) if caption]
    path = f"media/images/{key}_{step}.{value.get('format') or 'png'}"
    return {"_type": "image-file", "path": path, **({"caption": " | ".join(captions)} if captions else {})}


_MOST_PICTURES = 10_000
SEQUENCES: dict[str, tuple[str, str]] = {
    "images": ("", "image-file"),
    "images/separated": ("filenames", "image-file"),
    "audio": ("audio", "audio-file"),
    "videos": ("videos", "video-file"),
    "html": ("html", "html-file"),
    "object3D": ("objects", "object3D-file"),
    "molecule": ("filenames", "molecule-file"),
}
"""`_type` of a list -> the field that holds its items, `_type` of one item."""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
