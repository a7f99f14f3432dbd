"""The history of a run in W&B's cloud, as it was logged: read page by page, or from W&B's parquet exports."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from inspect import signature
from typing import Any

from ..stream.events import HistoryRow, Tree
from . import exports
from .cloud_client import asked
from .cloud_rows import LoggedRows
from .retries import Spoiled

PAGE_STEPS = 1_000
"""Steps a page of history, as wandb's client has it."""
PAGES = 2_000
"""At most so many pages of a sparse history: wandb's client asks for every range of steps, empty ones too."""
LARGEST_PAGE = 2**31 - 1
"""An `Int` of GraphQL, in which wandb's client asks for a page."""
ROWS = 10_000
"""At most so many rows are asked for in one answer."""
_NO_EXPORT = re.compile("failed to create reader|not a parquet|parquet error", re.IGNORECASE)


class CloudHistory:
    """The history of one run. Nothing is sampled."""

    def __init__(
        self,
        run: Any,
        path: str,
        summary: Tree,
        uploaded: Tree,
        *,
        on_row: Callable[[dict[str, Any], bool], None] = lambda row, exported: None,
        earlier: CloudHistory | None = None,
    ) -> None:
        """`run` is wandb's own object, `path` is `entity/project/run id`; the summaries are those of `LoggedRows`.

        `on_row` is told every row as W&B's client gives it, and whether it may be from an export. `earlier` is the same
        history as far as it had come before: what it gave does not come again.
        """
        self._on_row = on_row
        self._run = run
        self._path = path
        self._exporting = reads_exports(run)
        self._types = _types(run)
        self._rows = LoggedRows(self._types, summary, uploaded)
        self._came = 0
        """Rows that have come, those of earlier looks too."""
        self._following = 0
        """The first step that has not come."""
        if earlier is not None:
            self._came, self._following = earlier._came, earlier._following
            self._rows.take_over(earlier._rows)
        self.notices: list[str] = []
        """What a reader of the report should know; complete when the rows are read."""
        self.short: list[str] = []
        """What W&B says that it has and has not given; complete when the rows are read."""

    def rows(self) -> Iterator[HistoryRow]:
        """Every row, in order.

        Raises:
            WandbSwanError: W&B says no, or not after several tries.
        """
        lines = self._run._attrs.get("historyLineCount")
        for row, exported in self._given(lines if isinstance(lines, int) else 0):
            self._came += 1
            step = row.get("_step")
            if isinstance(step, int | float):
                self._following = int(step) + 1
            self._on_row(row, exported)
            event = self._rows.event(row, exported=exported)
            if event is not None:
                yield event
        short = isinstance(lines, int) and self._came < lines
        if short:
            self.short.append(f"W&B counts {lines:,} rows of history, its client gives {self._came:,}")
        for key, (counted, seen) in self._rows.short_of().items() if self._exporting and not short else ():
            self.notices.append(
                f"{key}: W&B counts {counted} values, its client gives {seen} (it leaves out a logged None)"
            )

    def _given(self, lines: int) -> Iterator[tuple[dict[str, Any], bool]]:
        """The rows in order of their steps, each with whether it may be from an export."""
        run, first = self._run, self._following
        if lines and lines == self._came:  # nothing has come since
            return
        last = asked(f"read the history of {self._path}", lambda: int(run.lastHistoryStep))
        if last < first:
            return
        unclear = self._exporting and lines <= ROWS and any(types.get("nil") for types in self._types.values())
        if lines and not first and (unclear or _is_vast(last)):
            whole = self._whole(lines)
            first = int(whole[0].get("_step") or 0) if whole and _is_vast(last) else 0
            if len(whole) == lines or _is_vast(last - first):
                yield from ((row, False) for row in whole)
                return
        exported: bool | None = None if self._exporting else False
        for row in self._scan(first, last):
            if exported is None:
                exported = exports.came(run.entity, run.project, run.id)
            yield row, exported

    def _whole(self, lines: int) -> list[dict[str, Any]]:
        """The history in one answer: as it was logged, so that a None is told apart from what a row has not, and
        without a page for every gap between steps. W&B gives a sample where it finds it too long."""
        count = min(lines, ROWS)
        rows = asked(f"read the history of {self._path}", lambda: self._run.history(samples=count, pandas=False))
        return sorted(rows, key=lambda row: row.get("_step") or 0)

    def _scan(self, first: int, last: int) -> Iterator[dict[str, Any]]:
        """The rows from the step `first` to `last`, page by page; after a failure it goes on behind the last one."""
        run = self._run
        page = max(PAGE_STEPS, (last + 1 - first) // PAGES)
        more: dict[str, Any] = {"use_cache": False} if self._exporting else {}
        following = first
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


def _is_vast(steps: int) -> bool:
    """Whether so many steps are more than the client can turn the pages of: nanoseconds as steps, for example."""
    return steps // PAGES >= LARGEST_PAGE


def _impatient(scan: Any) -> Any:
    """`scan` without wandb's own retries of a page, which go on for a year before 0.21: ours are bounded."""
    load: Any = getattr(scan, "_load_next", None)
    if hasattr(getattr(load, "__wrapped__", None), "__wrapped__"):  # normalize_exceptions(retriable(...))
        scan._load_next = partial(load, num_retries=0)
    return scan
