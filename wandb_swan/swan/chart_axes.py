"""`define_metric`: which metrics are hidden, and what their charts have as X axis."""

from __future__ import annotations

from ..stream.events import MetricDefined, Path
from .limits import KeyNames
from .sdk.writer import Writer

_OWN_AXES = frozenset({"_step", "_relative_time"})
"""Axes that SwanLab has by itself."""


class ChartAxes:
    """The definitions of one run. A definition of a name comes before one of a glob, a longer glob before a shorter."""

    def __init__(self, names: KeyNames) -> None:
        self._names = names
        self._rules: dict[str, MetricDefined] = {}

    def define(self, event: MetricDefined) -> None:
        self._rules[event.name] = event

    def declare(self, path: Path, key: str, writer: Writer) -> None:
        """Declares a metric's column where something was defined of it, before its first value."""
        rule = self._rule(".".join(path))
        if rule is None:
            return
        axis = rule.step_metric
        if axis and axis not in _OWN_AXES:
            dotted = tuple(axis.split("."))
            axis = self._names.name(dotted, "scalar") if dotted != path else key
        if axis or rule.hidden:
            writer.column(key, axis, hidden=rule.hidden)

    def _rule(self, dotted: str) -> MetricDefined | None:
        exact = self._rules.get(dotted)
        if exact is not None:
            return exact
        globs = (rule for name, rule in self._rules.items() if name.endswith("*") and dotted.startswith(name[:-1]))
        return max(globs, key=lambda rule: len(rule.name), default=None)
