"""W&B's parquet exports of a history: how rows become columns, in the forms that W&B writes.

Seen in the client: in an export a nested dict is a column a leaf, its keys joined by dots; what is in a list or has a
`_type` is one column; numbers are doubles, and what a row has not is null (`run_history_v3_parquet_stream_optimized.py`
of wandb/weave).

Seen in the client: a column of an export with values of several types, at any depth, is a struct with a member
`_type_<type>` a type, of which one is not null (the same reader).

Maintainers: media are in exports as structs or as binary serialized JSON (wandb/weave, pull request 38).

Assumption: the types of `_type_<type>` are called as in `historyKeys`: number, string, bool, list, map, or the `_type`
of what has one.

Assumption: in exports a logged None is null as well, and JSON may be in a text column.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from typing import Any, Literal

from .wandb_runs import dotted, kind

Form = Literal["structs", "bytes", "texts"]
"""How what is no scalar is written: as structs and lists, or as JSON in a binary or a text column."""


def parquet(rows: Sequence[dict[str, Any]], form: Form, *, doubles: bool = False) -> bytes:
    """A parquet file with these rows. doubles: whether whole numbers are doubles too, as W&B has them."""
    import pyarrow
    import pyarrow.parquet

    flat = [dotted(row) for row in rows]
    names = dict.fromkeys(key for row in flat for key in row)
    columns = {name: _column([row.get(name) for row in flat], form, doubles and name != "_step") for name in names}
    out = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), out)
    return out.getvalue()


def _column(values: list[Any], form: Form, doubles: bool) -> Any:
    import pyarrow as pa

    kinds = list(dict.fromkeys(kind(value) for value in values if value is not None))
    if not kinds:
        return pa.nulls(len(values))
    if len(kinds) > 1:
        members = {f"_type_{name}": [value if kind(value) == name else None for value in values] for name in kinds}
        return _struct(values, members, form, doubles)
    if kinds == ["number"]:
        whole = not doubles and all(value is None or isinstance(value, int) for value in values)
        return pa.array([value if value is None or whole else float(value) for value in values])
    if kinds[0] in ("bool", "string"):
        return pa.array(values)
    if form != "structs" or any(value in ({}, []) for value in _within(values)):  # parquet has no struct without fields
        spell: Callable[[str], Any] = str if form == "texts" else str.encode
        return pa.array([None if value is None else spell(json.dumps(value)) for value in values])
    if kinds == ["list"]:
        inside = _column([item for value in values for item in value or ()], form, doubles)
        ends = [0]
        for value in values:
            ends.append(ends[-1] + len(value or ()))
        absent = pa.array([value is None for value in values])
        return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), inside, mask=absent)
    names = dict.fromkeys(key for value in values for key in value or ())
    return _struct(values, {name: [(value or {}).get(name) for value in values] for name in names}, form, doubles)


def _struct(values: list[Any], members: dict[str, list[Any]], form: Form, doubles: bool) -> Any:
    import pyarrow as pa

    absent = pa.array([value is None for value in values])
    return pa.StructArray.from_arrays(
        [_column(member, form, doubles) for member in members.values()], list(members), mask=absent
    )


def _within(value: Any) -> list[Any]:
    """A value and all that it holds."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [value, *(part for item in inside for part in _within(item))]
