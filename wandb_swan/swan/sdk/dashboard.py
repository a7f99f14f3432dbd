"""What SwanLab's local dashboard (`swanlab watch`) is told of a run, so that it shows what it can draw, as it is."""

from __future__ import annotations

import logging
from typing import Any

from .session import Session

log = logging.getLogger("wandb_swan")

_TEXT = 4
"""SwanLab's type of a text column (`ColumnType`)."""


def mend(session: Session) -> None:
    """Mends what SwanLab tells its dashboard; nothing of it is in the run's store. Before the first value.

    Source: SwanLab 0.8 to 0.10, `deprecated/local.py`, with swanboard 0.1.10b2, neither of which is looked after.
    """
    for callback in getattr(session.callbacks, "registered_callbacks", ()):
        if type(callback).__name__ != "LocalCallbacker":
            continue
        try:
            _mend(callback)
        except (AttributeError, TypeError) as error:
            log.warning("SwanLab's local dashboard is told of the run in another way: %s", error)


def _mend(callback: Any) -> None:
    drawn, tell = callback._COLUMN_TYPE_MAP, callback.on_media_flush
    if callback._next_kid == 1 and not callback._metrics:
        # The dashboard's table of runs takes a metric's place in the list, from 0, for the name of its folder: with
        # folders from 1, and some for metrics that are in no list, each column has the value of the one before.
        callback._next_kid = 0

    def tell_drawn(records: list[Any], *args: Any, **named: Any) -> None:
        shown = [_with_caption(record) for record in records if int(record.type) in drawn]
        if shown:
            tell(shown, *args, **named)

    callback.on_media_flush = tell_drawn


def _with_caption(record: Any) -> Any:
    """The record; a text with a caption, since the dashboard's card of texts stays blank if one has none."""
    if int(record.type) != _TEXT or all(item.caption for item in record.value.items):
        return record
    told = type(record)()
    told.CopyFrom(record)
    for item in told.value.items:
        item.caption = item.caption or " "
    return told
