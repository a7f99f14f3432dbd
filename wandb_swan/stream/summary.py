"""The summary at the end of a transaction log, declared values (`define_metric(summary="min")`) included."""

from __future__ import annotations

import json
from collections.abc import Iterator

from google.protobuf.message import DecodeError
from wandb.proto import wandb_internal_pb2 as pb

from .events import NotRead, Path, SummaryChanged
from .nested import why_not

SUMMARY = 3
"""Its field number in `wandb_internal.Record`."""


class LoggedSummary:
    """The summary at the end of the log. wandb's core writes the changes of every row, so only the last are decoded."""

    def __init__(self) -> None:
        self._items: dict[Path, tuple[int, str]] = {}
        self._records = 0
        self._not_read: list[NotRead] = []

    def take(self, payload: bytes) -> None:
        try:
            summary = pb.Record.FromString(payload).summary
        except DecodeError as error:
            self._not_read.append(NotRead(path=("summary",), reason=f"cannot be read: {why_not(error)}"))
            return
        self._records += 1
        items, number = self._items, self._records
        for item in summary.remove:
            items.pop(tuple(item.nested_key) or (item.key,), None)
        for item in summary.update:
            items[tuple(item.nested_key) or (item.key,)] = number, item.value_json

    def events(self) -> Iterator[SummaryChanged | NotRead]:
        update = []
        # The latest last: it wins over what lies above or below it in the tree.
        for path, (_, text) in sorted(self._items.items(), key=lambda item: item[1][0]):
            try:
                update.append((path, json.loads(text)))
            except (ValueError, RecursionError) as error:
                self._not_read.append(NotRead(path=path, reason=f"cannot be read: {why_not(error)}"))
        yield from self._not_read
        yield SummaryChanged(update=tuple(update), whole=True)
