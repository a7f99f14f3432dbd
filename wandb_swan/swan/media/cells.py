"""The media in the cells of a table: each becomes an item of its own, under the table's key and its column."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from ...stream.events import Path, Tree
from .. import limits
from ..files import Files, UnusableError
from . import tables
from .item import Item

log = logging.getLogger("wandb_swan")

Convert = Callable[[Item], Iterable[tuple[Path, Any]]]

_LEVELS = 50
"""Of lists and dicts in a cell, down to which media are looked for."""
_NAMES = frozenset({"Image", "Audio", "Video", "Html", "Plotly", "Object3D", "Molecule", "Histogram", "Table"})
"""What W&B's run file has in the place of a media item; the item itself is in the table's artifact."""


class Cells:
    """Takes the media out of one table's cells."""

    def __init__(self, item: Item, convert: Convert) -> None:
        """`item` is the table; what is found goes to its `of_cells`. `convert` makes SwanLab's objects of an item."""
        self._table = item
        self._convert = convert
        self._bytes = 0
        self._kept: Counter[Path] = Counter()

    def take(self, table: tables.Table, files: Files | Sequence[Files] | None, first_row: int = 0) -> tables.Table:
        """The table with names of items in the place of media.

        Args:
            table: The table.
            files: Where the files of its media are, or those of each column; None: its artifact is not here.
            first_row: The number of its first row: a file may hold the rows alone that a table has grown by.
        """
        paths = [(*self._table.path, name) for name in tables.apart(table.columns)]
        if files is None:
            self._tell_absent(table, paths)
            return table
        of_columns = [files] * len(paths) if isinstance(files, Files) else files
        columns = list(zip(paths, of_columns, strict=True))
        rows = [
            [
                self._cell(value, *columns[at], number) if type(value) in (dict, list) and at < len(columns) else value
                for at, value in enumerate(row)
            ]
            for number, row in enumerate(table.rows, first_row)
        ]
        return replace(table, rows=rows)

    def _tell_absent(self, table: tables.Table, paths: list[Path]) -> None:
        for at, path in enumerate(paths):
            count = sum(_named(row[at]) for row in table.rows if at < len(row))
            if count:
                reason = "the artifact of a table is not on this machine: its cells name media that are left out"
                self._table.lose_at(path, reason, f"{count} cells", count)

    def _cell(self, value: Any, path: Path, files: Files, row: int) -> Any:
        media = list(media_in(value))
        if not media:
            return value
        names = iter(
            [
                self._named(item, path, files, _caption(row, at if len(media) > 1 else None, len(media), item))
                for at, item in enumerate(media, 1)
            ]
        )
        return _replaced(value, names)

    def _named(self, value: Tree, path: Path, files: Files, caption: str) -> str:
        """The name of a cell's item; of one that SwanLab cannot have, what wandb calls it."""
        media = self._read(value, path, files, caption)
        if media is None:
            return tables.media_cell(value)
        return f"{self._table.key_of(path, limits.kind_of(media))}, {caption}"

    def _read(self, value: Tree, path: Path, files: Files, caption: str) -> Any | None:
        """SwanLab's object of a cell's item, which is kept; None, and counted, if there is none."""

        def lose(reason: str, detail: str = "") -> None:
            self._table.lose_at(path, reason, f"{caption}: {detail}" if detail else caption, 1)

        if value["_type"] == "table":
            lose("a table in a cell of a table is kept as the text of its JSON")
            return None
        if self._kept[path] >= limits.MEDIA_ITEMS:
            lose(f"SwanLab takes {limits.MEDIA_ITEMS} items a step: the others are left out")
            return None
        if self._bytes >= limits.TABLE_BYTES:
            lose(f"media of one table over {limits.TABLE_BYTES >> 20} MB are left out")
            return None
        item = replace(
            self._table,
            path=path,
            value={**value, "caption": caption},
            files=files,
            lose=lose,
            chart=None,
            beside=None,
            of_cells=[],
        )
        try:
            found = list(self._convert(_as_logged(item)))
        except UnusableError as error:
            reason = error.reason.partition(": kept as ")
            lose(reason[0] + (": named in the table's cell alone" if reason[1] else ""), error.detail)
            return None
        except Exception as error:
            log.warning("%s, %s", ".".join(path), caption, exc_info=True)
            lose(f"cannot be read: {type(error).__name__}", str(error))
            return None
        self._kept[path] += 1
        self._bytes += sum(limits.size_of(media) for _, media in found)
        self._table.of_cells += found
        return found[0][1]


def media_in(value: Any, levels: int = _LEVELS) -> Iterator[Tree]:
    """The media of a cell, which may be a list or a dict of them, in order."""
    if isinstance(value, dict) and isinstance(value.get("_type"), str):
        yield value
    elif isinstance(value, dict | list) and levels:
        for part in value.values() if isinstance(value, dict) else value:
            if isinstance(part, dict | list):
                yield from media_in(part, levels - 1)


def holds_media(value: Any) -> bool:
    """Whether a cell, or a row, has any media."""
    return isinstance(value, dict | list) and next(media_in(value), None) is not None


def _replaced(value: Any, names: Iterator[str], levels: int = _LEVELS) -> Any:
    """A cell with names in the place of its media, in order."""
    if not isinstance(value, dict | list):
        return value
    if isinstance(value, dict) and isinstance(value.get("_type"), str):
        return next(names)
    if not levels:
        return value
    if isinstance(value, dict):
        return {key: _replaced(part, names, levels - 1) for key, part in value.items()}
    return [_replaced(part, names, levels - 1) for part in value]


def _named(value: Any, levels: int = _LEVELS) -> int:
    """How many media a cell of W&B's run file names."""
    if isinstance(value, str):
        return value in _NAMES
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return sum(_named(part, levels - 1) for part in parts) if levels else 0


def _caption(row: int, at: int | None, count: int, value: Tree) -> str:
    """`row 3`, `row 3, 1 of 2: a cat`."""
    place = f"row {row}" if at is None else f"row {row}, {at} of {count}"
    caption = value.get("caption")
    return limits.clean_text(f"{place}: {caption}") if caption not in (None, "", False) else place


# -- a picture of a table has its boxes in the table, and the names of its classes in another file ---------------------


class _WithBoxes(Files):
    """The files of an artifact, and the boxes of one picture as the files that a logged picture has."""

    def __init__(self, files: Files, boxes: dict[str, Any]) -> None:
        self._files = files
        self._boxes = boxes

    def read(self, path: Any) -> bytes:
        return self._files.read(path)

    def json(self, path: Any) -> Any:
        return self._boxes[path] if path in self._boxes else self._files.json(path)


def _as_logged(item: Item) -> Item:
    """A picture with boxes and masks in the form that it has where it is logged itself."""
    boxes, masks = (found if isinstance(found := item.value.get(key), dict) else {} for key in ("boxes", "masks"))
    if item.value.get("_type") != "image-file" or not (boxes or masks):
        return item
    names = _class_names(item)
    inline = {
        f"\0{layer}": {"box_data": data, "class_labels": names}
        for layer, data in boxes.items()
        if isinstance(data, list)
    }
    value = {**item.value}
    if boxes:
        value["boxes"] = {
            layer: {"path": f"\0{layer}"} if f"\0{layer}" in inline else held for layer, held in boxes.items()
        }
    labels = dict.fromkeys(((item.path[-1], layer) for layer in masks), names)
    return replace(item, value=value, files=_WithBoxes(item.files, inline), mask_labels={**item.mask_labels, **labels})


def _class_names(item: Item) -> dict[str, str]:
    """The names of a picture's classes, by number."""
    told = item.value.get("classes")
    if not isinstance(told, dict):
        return {}
    try:
        content = item.files.json(told.get("path"))
    except UnusableError as error:
        item.lose("the names of the classes of boxes and masks are not here", error.detail)
        return {}
    classes = content.get("class_set") if isinstance(content, dict) else None
    return {
        str(one["id"]): str(one["name"])
        for one in (classes if isinstance(classes, list) else ())
        if isinstance(one, dict) and "id" in one and "name" in one
    }
