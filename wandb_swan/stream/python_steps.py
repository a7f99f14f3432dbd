"""The step rule of wandb's Python core: all there is up to 0.16, the default in 0.17, by `legacy-service` up to 0.20.

Source: `wandb/sdk/internal/handler.py` (`handle_request_partial_history`, `_flush_partial_history`, `_history_update`,
`_update_summary_leaf`, `_handle_defined_metric`), read at 0.13.11, 0.15.12 and 0.17.9; otherwise than in `steps`,

- a call of `log()` replaces what the row has under its top-level keys, dicts too, and merges nothing;
- an empty row takes no step;
- `step_sync` knows the latest value of a step metric once one was logged in an earlier row, whatever it is, and of
  top-level keys alone; a dot in the name of a key is not the one between nested keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from .events import HistoryRow, Path, Tree
from .steps import Steps, history_row


class PythonSteps(Steps):
    """Turns partial history into rows as wandb's Python core does. One instance a run."""

    def __init__(self, starting_step: int = 0) -> None:
        super().__init__(starting_step)
        self._axes = _Axes()

    def _add(self, items: Iterable[tuple[Path, Any]]) -> None:
        call: Tree = {}
        for path, value in items:
            place = call
            for key in path[:-1]:
                place = place.setdefault(key, {})
            place[path[-1]] = value
        self._row.update(call)

    def _next(self) -> Iterator[HistoryRow]:
        if self._row:
            yield from super()._next()

    def _emit(self) -> Iterator[HistoryRow]:
        row, self._row = self._row, {}
        if row:
            self._axes.insert_into(row)
            yield history_row(row, self.current)


class _Axes:
    """What `define_metric` has said, and the latest values that it may ask for."""

    def __init__(self) -> None:
        self._exact: dict[str, tuple[str, bool]] = {}
        self._globs: dict[str, tuple[str, bool]] = {}
        self._latest: dict[str, Any] = {}

    def define(self, name: str, step_metric: str, *, step_sync: bool, overwrite: bool) -> None:
        rules = self._globs if name.endswith("*") else self._exact
        axis, sync = ("", False) if overwrite else rules.get(name, ("", False))
        rules[name] = (step_metric or axis, sync or step_sync)
        if rules is self._exact:
            self._know(rules[name][0])

    def insert_into(self, row: Tree) -> None:
        more: Tree = {}
        if self._exact or self._globs:
            for key, value in row.items():
                for name in _names(key, value):
                    axis, sync = self._rule(name)
                    if sync and axis and axis not in row and axis in self._latest:
                        more[axis] = self._latest[axis]
        row.update(more)
        if self._exact:
            self._latest.update((key, value) for key, value in row.items() if not _is_tree(value))

    def _rule(self, name: str) -> tuple[str, bool]:
        if name in self._exact:
            return self._exact[name]
        glob = None if name.startswith("_") else next((one for one in self._globs if name.startswith(one[:-1])), None)
        if glob is None:
            return "", False
        rule = self._exact[name] = self._globs[glob]
        self._know(rule[0])
        return rule

    def _know(self, axis: str) -> None:
        if axis:
            self._exact.setdefault(axis, ("", False))


def _names(key: str, value: Any) -> Iterator[str]:
    """The names by which rules know the leaves of a value; media are dicts like any other here."""
    name = key.replace(".", "\\.")
    if not isinstance(value, dict):
        yield name
        return
    for inner, item in value.items():
        for rest in _names(inner, item):
            yield f"{name}.{rest}"


def _is_tree(value: Any) -> bool:
    return isinstance(value, dict) and "_type" not in value
