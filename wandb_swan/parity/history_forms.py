"""A second reading of the forms in which W&B's server has what is in a history: exports, nested keys, NaN as text.

It shares nothing with `sources.cloud_rows`; where that decides row by row, this may look at the whole history.
"""

from __future__ import annotations

import binascii
import json
from collections.abc import Iterator, Mapping
from typing import Any

from ..stream.nested import Path, Tree

SPELLED = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
"""How W&B spells what JSON has no number for; they may be texts too."""
_SCALARS = {"string", "nil"}


def kinds_of(attributes: Mapping[str, Any]) -> dict[str, set[str]]:
    """Key of the history -> what W&B says that it holds (`historyKeys`); empty where it says nothing."""
    found: dict[str, set[str]] = {}
    for key, about in ((attributes.get("historyKeys") or {}).get("keys") or {}).items():
        found[key] = {str(counted["type"]) for counted in (about or {}).get("typeCounts") or [] if counted.get("type")}
    return found


def from_export(value: Any, kinds: set[str]) -> Any:
    """A value of a parquet export without the wrappings of the export; None: nothing was logged.

    An export has a member for every type of a column (`_type_...`), null where a struct lacks a field, and JSON in
    bytes, which reach us as base64, or in texts.
    """
    if isinstance(value, str):
        if kinds and kinds <= _SCALARS:
            return value
        return _from_json(value, kinds)
    if isinstance(value, list):
        return [from_export(item, set()) for item in value]
    if not isinstance(value, dict):
        return value
    if value and not any(not key.startswith("_type_") for key in value):
        for key in value:
            if value[key] is not None:
                return from_export(value[key], {key[len("_type_") :]})
        return None
    found = {}
    for key in value:
        inner = from_export(value[key], set())
        if inner is not None:
            found[key] = inner
    return found


def _from_json(text: str, kinds: set[str]) -> Any:
    bare = text.startswith(("{", "["))
    try:
        packed = text.encode() if bare else _bytes_of(text)
        value = json.loads(packed.decode())
    except (ValueError, RecursionError):
        return text
    known = bool(kinds - _SCALARS)
    if type(value) in (dict, list):
        if known or not bare:
            return value
        members = [value] if isinstance(value, dict) else value
        return value if [1 for member in members if isinstance(member, dict) and "_type" in member] else text
    return value if known and len(kinds) > 1 else text


def _bytes_of(text: str) -> bytes:
    """Raises ValueError where it is no base64."""
    found = binascii.a2b_base64(text.encode("ascii"))
    if binascii.b2a_base64(found, newline=False).decode() != text:
        raise ValueError("not the base64 of anything")
    return found


class Keys:
    """Where the keys of a history are, which W&B joins with dots: its summary has every metric under its name."""

    def __init__(self, summary: Tree) -> None:
        self._top = set(summary)
        self._known = dict(_places(summary, ()))

    def path(self, key: str) -> Path:
        """The path of a key: what the summary has not is below the deepest that it begins with."""
        if key in self._top:
            return (key,)
        cut = len(key)
        while cut > 0:
            if key[:cut] in self._known:
                return (*self._known[key[:cut]], *key[cut + 1 :].split(".")) if cut < len(key) else self._known[key]
            cut = key.rfind(".", 0, cut)
        return (key,)


def _places(tree: Tree, above: Path) -> Iterator[tuple[str, Path]]:
    for key, value in tree.items():
        yield ".".join((*above, key)), (*above, key)
        if isinstance(value, dict) and "_type" not in value:
            yield from _places(value, (*above, key))


def at(tree: Any, path: Path) -> Any:
    """What a tree has at a path; None if nothing."""
    for key in path:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree


def listed(items: list[Any]) -> list[Any]:
    """A list in which numbers and W&B's spellings of numbers alone stand, the spellings as numbers."""
    read = [SPELLED.get(item) if isinstance(item, str) else item for item in items]
    numbers = [item for item in items if isinstance(item, int | float)]
    return read if numbers and all(isinstance(item, int | float) for item in read) else items
