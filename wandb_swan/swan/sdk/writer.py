"""How values reach a SwanLab run: its core in batches where this SwanLab has that, else the public `run.log`.

`run.log` keeps every value; what it cannot keep (times, console lines, chart axes) is counted.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any, Protocol

from . import capabilities
from .capabilities import found
from .core_writer import CoreWriter
from .log_writer import LogWriter
from .session import Session

log = logging.getLogger("wandb_swan")


class Writer(Protocol):
    """Takes values in any order; `timestamp` is seconds since the epoch, 0.0 means now."""

    losses: Counter[tuple[str, str]]
    """(key, reason) -> how many values SwanLab has not got as they were."""
    failure: str | None
    """Why SwanLab's store of the run is not whole, as far as that is noticed."""
    skip_lines: int
    """Console lines that the run has from an earlier try: unlike points, SwanLab would append them again."""

    def scalar(self, key: str, step: int, timestamp: float, number: float) -> None: ...

    def row(self, keys: Sequence[str], step: int, timestamp: float, numbers: Sequence[float]) -> None:
        """The numbers of one step."""

    def rows(
        self,
        keys: Sequence[str],
        steps: Sequence[int],
        timestamps: Sequence[float],
        columns: Sequence[Sequence[float]],
    ) -> None:
        """The numbers of several steps; a column has those of one key."""

    def media(self, key: str, step: int, timestamp: float, items: list[Any]) -> int:
        """Returns how many of the items SwanLab takes."""

    def column(self, key: str, x_axis: str, *, hidden: bool) -> None:
        """Declares a scalar metric before its first value, with its chart axis."""

    def console(self, line: str, timestamp: float, *, error: bool) -> bool:
        """Returns whether SwanLab has the line."""

    def flush(self) -> None: ...


def writer_for(session: Session, *, bulk: bool = False) -> Writer:
    """The best writer for this run: CoreWriter where SwanLab has what it needs, else LogWriter.

    With `bulk`, BulkWriter before them: for an offline run of our own, of which the store is all that there is.
    """
    if bulk:
        from .bulk import BulkWriter

        try:
            return BulkWriter(session)
        except (ImportError, AttributeError, TypeError, ValueError) as error:
            log.warning("this SwanLab's store has another form (%s): points are written one by one", error)
            found.lack(capabilities.BULK_ENCODING, why=error)
    try:
        return CoreWriter(session)
    except (ImportError, AttributeError, TypeError) as error:
        log.warning("this SwanLab takes no batches (%s): values go through run.log, without their own times", error)
        found.lack(capabilities.POINT_TIMES, capabilities.CONSOLE_LINES, capabilities.CHART_AXES, why=error)
    return LogWriter(session.run)
