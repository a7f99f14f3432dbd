"""Makes the rows of a history that W&B's client gives those that were logged: forms, nested keys, NaN, None."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from ..stream.events import HistoryRow, Path, Tree
from ..stream.nested import leaves, merge
from ..stream.steps import INTERNAL, history_row

_SPECIAL = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
_MEMBER = "_type_"
_ABSENT = object()


class LoggedRows:
    """The rows of one run.

    W&B joins nested keys with dots: the summary says which are nested. It spells NaN and the infinities as text: what
    `_is_text` says of a metric decides whether it is one. A parquet export has null where a row has nothing, and other
    forms (`as_logged`); a row that is not from an export has null where None was logged.
    """

    def __init__(self, types: Mapping[str, Mapping[str, int]], summary: Tree, uploaded: Tree) -> None:
        """`types`: metric -> type -> how many values of it W&B counts (`historyKeys`); `summary` is W&B's, `uploaded`
        the one that the run's process wrote, where NaN is no text (empty where there is none)."""
        self._types = types
        self._summary = summary
        self._uploaded = uploaded
        self._paths: dict[str, Path] = {}
        self._texts: set[str] = set()
        self._seen: Counter[str] = Counter()

    def take_over(self, earlier: LoggedRows) -> None:
        """What was seen of the same run's rows before."""
        self._seen, self._texts = earlier._seen, earlier._texts

    def event(self, row: dict[str, Any], *, exported: bool) -> HistoryRow | None:
        """The row as an event, None if nothing is in it; `exported`: the run has parquet exports."""
        step = row.get("_step")
        values: Tree = {}
        for key, given in row.items():
            value = as_logged(given, self._types.get(key, ())) if exported else given
            if value is None and exported:
                continue
            self._seen[key] += 1
            if isinstance(value, dict):
                self._seen.update(".".join((key, *path)) for path, _ in leaves(value))
            merge(values, self._path(key), self._number(key, value))
        if not values:
            return None
        event = history_row(values, int(step) if isinstance(step, int | float) else None)
        return event if event.values else None

    def short_of(self) -> dict[str, tuple[int, int]]:
        """Metric -> how many values W&B counts and how many came, for the metrics that came short.

        System metrics, which W&B may count among them as `system/...`, are in no row.
        """
        counts = {key: sum(types.values()) for key, types in self._types.items() if key not in INTERNAL}
        return {
            key: (count, self._seen[key])
            for key, count in counts.items()
            if self._seen[key] < count and (self._seen[key] or not key.startswith("system/"))
        }

    def _path(self, key: str) -> Path:
        if "." not in key:
            return (key,)
        if key not in self._paths:
            self._paths[key] = _nested(self._summary, key)
        return self._paths[key]

    def _number(self, key: str, value: Any) -> Any:
        if isinstance(value, dict) and "_type" not in value:
            return {name: self._number(f"{key}.{name}", item) for name, item in value.items()}
        if isinstance(value, list):
            return _numbers(value)
        if not isinstance(value, str):
            return value
        if value not in _SPECIAL:
            self._texts.add(key)
            return value
        return value if self._is_text(key) else _SPECIAL[value]

    def _is_text(self, key: str) -> bool:
        """Whether a "NaN" of this metric is a text that was logged.

        The run's process spells the last value apart in the summary that it wrote; else that of W&B's summary, or a
        text that came before, says it. What has nothing but "NaN", and of which nobody says more, is a number.
        """
        if any(kind not in ("string", "nil") for kind in self._types.get(key, ())):
            return False
        path = self._path(key)
        written, last = _at(self._uploaded, path), _at(self._summary, path)
        if isinstance(written, int | float | str):
            return isinstance(written, str)
        if isinstance(last, int | float) or (isinstance(last, str) and last not in _SPECIAL):
            return isinstance(last, str)
        return key in self._texts


def as_logged(value: Any, kinds: Collection[str]) -> Any:
    """What W&B's parquet export has of a value, as it was logged; None where there is nothing.

    A column with values of several types is a struct with a member a type, `_type_number`, of which one is not null.
    What is no scalar is a struct, whose fields are null where it has none, or JSON as bytes (base64 from wandb's core)
    or text. Source: `run_history_v3_parquet_stream_optimized.py` of wandb/weave; wandb's
    `parquet-rust-wrapper/src/serialize.rs` and `core/internal/runhistoryreader`, read at 0.28.

    kinds: the types that W&B counts of this metric; none where it does not say.
    """
    if isinstance(value, dict):
        if value and all(name.startswith(_MEMBER) for name in value):
            held = ((name.removeprefix(_MEMBER), part) for name, part in value.items() if part is not None)
            return next((as_logged(part, (kind,)) for kind, part in held), None)
        parts = {name: as_logged(part, ()) for name, part in value.items()}
        return {name: part for name, part in parts.items() if part is not None}
    if isinstance(value, list):
        return [as_logged(part, ()) for part in value]
    return _unpacked(value, kinds) if isinstance(value, str) else value


def _unpacked(text: str, kinds: Collection[str]) -> Any:
    """The JSON that a text holds, if it is one that W&B made; else the text."""
    others = [kind for kind in kinds if kind not in ("string", "nil")]
    if kinds and not others:
        return text
    spelled = text
    if text[:1] not in ("{", "["):
        try:
            spelled = base64.b64decode(text, validate=True).decode()
        except ValueError:
            return text
    try:
        value = json.loads(spelled)
    except (ValueError, RecursionError):
        return text
    if isinstance(value, dict | list):
        packed = others or spelled is not text or _is_media(value)
    else:
        packed = others and len(kinds) > 1  # a column of several types, every value of it as JSON
    return value if packed else text


def _is_media(value: Any) -> bool:
    parts = value if isinstance(value, list) else [value]
    return any(isinstance(part, dict) and isinstance(part.get("_type"), str) for part in parts)


def _nested(summary: Tree, key: str) -> Path:
    """The path of a key whose parts W&B joined with dots.

    Every metric is in the summary, under its own name: what begins as another does, and is not there itself, is below
    it. Of a metric without a summary (`define_metric(summary="none")`) nothing says it; it keeps its name.
    """
    path = _below(summary, key)
    return path if path[0] in summary else (key,)


def _below(tree: Any, key: str) -> Path:
    if not isinstance(tree, dict) or "_type" in tree:
        return tuple(key.split("."))
    if key in tree:
        return (key,)
    at = key.find(".", 1)
    while at >= 0 and key[:at] not in tree:
        at = key.find(".", at + 1)
    return (key[:at], *_below(tree[key[:at]], key[at + 1 :])) if at >= 0 else tuple(key.split("."))


def _at(tree: Tree, path: Path) -> Any:
    value: Any = tree
    for key in path:
        value = value.get(key, _ABSENT) if isinstance(value, dict) else _ABSENT
    return value


def _numbers(items: list[Any]) -> list[Any]:
    """A list whose numbers say that its "NaN" is one."""
    kinds = {isinstance(item, int | float) or (isinstance(item, str) and item in _SPECIAL) for item in items}
    if kinds != {True} or not any(isinstance(item, int | float) for item in items):
        return items
    return [_SPECIAL[item] if isinstance(item, str) else item for item in items]


def spells_specials(summary: Tree) -> bool:
    """Whether a summary of W&B's has a text that may be a NaN or an infinity."""
    return any(isinstance(value, str) and value in _SPECIAL for _, value in leaves(summary))
