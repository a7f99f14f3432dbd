"""The step rule: which calls of `log()` make which row, at which step.

Source: wandb's core, `core/internal/stream/handler.go` (`handlePartialHistorySync`, `handlePartialHistoryAsync`,
`flushPartialHistory`, `handleExit`), `core/internal/pathtree` (how dicts merge) and `core/internal/runmetric`
(`UpdateMetrics`, `InsertStepMetrics`: the `step_sync` of `define_metric`), read at 0.31:

    current = the run's starting step
    on partial(items, step?, flush?):
        if step given and step > current:  commit(next=step)
        if step given and step < current:  drop the items
        merge the items into the current row (later value of a key wins)
        if flush is true, or flush is absent and step is absent:  commit(next=current+1)
    commit(next): an empty row is not emitted; current = next
    at exit: commit what is left

In shared mode (several processes, one run) steps are ignored and rows have none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import Any, Protocol

from .events import Event, HistoryRow, HistoryRows, Path, RowDropped, Tree
from .nested import leaves, merge

INTERNAL = frozenset({"_step", "_runtime", "_timestamp", "_wandb"})
"""Top-level keys that wandb adds to a row; they are no metrics."""


class Axes(Protocol):
    """What `define_metric` has said, and the latest values that rows which lack them get."""

    def define(self, name: str, step_metric: str, *, step_sync: bool, overwrite: bool) -> None: ...

    def insert_into(self, row: Tree) -> None: ...


class Steps:
    """Turns partial history into rows. One instance a run."""

    def __init__(self, starting_step: int = 0, *, shared: bool = False) -> None:
        self.current = starting_step
        self._shared = shared
        self._row: Tree = {}
        self._axes: Axes = StepMetrics()

    def define(self, name: str, step_metric: str, *, step_sync: bool, overwrite: bool) -> None:
        """Takes a `define_metric`: from now on rows with `name` carry the latest value of `step_metric`."""
        self._axes.define(name, step_metric, step_sync=step_sync, overwrite=overwrite)

    def partial(
        self, items: Tree | Iterable[tuple[Path, Any]], step: int | None = None, flush: bool | None = None
    ) -> Iterator[Event]:
        """One call of `log()`: values by path, or by key where none is nested. Yields the rows that it commits, or the
        RowDropped."""
        if self._shared:
            step, flush = None, flush is None or flush
        if step is not None and step > self.current:
            yield from self._emit()
            self.current = step
        elif step is not None and step < self.current:
            names = items if isinstance(items, dict) else (path[0] for path, _ in items)
            keys = tuple(dict.fromkeys(name for name in names if name not in INTERNAL))
            yield RowDropped(step=step, current=self.current, keys=keys)
            return
        if isinstance(items, dict):
            self._row.update(items)
        else:
            self._add(items)
        if flush or (flush is None and step is None):
            yield from self._next()

    def finish(self) -> Iterator[Event]:
        """The run's exit."""
        yield from self._next()

    def _add(self, items: Iterable[tuple[Path, Any]]) -> None:
        for path, value in items:
            merge(self._row, path, value)

    def _next(self) -> Iterator[HistoryRow]:
        """Ends the row; the next one has the next step."""
        yield from self._emit()
        self.current += 1

    def _emit(self) -> Iterator[HistoryRow]:
        row, self._row = self._row, {}
        if row:
            self._axes.insert_into(row)
            yield history_row(row, None if self._shared else self.current)


def history_row(row: Tree, step: int | None) -> HistoryRow:
    """The event for a whole row. Takes wandb's internal keys out of `row`."""
    return HistoryRow(step=step, timestamp=_time_of(row), values=row)


def history_rows(rows: Iterable[tuple[Tree, int | None]]) -> Iterator[HistoryRow | HistoryRows]:
    """The same of rows of numbers that came one after the other, with their steps: those of the same keys together."""
    held: list[Tree] = []
    steps: list[int] = []
    times: list[float] = []

    def taken() -> HistoryRows:
        columns = tuple(tuple(map(itemgetter(key), held)) for key in held[0])
        event = HistoryRows(keys=tuple(held[0]), steps=tuple(steps), timestamps=tuple(times), columns=columns)
        for column in (held, steps, times):
            column.clear()
        return event

    for row, step in rows:
        time = _time_of(row)
        if held and (step is None or step <= steps[-1] or row.keys() != held[0].keys()):
            yield taken()
        if step is None:
            yield HistoryRow(step=None, timestamp=time, values=row)
            continue
        held.append(row)
        steps.append(step)
        times.append(time)
    if held:
        yield taken()


def _time_of(row: Tree) -> float:
    """When a row was logged, seconds since the epoch, 0.0 if it does not say. Takes wandb's internal keys out of it."""
    timestamp = row.get("_timestamp")
    for key in INTERNAL:
        row.pop(key, None)
    return float(timestamp) if isinstance(timestamp, int | float) and 0 < timestamp < 1e11 else 0.0


class StepMetrics:
    """`step_sync`: the latest value of a step metric goes into rows that lack it.

    Where several globs match a key, wandb's core takes one at random (the order of a Go map); we take the first.
    """

    def __init__(self) -> None:
        self._exact: dict[str, tuple[str, bool]] = {}
        self._globs: dict[str, tuple[str, bool]] = {}
        self._latest: dict[str, float | int] = {}

    def define(self, name: str, step_metric: str, *, step_sync: bool, overwrite: bool) -> None:
        if step_metric:
            self._latest.setdefault(step_metric, 0)
        if not name:
            return
        rules = self._globs if name.endswith("*") else self._exact
        axis, sync = ("", False) if overwrite else rules.get(name, ("", False))
        rules[name] = (step_metric or axis, sync or step_sync)

    def insert_into(self, row: Tree) -> None:
        if not self._latest:
            return
        for axis in self._latest:
            value = _number_at(row, axis)
            if value is not None:
                self._latest[axis] = value
        for path, _ in list(leaves(row)):
            axis, sync = self._rule(".".join(path))
            if axis and sync and axis in self._latest and not _leaf_exists(row, axis):
                merge(row, tuple(axis.split(".")), float(self._latest[axis]))

    def _rule(self, key: str) -> tuple[str, bool]:
        rule = self._exact.get(key)
        if rule is None:
            if key.startswith("_"):
                return "", False
            rule = next((rule for glob, rule in self._globs.items() if key.startswith(glob[:-1])), ("", False))
            if rule[0]:
                self._exact[key] = rule
        return rule


def _at(row: Tree, dotted: str) -> Any:
    value: Any = row
    for key in dotted.split("."):
        if not isinstance(value, dict) or key not in value:
            return _MISSING
        value = value[key]
    return value


def _number_at(row: Tree, dotted: str) -> float | int | None:
    value = _at(row, dotted)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _leaf_exists(row: Tree, dotted: str) -> bool:
    value = _at(row, dotted)
    return value is not _MISSING and not isinstance(value, dict)


_MISSING = object()
