"""The media in the cells of tables, read from wandb's artifacts: what SwanLab has to hold under `<key>/<column>`."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path as FilePath
from tempfile import TemporaryDirectory
from typing import Any

from wandb.env import get_cache_dir

from ..stream.nested import Path, Tree
from ..swan.limits import clean_text
from .content.tables import FULLER, IN_ARTIFACT, IN_RUN, Rows, apart
from .content.verdict import located
from .recorded import Media, Recorded, Text

TABLES = IN_RUN | IN_ARTIFACT
ABSENT = "the artifact of its table is not on this machine"
_CLIENT = "wandb-client-artifact://"


class Artifacts:
    """The files of the artifacts that hold a run's tables, as far as they are on this machine."""

    def __init__(self, files: Mapping[tuple[str, str], tuple[str, str]]) -> None:
        """`files`: (client id, path in the artifact) -> path on disk or URI of another artifact's file, MD5."""
        self._files = files

    def whole(self, value: Tree, files: FilePath | None) -> Rows | None:
        """A table with all that W&B has of it; None where it cannot be read."""
        kind = value.get("_type")
        if kind == "joined-table":
            return self._joined(value)
        if kind == "partitioned-table":
            return self._partitioned(value)
        source = located(files, value.get("path"))
        held = _table(_json(source)) if source else None
        if held is None:
            return None
        told = value.get("nrows")
        total = told if isinstance(told, int) and not isinstance(told, bool) else 0
        first = max(0, total - len(held[1])) if kind == "incremental-table-file" else 0
        client, found = self._read(value.get("artifact_path"))
        fuller = _table(found)
        rows = held[1]
        if fuller is not None and fuller[0] == held[0]:
            rows = [
                [new if _media(new) else old for old, new in zip(row, more, strict=False)]
                if len(row) == len(more)
                else row
                for row, more in zip(rows, fuller[1], strict=False)
            ] + rows[len(fuller[1]) :]
        absent = found is None and not any(_media(cell) for row in rows for cell in row)
        return _noted(
            held[0], rows, client if found is not None else "", first, absent=absent, total=max(total, len(rows))
        )

    def _joined(self, value: Tree) -> Rows | None:
        client, content = self._read(value.get("artifact_path"))
        if not isinstance(content, dict):
            return None
        sides = [self._read(f"{_CLIENT}{client}/{content.get(name)}") for name in ("table1", "table2")]
        left, right = (_table(found) for _, found in sides)
        keys = content.get("join_key")
        keys = keys if isinstance(keys, list) and len(keys) == 2 else [keys, keys]
        if left is None or right is None or keys[0] not in left[0] or keys[1] not in right[0]:
            return None
        one, two = left[0].index(keys[0]), right[0].index(keys[1])
        lefts = [_of_artifact(row, sides[0][0]) for row in left[1]]
        rights = [_of_artifact(row, sides[1][0]) for row in right[1]]
        by_key: dict[str, list[int]] = {}
        if any(len(row) != len(table[0]) for table in (left, right) for row in table[1]):
            return None
        for at, row in enumerate(rights):
            by_key.setdefault(json.dumps(row[two]), []).append(at)
        rows: list[list[Any]] = []
        free = dict(by_key)
        for row in lefts:
            found = by_key.get(json.dumps(row[one]), [])
            free.pop(json.dumps(row[one]), None)
            rows += [row + rights[at] for at in found] or [row + [None] * len(right[0])]
        rows += [[None] * len(left[0]) + rights[at] for found in free.values() for at in found]
        return _noted(left[0] + right[0], rows, None, 0, absent=False, total=len(rows))

    def _partitioned(self, value: Tree) -> Rows | None:
        client, content = self._read(value.get("artifact_path"))
        folder = content.get("parts_path") if isinstance(content, dict) else None
        names = sorted(path for of, path in self._files if of == client and path.startswith(f"{folder}/"))
        parts = [self._read(f"{_CLIENT}{client}/{name}") for name in names if name.endswith(".table.json")]
        rows: list[list[Any]] = []
        columns: list[str] | None = None
        for of, found in parts:
            part = _table(found)
            if part is None or (columns is not None and part[0] != columns):
                return None
            columns = part[0]
            rows += [_of_artifact(row, of) for row in part[1]]
        return None if columns is None else _noted(columns, rows, None, 0, absent=False, total=len(rows))

    def _read(self, uri: Any) -> tuple[str, Any]:
        """The client id of the artifact that a JSON file lies in, and its content; None if it is not here."""
        place = self._place(uri)
        file = self._file(place)
        return (place[0] if place else ""), (_json(file) if file else None)

    def _place(self, uri: Any) -> tuple[str, str] | None:
        for _ in range(9):
            if not isinstance(uri, str) or not uri.startswith(_CLIENT):
                return None
            client, _, path = uri[len(_CLIENT) :].partition("/")
            uri, _ = self._files.get((client, path), ("", ""))
            if not uri.startswith(_CLIENT):
                return client, path
        return None

    def _file(self, place: tuple[str, str] | None) -> FilePath | None:
        """A file of an artifact: where wandb stages it, or in its cache, if it is the one that was logged."""
        if place not in self._files or place is None:
            return None
        local, digest = self._files[place]
        try:
            name = base64.b64decode(digest).hex()
            cached = FilePath(get_cache_dir()) / "artifacts" / "obj" / "md5" / name[:2] / name[2:]
            for file in (FilePath(local).resolve(), cached):
                known = file == cached or file.parent.parts[-2:] == ("artifacts", "staging")
                content = file.read_bytes() if known and file.is_file() else b""
                if hashlib.md5(content, usedforsecurity=False).hexdigest() == name:
                    return file
        except (OSError, ValueError):
            pass
        return None

    @contextmanager
    def laid_out(
        self, item: Tree, column: str
    ) -> Iterator[tuple[FilePath, Tree, dict[tuple[str, str], dict[str, str]]]]:
        """A folder with the files of an item, the item as it is where it is logged itself, the names of its classes by
        (column, layer)."""
        with TemporaryDirectory(prefix="wandb-swan-") as name:
            folder = FilePath(name)
            masks, boxes = (found if isinstance(found := item.get(key), dict) else {} for key in ("masks", "boxes"))
            layers = [layer.get("path") for layer in masks.values() if isinstance(layer, dict)]
            for path in (item.get("path"), *layers):
                file = self._file(self._place(f"{_CLIENT}{item['_artifact']}/{path}"))
                target = folder / str(path) if file is not None else folder
                if file is not None and target.resolve().is_relative_to(folder.resolve()):
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(file, target)
            classes = self._classes(item)
            plain = dict(item)
            if boxes:
                plain["boxes"] = {}
            for at, (layer, data) in enumerate(boxes.items()):
                content = json.dumps({"box_data": data, "class_labels": classes})
                (folder / f"{at}.boxes.json").write_text(content, "utf-8")
                plain["boxes"][layer] = {"path": f"{at}.boxes.json"}
            yield folder, plain, {(column, layer): classes for layer in masks}

    def _classes(self, item: Tree) -> dict[str, str]:
        told = item.get("classes")
        path = told.get("path") if isinstance(told, dict) else None
        _, content = self._read(f"{_CLIENT}{item['_artifact']}/{path}")
        listed = content.get("class_set") if isinstance(content, dict) else None
        classes = listed if isinstance(listed, list) else []
        return {str(one.get("id")): str(one.get("name")) for one in classes if isinstance(one, dict)}


def with_cells(recorded: Recorded, artifacts: Artifacts) -> tuple[dict[Path, dict[int, Media]], set[Path]]:
    """The media of a run, and those in the cells of its tables, each under the table's key and its column.

    Last, the key paths of tables of which nothing is here: nobody knows what is in their cells.
    """
    every = {path: dict(by_step) for path, by_step in recorded.media.items()}
    unknown: set[Path] = set()
    for path, by_step in recorded.media.items():
        for step, media in by_step.items():
            for item in media.items:
                if str(item.get("_type")) not in TABLES:
                    continue
                whole = artifacts.whole(item, media.files)
                if whole is None:
                    unknown.add(path)
                for column, found in _columns(whole) if whole else ():
                    steps = every.setdefault((*path, column), {})
                    before = steps[step].items if step in steps else []
                    steps[step] = Media([*before, *found], media.time, media.files, Text(b"", False, 0.0))
    return every, unknown


def _columns(whole: Rows) -> Iterator[tuple[str, list[Tree]]]:
    """The items of every column that has any."""
    for at, name in enumerate(apart(whole.columns)):
        found = [item for row in whole.rows if at < len(row) for item in _media(row[at])]
        if found:
            yield name, [{**item, "caption": item["_caption"]} for item in found]


def _noted(
    columns: list[str], rows: list[list[Any]], client: str | None, first: int, *, absent: bool, total: int
) -> Rows:
    """`client`: the artifact of the rows; "" if their media are in the run's folder; None: the items know theirs."""
    noted = []
    for number, row in enumerate(rows, first):
        cells: list[Any] = []
        for cell in row[: len(columns)]:
            count = len(_media(cell, absent=absent))
            places = iter([f"row {number}" + (f", {at} of {count}" if count > 1 else "") for at in range(1, count + 1)])

            def at_its_place(leaf: Any, places: Iterator[str] = places) -> Any:
                item = _item(leaf, absent=absent)
                if item is None:
                    return leaf
                place, caption = next(places), item.get("caption")
                if "_absent" not in item and caption not in (None, "", False):
                    place = clean_text(f"{place}: {caption}")
                return {**item, "_caption": place, **({"_artifact": client} if client else {})}

            cells.append(_each(cell, at_its_place) if count else cell)
        noted.append(cells + row[len(columns) :])
    return Rows(columns, noted, total, len(rows))


def _of_artifact(row: list[Any], client: str) -> list[Any]:
    """The row whose items know their artifact."""
    return [
        _each(cell, lambda leaf: {**leaf, "_artifact": client} if _item(leaf) is not None else leaf) for cell in row
    ]


def _media(cell: Any, *, absent: bool = False) -> list[Tree]:
    """The items of a cell, in order; with `absent`, also those of which there is the name alone."""
    found: list[Tree] = []
    if absent or isinstance(cell, dict | list):
        _each(cell, lambda leaf: found.append(item) if (item := _item(leaf, absent=absent)) is not None else None)
    return found


def _item(leaf: Any, *, absent: bool = False) -> Tree | None:
    """The item that a leaf of a cell is, if it is one."""
    if isinstance(leaf, dict) and isinstance(leaf.get("_type"), str):
        return leaf
    return {"_type": FULLER[leaf], "_absent": True} if absent and isinstance(leaf, str) and leaf in FULLER else None


def _each(cell: Any, take: Callable[[Any], Any], levels: int = 50) -> Any:
    """A cell with what `take` gives for every part of it that is no list and no plain dict, in order."""
    if isinstance(cell, dict) and not isinstance(cell.get("_type"), str):
        return {key: _each(part, take, levels - 1) for key, part in cell.items()} if levels else cell
    if isinstance(cell, list):
        return [_each(part, take, levels - 1) for part in cell] if levels else cell
    return take(cell)


def _table(content: Any) -> tuple[list[str], list[list[Any]]] | None:
    columns = content.get("columns") if isinstance(content, dict) else None
    rows = content.get("data") if isinstance(content, dict) else None
    if not isinstance(columns, list) or not isinstance(rows, list):
        return None
    return [clean_text(str(name)) for name in columns], [row for row in rows if isinstance(row, list)]


def _json(file: FilePath) -> Any:
    try:
        return json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
