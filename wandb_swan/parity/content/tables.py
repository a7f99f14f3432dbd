"""Tables, cell by cell; those that grow, row by row."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, NamedTuple

from ...swan import limits
from . import charts
from .texts import json_of
from .verdict import BROKEN_SOURCE, BROKEN_STORED, Verdict, counted, difference, same_value, two

_DOT = "\u2024"
_LEFT_OUT = re.compile(r"… (\d+) of (\d+) rows are left out here")
_SLACK = 64 << 10
_GROWN = 200_000
"""Rows of a growing table that SwanLab gets."""
IN_RUN = frozenset({"table-file", "incremental-table-file"})
IN_ARTIFACT = frozenset({"joined-table", "partitioned-table"})
"""Kinds of tables of which the run's folder has a file, and those of which it has none."""
FULLER = {
    "Image": "image-file",
    "Audio": "audio-file",
    "Video": "video-file",
    "Html": "html-file",
    "Plotly": "plotly-file",
    "Object3D": "object3D-file",
    "Molecule": "molecule-file",
    "Histogram": "histogram",
    "Table": "table",
}
"""What wandb's run file has in the place of a media item -> the item's `_type`, which its artifact has."""


Keys = Callable[[str], Collection[str]]
"""Column of a table -> the SwanLab keys under which the media of its cells may be."""


class Rows(NamedTuple):
    """A table as wandb has it. An item in a cell says under `_caption` where it is, and is `_absent` where all that is
    known of it is its kind."""

    columns: list[str]
    rows: list[list[Any]]
    total: int
    """Rows that there are; W&B's file may hold fewer."""
    there: int = 0
    """Rows of the file, those that are no lists among them."""


class TableSoFar:
    """What the growing tables of a run hold so far. Their files come in the order of their steps."""

    def __init__(self) -> None:
        self._tables: dict[tuple[str, ...], tuple[Any, Rows, bool]] = {}

    def grown(self, path: tuple[str, ...], number: Any, new: Rows) -> tuple[Rows, bool]:
        """The table of a metric with the rows of one more file, and whether all files before it were there."""
        last, before, whole = self._tables.get(path, (-1, new, True))
        follows = isinstance(number, int) and number == last + 1
        rows, total = new.rows, new.total
        if follows and last >= 0 and before.columns == new.columns:
            rows, total = [*before.rows, *rows], max(total, before.total + new.there)
        whole = (whole and follows and before.columns == new.columns) or number == 0
        grown = Rows(new.columns, rows[:_GROWN], total)
        self._tables[path] = number, grown, whole
        return grown, whole


def table(
    value: dict[str, Any],
    source: Path | None,
    stored: Path,
    so_far: TableSoFar | None,
    path: tuple[str, ...],
    *,
    charted: bool,
    beside: Path | None,
    rows: Rows | None = None,
    keys: Keys = lambda column: (),
) -> Verdict:
    """A table, and SwanLab's table or its chart; `beside`: the whole table, which follows a chart of a part of it.

    `rows` are the table's with the media that its artifact has of them; None: what `source` has.
    """
    if rows is None and source is not None:
        rows = _rows_of(source, value.get("nrows"))
    whole = True
    if rows is not None and value.get("_type") == "incremental-table-file":
        rows, whole = (so_far or TableSoFar()).grown(path, value.get("increment_num"), rows)
    if rows is None:
        return BROKEN_SOURCE
    found = _compare(rows, stored, beside, keys, charted=charted)
    return found if found.same or whole else Verdict(None, "earlier rows of a growing table are not there")


def _rows_of(source: Path, total: Any) -> Rows | None:
    try:
        content = json_of(source)
    except ValueError:
        return None
    columns = content.get("columns") if isinstance(content, dict) else None
    rows = content.get("data") if isinstance(content, dict) else None
    if not isinstance(columns, list) or not isinstance(rows, list):
        return None
    kept = [row for row in rows if isinstance(row, list)]
    known = total if isinstance(total, int) and not isinstance(total, bool) else 0
    return Rows([limits.clean_text(str(name)) for name in columns], kept, max(known, len(rows)), len(rows))


def _compare(wanted: Rows, stored: Path, beside: Path | None, keys: Keys, *, charted: bool) -> Verdict:
    held = _stored(stored)
    if held is None:
        return BROKEN_STORED
    if "_swanLab" in held:
        found = _compare_tables(wanted, held, stored, keys) if beside is None else counted("tables", 1, 2)
        return Verdict(False, "SwanLab has its table, not the chart") if charted and found.same else found
    if not charted:
        return Verdict(False, "SwanLab has a chart, not a table")
    drawn, shown = charts.chart(held, wanted.columns, wanted.rows)
    if not drawn.same:
        return drawn
    if beside is None:
        left = f"{shown} of {len(wanted.columns)} columns are in SwanLab's chart, and no table follows it"
        return drawn if shown >= len(wanted.columns) else Verdict(False, left)
    whole = _stored(beside)
    if whole is None:
        return BROKEN_STORED
    found = _compare_tables(wanted, whole, beside, keys) if "_swanLab" in whole else counted("charts", 1, 2)
    return Verdict(found.same, f"{drawn.how}, {found.how}" if found.same else f"the table of a chart: {found.how}")


def _stored(path: Path) -> dict[str, Any] | None:
    """SwanLab's table or chart; None: the file is broken. Raises OSError."""
    try:
        held = json_of(path)
    except ValueError:
        return None
    return held if isinstance(held, dict) else None


def _compare_tables(wanted: Rows, held: dict[str, Any], stored: Path, keys: Keys) -> Verdict:
    try:
        headers = [column["field"] for column in held["colDefs"]]
        rows = held["rowData"]
        if held["_swanLab"] != "table" or not all(isinstance(row, dict) for row in rows):
            return BROKEN_STORED
    except (KeyError, TypeError):
        return BROKEN_STORED
    names = _headers(wanted.columns)
    if headers != names:
        at = next((i for i, (one, other) in enumerate(zip(names, headers, strict=False)) if one != other), None)
        return (
            counted("columns", len(names), len(headers)) if at is None else two(f"column {at}", names[at], headers[at])
        )
    kept = len(rows)
    if names and wanted.total != kept:
        told = _left_out(rows, names)
        if told is None:
            return counted("rows", wanted.total, kept)
        kept -= 1
        if told != (wanted.total - kept, wanted.total):
            return Verdict(
                False, f"{kept} rows of {wanted.total} in SwanLab, which says: {told[0]} of {told[1]} left out"
            )
        if kept < len(wanted.rows) and not _had_to_be_cut(names, wanted.rows[kept], stored):
            return counted("rows", len(wanted.rows), kept)
        if kept > len(wanted.rows):
            return Verdict(None, f"the source file has {len(wanted.rows)} rows, SwanLab {kept}")
    of_columns = [keys(name) for name in apart(wanted.columns)]
    for index, (row, there) in enumerate(zip(wanted.rows, rows[:kept], strict=False)):
        if len(there) != len(names):
            return counted(f"cells of row {index}", len(names), len(there))
        for column, name in enumerate(names):
            cell = row[column] if column < len(row) else None
            if name not in there:
                return Verdict(False, f"cell {index}/{name}: not in SwanLab")
            if not _same_cell(cell, there[name], of_columns[column]):
                return two(f"cell {index}/{name}", _shown(cell), there[name])
    return Verdict(True, "same cells" if kept == wanted.total else f"same cells in {kept} of {wanted.total} rows")


def _headers(columns: list[str]) -> list[str]:
    """SwanLab's names of columns: no dots, and no name twice."""
    return apart([column.replace(".", _DOT) for column in columns])


def apart(columns: list[str]) -> list[str]:
    """The names of columns, the second of one name with a number."""
    names: list[str] = []
    for column in columns:
        name, count = column, 2
        while name in names:
            name = f"{column} ({count})"
            count += 1
        names.append(name)
    return names


def _left_out(rows: list[dict[str, Any]], names: list[str]) -> tuple[int, int] | None:
    """What the last row tells of rows that are left out: how many, of how many."""
    last = rows[-1] if rows else {}
    first = last.get(names[0])
    found = _LEFT_OUT.fullmatch(first) if isinstance(first, str) else None
    if found is None or any(last.get(name) is not None for name in names[1:]):
        return None
    return int(found[1]), int(found[2])


def _had_to_be_cut(names: list[str], row: list[Any], stored: Path) -> bool:
    """Whether the next row would not have had room in SwanLab's 10 MB."""
    overhead = _SLACK + 6 * len(json.dumps(names))
    return stored.stat().st_size + 2 * len(json.dumps(row)) + overhead > limits.MEDIA_BYTES


def _same_cell(cell: Any, there: Any, keys: Collection[str]) -> bool:
    if isinstance(cell, float) and not math.isfinite(cell):
        return bool(there == str(cell))
    if isinstance(cell, str) and isinstance(there, str):
        return same_value(cell, there) or _is_fuller(cell, there)
    if isinstance(cell, dict) and "_type" in cell:
        return isinstance(there, str) and _names(cell, there, keys)
    if isinstance(cell, list | dict):
        return isinstance(there, str) and _same_json(cell, there, keys)
    return same_value(cell, there)


def _shown(cell: Any) -> Any:
    return f"{cell['_type']}, {cell['_caption']}" if isinstance(cell, dict) and "_caption" in cell else cell


def _is_fuller(cell: str, there: str) -> bool:
    kind = FULLER.get(cell)
    return kind is not None and re.match(rf"{re.escape(kind)}(?= |: |$)", there) is not None


def _names(item: dict[str, Any], text: str, keys: Collection[str]) -> bool:
    """Whether a text names a media item: its key and row in SwanLab; or kind, file and caption, if it is not there."""
    place = item.get("_caption")
    if any(text == f"{key}, {place}" for key in keys):
        return True
    if "_absent" in item:
        rest = tuple(f"{key}, {place}: " for key in keys)
        form = "{" if item["_type"] == "table" else f"{item['_type']} "
        return text.startswith((*rest, form)) or FULLER.get(text) == item["_type"]
    if item["_type"] == "table":
        return _same_json({name: item.get(name) for name in ("columns", "data")}, text, ())
    file, caption = item.get("path"), item.get("caption")
    wanted = str(item["_type"]) + (f" {file}" if file else "")
    return text == limits.clean_text(f"{wanted}: {caption}" if caption else wanted)


def _same_json(cell: Any, text: str, keys: Collection[str]) -> bool:
    try:
        held = json.loads(text)
    except ValueError:
        return False
    return difference(_with_names(cell, held, keys), held) is None


def _with_names(cell: Any, held: Any, keys: Collection[str]) -> Any:
    """A list or dict with the names that SwanLab has of its media, where they are right."""
    if isinstance(cell, dict):
        if "_caption" in cell:
            return held if isinstance(held, str) and _names(cell, held, keys) else cell
        if isinstance(held, dict):
            return {key: _with_names(part, held.get(key), keys) for key, part in cell.items()}
    if isinstance(cell, list) and isinstance(held, list) and len(cell) == len(held):
        return [_with_names(part, there, keys) for part, there in zip(cell, held, strict=True)]
    return cell
