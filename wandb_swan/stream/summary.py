"""The summary at the end of a transaction log, declared values (`define_metric(summary="min")`) included."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator, Sequence
from operator import itemgetter
from typing import Any

from google.protobuf.message import DecodeError
from wandb.proto import wandb_internal_pb2 as pb

from .events import NotRead, Path, SummaryChanged
from .nested import why_not
from .plain_rows import PlainRows
from .wire import content_at

SUMMARY = 3
"""Its field number in `wandb_internal.Record`."""
_SHORT = 100
"""Bytes of a record that comes again and again, such as wandb's runtime."""
_KINDS = 500
"""Kinds of records whose last one is kept, at most."""


class LoggedSummary:
    """The summary at the end of the log. wandb's core writes the changes of every row, so only the last are decoded."""

    def __init__(self) -> None:
        self._items: dict[Path, tuple[int, str]] = {}
        """Path -> the number of the record, JSON."""
        self._records = 0
        self._not_read: list[NotRead] = []
        self._plain = PlainRows()
        self._last: dict[bytes | frozenset[Hashable], tuple[int, Sequence[Path | str], Sequence[bytes]]] = {}
        """What a record sets (its keys, or its bytes) -> of the last one: its number, paths or keys, their JSON."""

    def count(self) -> int:
        """The number of the record that has come now, for `take` later."""
        self._records += 1
        return self._records

    def comes_again(self, payload: bytes) -> bool:
        """Takes a short record that sets what one before it has set."""
        content = payload[content_at(payload) :]
        again = self._last.get(content) if len(content) < _SHORT else None
        if again is None:
            return False
        self._last[content] = self.count(), *again[1:]
        return True

    def take(self, payload: bytes, number: int = 0) -> None:
        """Takes a record, which comes now or has this `number`."""
        if not number:
            if self.comes_again(payload):
                return
            number = self.count()
        plain = self._plain.summary(payload)
        if plain is not None:
            names: Sequence[Any] = list(self._plain.paths(plain)) if self._plain.nested(plain.starts) else plain.names
            content = payload[content_at(payload) :]
            kind = content if len(content) < _SHORT else frozenset(names)
            if number > self._last.get(kind, (0,))[0]:
                self._last[kind] = number, names, plain.texts
            if len(self._last) > _KINDS:
                self._put_down()
            return
        self._put_down()
        try:
            summary = pb.Record.FromString(payload).summary
        except DecodeError as error:
            self._not_read.append(NotRead(path=("summary",), reason=f"cannot be read: {why_not(error)}"))
            return
        items = self._items
        for item in summary.remove:
            path = tuple(item.nested_key) or (item.key,)
            if path in items and items[path][0] < number:
                del items[path]
        for item in summary.update:
            self._set(tuple(item.nested_key) or (item.key,), number, item.value_json)

    def _set(self, path: Path, number: int, text: str) -> None:
        if number >= self._items.get(path, (0,))[0]:  # records that only come again are taken before others
            self._items[path] = number, text

    def _put_down(self) -> None:
        for number, names, texts in sorted(self._last.values(), key=itemgetter(0)):
            for name, text in zip(names, texts, strict=True):
                self._set((name,) if isinstance(name, str) else name, number, text.decode())
        self._last.clear()

    def events(self) -> Iterator[SummaryChanged | NotRead]:
        self._put_down()
        update = []
        # The latest last: it wins over what lies above or below it in the tree.
        for path, (_, text) in sorted(self._items.items(), key=lambda item: item[1][0]):
            try:
                update.append((path, json.loads(text)))
            except (ValueError, RecursionError) as error:
                self._not_read.append(NotRead(path=path, reason=f"cannot be read: {why_not(error)}"))
        yield from self._not_read
        yield SummaryChanged(update=tuple(update), whole=True)
