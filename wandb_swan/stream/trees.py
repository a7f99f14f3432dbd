"""Trees of JSON values: how wandb sets, removes and walks what is nested."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .events import ConfigChanged, Path, SummaryChanged, Tree

DEEPEST = 200
"""Levels of nesting, above which a value counts as unreadable: whoever walks a tree does so by recursion."""


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
        raise ValueError("nested too deeply")
    replace(tree, path, value)


def replace(tree: Tree, path: Path, value: Any) -> None:
    """Sets a value whole, as config and summary do: a dict replaces what was there."""
    for key in path[:-1]:
        below = tree.get(key)
        if not isinstance(below, dict):
            below = tree[key] = {}
        tree = below
    tree[path[-1]] = value


def remove(tree: Tree, path: Path) -> None:
    """Takes out what is at a path, if anything is."""
    for key in path[:-1]:
        below = tree.get(key)
        if not isinstance(below, dict):
            return
        tree = below
    tree.pop(path[-1], None)


def apply(tree: Tree, event: ConfigChanged | SummaryChanged) -> None:
    """Applies a change of the config or the summary."""
    for path in event.remove:
        remove(tree, path)
    for path, value in event.update:
        replace(tree, path, value)


def leaves(tree: Tree, above: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every leaf of a tree with its path."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value, (*above, key))
        else:
            yield (*above, key), value
