"""The history of a run in W&B's cloud, as it was logged: read page by page, or from W&B's parquet exports."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from inspect import signature
from typing import Any

from ..stream.events import HistoryRow, Path, Tree
from ..stream.nested import leaves, merge
from ..stream.steps import INTERNAL, history_row
from .cloud_client import asked
from .downloads import Spoiled

PAGE_STEPS = 1_000
"""Steps a page of history, as wandb's client has it."""
PAGES = 2_000
"""At most so many pages of a sparse history: wandb's client asks for every range of steps, empty ones too."""
_NO_EXPORT = re.compile("failed to create reader|not a parquet|parquet error", re.IGNORECASE)
_SPECIAL = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


class CloudHistory:
    """The history of one run. Nothing is sampled."""

    def __init__(
        self, run: Any, path: str, summary: Tree, *, on_row: Callable[[dict[str, Any]], None] = lambda row: None
    ) -> None:
        """`run` is wandb's own object, `path` is `entity/project/run id`; `summary` says which keys are nested.

        `on_row` is told every row as W&B's client gives it.
        """
        self._on_row = on_row
        self._run = run
        self._path = path
        self._summary = summary
        self.notices: list[str] = []
        """What a reader of the report should know; complete when the rows are read."""
        self.short: list[str] = []
        """What W&B says that it has and has not given; complete when the rows are read."""

    def rows(self) -> Iterator[HistoryRow]:
        """Every row, in order.

        Raises:
            WandbSwanError: W&B says no, or not after several tries.
        """
        run = self._run
        rows = _Rows(self._summary, only_texts(run), absent_is_null=reads_exports(run))
        came = 0
        for row in self._scan(run):
            came += 1
            self._on_row(row)
            event = rows.event(row)
            if event is not None:
                yield event
        lines = run._attrs.get("historyLineCount")
        short = isinstance(lines, int) and came < lines
        if short:
            self.short.append(f"W&B counts {lines:,} rows of history, its client gives {came:,}")
        for key, (counted, seen) in rows.short_of(_counts(run)).items() if not short else ():
            self.notices.append(
                f"{key}: W&B counts {counted} values, its client gives {seen} (it leaves out a logged None)"
            )

    def _scan(self, run: Any) -> Iterator[dict[str, Any]]:
        """The rows in order of their steps; after a failure it goes on behind the last one."""
        last = asked(f"read the history of {self._path}", lambda: int(run.lastHistoryStep))
        if last < 0:
            return
        page = max(PAGE_STEPS, (last + 1) // PAGES)
        more: dict[str, Any] = {"use_cache": False} if reads_exports(run) else {}
        following = 0
        scan: Any = None

        def next_row() -> dict[str, Any] | None:
            nonlocal scan
            try:
                if scan is None:
                    scan = iter(_impatient(run.scan_history(page_size=page, min_step=following, **more)))
                return next(scan, None)
            except Exception as error:
                scan = None
                if _NO_EXPORT.search(str(error)):  # wandb keeps whatever comes from its address: a 403, a login page
                    raise Spoiled("what its address gives is no export of a history") from error
                raise

        while True:
            row = asked(f"read the history of {self._path}", next_row)
            if row is None:
                return
            step = row.get("_step")
            if isinstance(step, int | float):
                if step < following:  # the client gives the row between export and live data twice (seen at 0.31)
                    continue
                following = int(step) + 1
            yield row


class _Rows:
    """Makes W&B's rows those that were logged.

    W&B spells NaN and the infinities as text, and nested keys with dots. Such a text is taken for a number unless
    W&B says that its metric has nothing but texts; a dotted key for a nested one where the summary has it nested. In
    the parquet export a key that a row does not have is null.
    """

    def __init__(self, summary: Tree, texts: set[str], *, absent_is_null: bool) -> None:
        self._nested = {
            ".".join(path): path for path, _ in leaves(summary) if len(path) > 1 and ".".join(path) not in summary
        }
        self._texts = texts
        self._absent_is_null = absent_is_null
        self._seen: Counter[str] = Counter()

    def event(self, row: dict[str, Any]) -> HistoryRow | None:
        step = row.get("_step")
        values: Tree = {}
        for key, value in row.items():
            if value is None and self._absent_is_null:
                continue
            self._seen[key] += 1
            if isinstance(value, dict):
                self._seen.update(".".join((key, *path)) for path, _ in leaves(value))
            path: Path = self._nested.get(key) or (key,)
            merge(values, path, self._number(key, value))
        if not values:
            return None
        event = history_row(values, int(step) if isinstance(step, int | float) else None)
        return event if event.values else None

    def short_of(self, counts: dict[str, int]) -> dict[str, tuple[int, int]]:
        """Metric -> how many values W&B counts and how many came, for the metrics that came short."""
        return {
            key: (count, self._seen[key])
            for key, count in counts.items()
            if self._absent_is_null and self._seen[key] < count and key not in INTERNAL
        }

    def _number(self, key: str, value: Any) -> Any:
        if isinstance(value, dict) and "_type" not in value:
            return {name: self._number(f"{key}.{name}", item) for name, item in value.items()}
        if isinstance(value, str):
            return _SPECIAL.get(value, value) if key not in self._texts else value
        return value


def reads_exports(run: Any) -> bool:
    """Whether this client reads a history from parquet exports (0.27 and later)."""
    return "use_cache" in signature(run.scan_history).parameters


def _types(run: Any) -> dict[str, dict[str, int]]:
    """Metric -> type -> how many values of it W&B has."""
    keys = (run._attrs.get("historyKeys") or {}).get("keys") or {}
    return {
        key: {str(count.get("type")): int(count.get("count") or 0) for count in (counted or {}).get("typeCounts") or ()}
        for key, counted in keys.items()
    }


def only_texts(run: Any) -> set[str]:
    """The metrics that W&B has seen no other type of than text."""
    return {key for key, types in _types(run).items() if set(types) == {"string"}}


def _counts(run: Any) -> dict[str, int]:
    return {key: sum(types.values()) for key, types in _types(run).items()}


def _impatient(scan: Any) -> Any:
    """`scan` without wandb's own retries of a page, which go on for a year before 0.21: ours are bounded."""
    load: Any = getattr(scan, "_load_next", None)
    if hasattr(getattr(load, "__wrapped__", None), "__wrapped__"):  # normalize_exceptions(retriable(...))
        scan._load_next = partial(load, num_retries=0)
    return scan
