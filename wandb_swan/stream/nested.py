"""Trees of JSON values: how wandb sets, removes and walks what is nested."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

Path = tuple[str, ...]
"""Where a value is in a nested dict: the keys from the top."""

Tree = dict[str, Any]
"""A nested dict whose leaves are JSON values other than dicts. Empty dicts do not occur in it."""

DEEPEST = 200
"""Levels of nesting, above which a value counts as unreadable: whoever walks a tree does so by recursion."""


class UnreadableError(ValueError):
    """A value that is not taken apart; its text says why, in the same words for every value of its sort."""


def why_not(error: Exception) -> str:
    """Why a value cannot be read, in the same words for every value of its sort."""
    if isinstance(error, UnreadableError):
        return str(error)
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return "no JSON" if isinstance(error, json.JSONDecodeError) else type(error).__name__


def merge(tree: Tree, path: Path, value: Any) -> None:
    """Sets a value as history does, dicts leaf by leaf: they merge with what is there, and empty ones vanish.

    Raises:
        ValueError: nested more than `DEEPEST` levels deep.
    """
    if isinstance(value, dict):
        for key, item in value.items():
            merge(tree, (*path, key), item)
        return
    if len(path) > DEEPEST:
        raise UnreadableError("nested too deeply")
    replace(tree, path, value)


def replace(tree: Tree, path: Path, value: Any) -> None:
    """Sets a value whole, as config and summary do: a dict replaces what was there."""
    for key in path[:-1]:
        below = _inside(tree, key)
        if below is None:
            below = tree[key] = {}
        tree = below
    tree[path[-1]] = value


def remove(tree: Tree, path: Path) -> None:
    """Takes out what is at a path, if anything is."""
    for key in path[:-1]:
        below = _inside(tree, key)
        if below is None:
            return
        tree = below
    tree.pop(path[-1], None)


def _inside(tree: Tree, key: str) -> Tree | None:
    """The dict under a key, to be changed: a copy is put in the place of one that an event holds."""
    below = tree.get(key)
    if type(below) is dict or below is None:
        return below
    if not isinstance(below, dict):
        return None
    tree[key] = copied = dict(below)
    return copied


def leaves(tree: Mapping[str, Any], above: Path = (), *, empty: bool = False) -> Iterator[tuple[Path, Any]]:
    """Every leaf of a tree with its path; `empty`: a dict without keys is one."""
    for key, value in tree.items():
        if isinstance(value, dict) and (value or not empty):
            yield from leaves(value, (*above, key), empty=empty)
        else:
            yield (*above, key), value


def spelled(value: Any) -> str:
    """A value that is no scalar as JSON, the same from a journal and from wandb's log.

    wandb's core (0.19 to 0.31) writes a 1.0 in a list as 1, and an int beyond 64 bits as a float.
    """
    return json.dumps(_respelled(value), ensure_ascii=False)


def alike(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same: NaN is NaN, 1.0 is 1, keys have no order (the core changes it)."""
    return json.dumps(_respelled(one), sort_keys=True) == json.dumps(_respelled(other), sort_keys=True)


def _respelled(value: Any) -> Any:
    if isinstance(value, list):
        return [_respelled(item) for item in value]
    if isinstance(value, dict):
        return {key: _respelled(item) for key, item in value.items()}
    if isinstance(value, float) and value.is_integer() and abs(value) <= 2**53:
        return int(value)
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    return value
