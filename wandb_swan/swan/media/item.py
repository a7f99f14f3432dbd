"""One media item on its way from a wandb record to SwanLab, and the items that a row's value holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from ...stream.events import ChartDefined, Path, Tree
from .. import limits
from ..files import RunFiles, Staged
from . import tables

Lose = Callable[[str, str], None]
"""Takes a reason and a detail: part of a value that SwanLab does not get."""


@dataclass
class Item:
    """One media item on its way: what wandb recorded of it, and what its kind needs to know of the run."""

    path: Path
    value: Tree
    files: RunFiles
    lose: Lose
    plotly_inline: bool = False
    keep_original: bool = False
    mask_labels: Mapping[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    chart: ChartDefined | None = None
    tables: tables.Increments = field(default_factory=tables.Increments)
    staged: Staged = field(default_factory=Staged)

    @property
    def file(self) -> str:
        """The path of its file, relative to the run's files folder."""
        path = self.value.get("path")
        return path if isinstance(path, str) else ""

    @property
    def caption(self) -> str | None:
        caption = self.value.get("caption")
        return limits.clean_text(str(caption)) if caption not in (None, "", False) else None

    @property
    def suffix(self) -> str:
        return FilePath(self.file).suffix.lower()


def items(value: Any) -> list[Tree]:
    """The single media items of a row's value, in order.

    wandb's lists have a form of their own for each kind (`seq_to_json` of its data types), or are plain lists.
    """
    if isinstance(value, list):
        found = [part for part in value if isinstance(part, dict) and "_type" in part]
        return [item for part in found for item in items(part)]
    if not isinstance(value, dict) or "_type" not in value:
        return []
    kind = value["_type"]
    single = SEQUENCES.get(kind) if isinstance(kind, str) else None
    if single is None:
        return [value]
    field_name, item_kind = single
    parts = value.get(field_name)
    if not isinstance(parts, list):
        return [value]
    captions, boxes, masks = (as_list(value.get(name)) for name in ("captions", "all_boxes", "all_masks"))
    singles = []
    for index, part in enumerate(parts):
        item = dict(part) if isinstance(part, dict) else {"path": part}
        item["_type"] = item_kind
        for name, given in (("caption", captions), ("boxes", boxes), ("masks", masks)):
            if index < len(given) and given[index]:
                item[name] = given[index]
        singles.append(item)
    return singles


SEQUENCES: dict[str, tuple[str, str]] = {
    "images/separated": ("filenames", "image-file"),
    "audio": ("audio", "audio-file"),
    "videos": ("videos", "video-file"),
    "html": ("html", "html-file"),
    "object3D": ("objects", "object3D-file"),
    "molecule": ("filenames", "molecule-file"),
}
"""`_type` of a list -> the field that holds its items, `_type` of one item."""


def as_list(value: Any) -> list[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []
