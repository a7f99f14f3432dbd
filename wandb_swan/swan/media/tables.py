"""wandb's tables, and the table that SwanLab shows."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import swanlab

from ...stream.events import Path, Tree
from .. import limits
from ..files import UnusableError

Lose = Callable[[str, str], None]
"""Takes a reason and a detail: part of a value that SwanLab does not get."""
LoseAt = Callable[[Path, str, str, int], None]
"""The same of the value at a key path; last, how many values."""
_GROWN_ROWS = 200_000
"""Rows of a growing table that are remembered."""


@dataclass(frozen=True)
class Table:
    """The columns and rows of a `*.table.json`, and how many rows are known of but not here."""

    columns: list[str]
    rows: list[list[Any]]
    missing: int = 0
    """Rows that W&B's file lacks."""
    odd: int = 0
    """Rows that are no lists."""
    cut: int = 0
    """Rows beyond what is remembered of a growing table."""
    later: int = 0
    """Rows that came after W&B had made its file, which it did not make again."""

    @property
    def total(self) -> int:
        return len(self.rows) + self.missing + self.later + self.odd + self.cut

    def tell(self, lose: Lose) -> None:
        """Counts the rows that are not here."""
        kept = f"{len(self.rows)} of {self.total} rows kept"
        if self.missing:
            lose("W&B itself left out rows of a long table", kept)
        if self.later:
            lose('rows that were added after the table was logged: W&B keeps them with log_mode="MUTABLE"', kept)
        if self.odd:
            lose("rows of a table that are no lists are left out", kept)
        if self.cut:
            lose(f"a growing table was cut to {_GROWN_ROWS:,} rows", kept)

    @classmethod
    def parse(cls, content: Any, total: Any = None) -> Table:
        """`total` is the number of rows that the record tells. W&B's file holds 10,000 of them at most.

        Raises:
            UnusableError: this is no table.
        """
        columns = content.get("columns") if isinstance(content, dict) else None
        rows = content.get("data") if isinstance(content, dict) else None
        if not isinstance(columns, list) or not isinstance(rows, list):
            raise UnusableError("the file is broken", "no table")
        names = [limits.clean_text(str(name)) for name in columns]
        lists = [row for row in rows if isinstance(row, list)]
        return cls(names, lists, max(0, _count(total) - len(rows)), len(rows) - len(lists))

    def with_media(self, staged: Any, holds_media: Callable[[Any], bool]) -> Table:
        """The table with its media cells, which W&B's run file holds as `Image` alone, from the table's artifact."""
        whole = staged.get("data") if isinstance(staged, dict) and staged.get("columns") == self.columns else None
        if not isinstance(whole, list):
            return self
        rows = [
            [new if holds_media(new) else old for old, new in zip(row, other, strict=False)]
            if isinstance(other, list) and len(other) == len(row)
            else row
            for row, other in zip(self.rows, whole, strict=False)
        ]
        return replace(self, rows=rows + self.rows[len(rows) :])

    def column(self, name: Any) -> list[Any] | None:
        """The cells of a column, or None if there is no such column."""
        if str(name) not in self.columns:
            return None
        index = self.columns.index(str(name))
        return [row[index] if index < len(row) else None for row in self.rows]


def is_table(value: Tree) -> bool:
    """Whether an item of a row is a table."""
    return value.get("_type") in ("table-file", "incremental-table-file", "joined-table", "partitioned-table")


def joined(left: Table, right: Table, keys: Any) -> Table:
    """All rows of both tables of a `wandb.JoinedTable`, those with the same key side by side.

    Raises:
        UnusableError: a table lacks its key.
    """
    left_key, right_key = keys if isinstance(keys, list) and len(keys) == 2 else (keys, keys)
    lefts, rights = left.column(left_key), right.column(right_key)
    if lefts is None or rights is None:
        raise UnusableError("the file is broken", f"no column {keys}")
    by_key: dict[str, list[list[Any]]] = {}
    for key, row in zip(rights, right.rows, strict=True):
        by_key.setdefault(json.dumps(key), []).append(row)
    rows = []
    matched = set()
    for key, row in zip(lefts, left.rows, strict=True):
        matched.add(json.dumps(key))
        rows += [[*row, *other] for other in by_key.get(json.dumps(key), [[None] * len(right.columns)])]
    for key, others in by_key.items():
        if key not in matched:
            rows += [[*[None] * len(left.columns), *other] for other in others]
    return Table([*left.columns, *right.columns], rows, odd=left.odd + right.odd)


def stacked(parts: list[Table]) -> Table:
    """The rows of all parts of a `wandb.data_types.PartitionedTable`.

    Raises:
        UnusableError: their columns are not the same.
    """
    columns = parts[0].columns
    if any(part.columns != columns for part in parts):
        raise UnusableError("the file is broken", "the parts of a table have other columns")
    return Table(columns, [row for part in parts for row in part.rows], odd=sum(part.odd for part in parts))


class Increments:
    """Tables that change.

    With `log_mode="INCREMENTAL"` each file holds the new rows alone; with "IMMUTABLE" a table that is logged again has
    the file of its first time.
    """

    def __init__(self) -> None:
        self._tables: dict[Path, tuple[int, Table]] = {}
        self._first: dict[str, int] = {}

    def logged(self, file: str, table: Table, rows: Any) -> Table:
        """A table with so many rows by its record; those that came since its file was first logged are told apart."""
        first = self._first.setdefault(file, _count(rows))
        later = min(table.missing, max(0, _count(rows) - first))
        return replace(table, missing=table.missing - later, later=later)

    def grown(self, path: Path, table: Table, value: Tree) -> Table:
        """All rows of the table so far."""
        number = value.get("increment_num")
        last, before = self._tables.get(path, (-1, None))
        rows, odd, cut = table.rows, table.odd, 0
        if before is not None and number == last + 1 and before.columns == table.columns:
            rows, odd, cut = [*before.rows, *rows], before.odd + odd, before.cut
        cut += max(0, len(rows) - _GROWN_ROWS)
        rows = rows[:_GROWN_ROWS]
        missing = max(0, _count(value.get("nrows")) - len(rows) - odd - cut)
        whole = Table(table.columns, rows, missing, odd, cut)
        self._tables[path] = (number if isinstance(number, int) else -1, whole)
        return whole


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def echart(table: Table, lose: Lose) -> Any:
    """SwanLab's table. Cells keep their types; what is no JSON scalar becomes readable text."""
    headers = _headers(table.columns)
    room = limits.MEDIA_BYTES - 2000 - len(json.dumps(headers)) * 2
    rows: list[list[Any]] = []
    beyond = 0
    for row in table.rows:
        cells = [_cell(value) for value in row[: len(headers)]]
        cells += [None] * (len(headers) - len(cells))
        room -= len(json.dumps(dict(zip(headers, cells, strict=True)))) + 2  # as SwanLab writes it
        if room < 0:
            break
        rows.append(cells)
        beyond += max(0, len(row) - len(headers))
    whole = table.total
    table.tell(lose)
    if beyond:
        lose("cells beyond the columns of a table are left out", f"{beyond} cells")
    if len(rows) < len(table.rows):
        lose("a table was cut to SwanLab's 10 MB", f"{len(rows)} of {whole} rows kept")
    left_out = whole - len(rows)
    if left_out:
        rows.append([f"… {left_out} of {whole} rows are left out here", *[None] * (len(headers) - 1)][: len(headers)])
    return swanlab.echarts.Table().add(headers, rows)


def _headers(columns: list[str]) -> list[str]:
    """Names that stay apart as keys of a row. A dot would mean a field in a field: U+2024 looks like one."""
    return apart([column.replace(".", "\u2024") for column in columns])


def apart(columns: list[str]) -> list[str]:
    """The names of columns, no name twice."""
    names: list[str] = []
    for column in columns:
        candidate = column
        number = 1
        while candidate in names:
            number += 1
            candidate = f"{column} ({number})"
        names.append(candidate)
    return names


def _cell(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no NaN
    if isinstance(value, str):
        return limits.clean_text(value)
    if isinstance(value, dict) and "_type" in value:
        return media_cell(value)
    if isinstance(value, list | dict):
        return limits.clean_text(json.dumps(value, ensure_ascii=False))
    return value


def media_cell(value: Tree) -> str:
    """`image-file media/images/cat.png: a cat`; of a table, its columns and rows."""
    if value["_type"] == "table":
        return limits.clean_text(
            json.dumps({name: value.get(name) for name in ("columns", "data")}, ensure_ascii=False)
        )
    text = " ".join(str(part) for part in (value["_type"], value.get("path")) if part)
    caption = value.get("caption")
    return limits.clean_text(f"{text}: {caption}" if caption else text)
