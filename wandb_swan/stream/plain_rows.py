"""Rows of plain values taken from a record's bytes at once; protobuf reads every record that is not quite plain.

protobuf makes several Python objects of each value. Most rows are numbers under the same few keys, and the bytes before
a number come again and again: they are parsed by protobuf once, and looked up from then on. What is looked up says how
long the value behind it is, so a row is taken only if every length in it is right and no byte is left over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple

from pydantic_core import from_json
from wandb.proto import wandb_internal_pb2 as pb

from .frozen import NUMBERS
from .nested import Path, Tree

_VARINT = rb"[\x80-\xff]{0,4}[\x00-\x7f]"
_NUM = rb"(?:\x08[\x80-\xff]{0,9}[\x00-\x7f])?"
_HISTORY = re.compile(_NUM + rb"\x12(" + _VARINT + rb")")
"""Record.num, Record.history = 2: as wandb's core writes them to its log."""
_PARTIAL = re.compile(_NUM + rb"(?:\x82\x01\x02\x10\x01)?\xa2\x06(" + _VARINT + rb")\x52(" + _VARINT + rb")")
"""Record.control = 16 {local: true}, Record.request = 100, Request.partial_history = 10: as the tap sees them."""
_SUMMARY = re.compile(_NUM + rb"\x1a(" + _VARINT + rb")")
"""Record.num, Record.summary = 3, whose items have the same form."""
_ITEM = re.compile(rb'(?s)(\n...[^\x01]{1,124}\x01.)([-+.0-9eE]+|NaN|-?Infinity|true|false|null|"[^"\\\x00-\x1f]*")')
"""An item up to its value (the field of its length, its key, the field and length of its JSON), and a short value."""
_BEHIND = re.compile(rb"(?s)(\x12(?:\x00|(.)\x08([\x80-\xff]{0,7}[\x00-\x7f])))?(\x1a(?:\x00|\x02\x08([\x00\x01])))?")
"""Behind the items: HistoryStep = 2 {num}, and of a partial row HistoryAction = 3 {flush}."""
_LONGEST = 1 << 20
"""Bytes of a record that is looked at: a row of that many is no plain one."""
_LAST = itemgetter(-1)
_KNOWN = 50_000
"""Beginnings of items that are kept, at most."""


class PlainRow(NamedTuple):
    """One row, or one call of `log()`."""

    values: Tree | list[tuple[Path, Any]]
    """By key; where some key is nested, each value with its path, in order. None of them is a dict or a list."""
    step: int | None
    flush: bool | None
    """What a partial row says of its end."""


class PlainItems(NamedTuple):
    """Items of a record."""

    starts: tuple[bytes, ...]
    """Their bytes up to their values."""
    names: list[str]
    """Their keys, or the first parts of them."""
    texts: tuple[bytes, ...]
    """Their values as JSON."""
    end: int
    """Where in the record they end."""


class PlainRows:
    """Reads the rows of one log."""

    def __init__(self) -> None:
        self._keys: dict[bytes, str] = {}
        """Beginning of an item -> its key, or the first part of one that is nested."""
        self._nested: dict[bytes, Path] = {}
        """Those whose keys have several parts."""

    def history(self, payload: bytes) -> PlainRow | None:
        """The row of a history record; None: protobuf has to read it."""
        head = _HISTORY.match(payload)
        if head is None or head.end() + _integer(head[1]) != len(payload):
            return None
        row = self._row(payload, head.end())
        return row if row is not None and row.flush is None else None

    def histories(self, payloads: Sequence[bytes]) -> list[tuple[Tree, int | None]] | None:
        """The rows of history records, of numbers under keys that are not nested; None: read each by itself."""
        found, begins = [], []
        for payload in payloads:
            head = _HISTORY.match(payload)
            if head is None or head.end() + _integer(head[1]) != len(payload) or len(payload) > _LONGEST:
                return None
            begins.append(head.end())
            found.append(_ITEM.findall(payload, head.end()))
        names, values = self._numbers([*chain.from_iterable(found)])
        if not values:
            return None
        rows, at = [], 0
        for payload, begin, items in zip(payloads, begins, found, strict=True):
            behind = self._behind(payload, begin + len(b"".join(chain.from_iterable(items))))
            if behind is None or behind[1] is not None or not items:
                return None
            end = at + len(items)
            rows.append((dict(zip(names[at:end], values[at:end], strict=True)), behind[0]))
            at = end
        return rows

    def _numbers(self, items: list[tuple[bytes, bytes]]) -> tuple[list[str], list[float]]:
        """The keys and values of items; none where they are something else than numbers under single keys."""
        if not items:
            return [], []
        starts, texts = zip(*items, strict=True)
        names = self._names(starts)
        if names is None or bytes(map(len, texts)) != bytes(map(_LAST, starts)):
            return [], []
        if self.nested(starts):
            return [], []
        try:
            values = from_json(b"[%b]" % b",".join(texts))
        except ValueError:
            return [], []
        if len(values) != len(texts) or not NUMBERS.issuperset(map(type, values)):
            return [], []
        return names, values

    def partial(self, payload: bytes) -> PlainRow | None:
        """One call of `log()`, of a partial history request; None: protobuf has to read it."""
        head = _PARTIAL.match(payload)
        if head is None or head.end() + _integer(head[2]) != len(payload):
            return None
        if head.end(1) + _integer(head[1]) != len(payload):
            return None
        return self._row(payload, head.end())

    def summary(self, payload: bytes) -> PlainItems | None:
        """What a summary record sets; None: protobuf has to read it."""
        head = _SUMMARY.match(payload)
        if head is None or head.end() + _integer(head[1]) != len(payload):
            return None
        items = self._items(payload, head.end())
        return items if items is not None and items.end == len(payload) else None

    def paths(self, items: PlainItems) -> Iterable[Path]:
        """Their paths, in order."""
        if not self.nested(items.starts):
            return zip(items.names)
        nested = self._nested
        return [nested.get(start) or (name,) for start, name in zip(items.starts, items.names, strict=True)]

    def nested(self, starts: Sequence[bytes]) -> bool:
        """Whether the key of an item that begins so has several parts."""
        return bool(self._nested) and not self._nested.keys().isdisjoint(starts)

    def _items(self, payload: bytes, begin: int) -> PlainItems | None:
        if len(payload) > _LONGEST:
            return None
        found = _ITEM.findall(payload, begin)
        if not found:
            return None
        starts, texts = zip(*found, strict=True)
        names = self._names(starts)
        if names is None or bytes(map(len, texts)) != bytes(map(_LAST, starts)):
            return None
        whole = b"".join(texts)
        if not whole.isascii():
            try:
                whole.decode()
            except UnicodeDecodeError:
                return None
        return PlainItems(starts, names, texts, begin + len(b"".join(starts)) + len(whole))

    def _row(self, payload: bytes, begin: int) -> PlainRow | None:
        items = self._items(payload, begin)
        behind = self._behind(payload, items.end) if items is not None else None
        if items is None or behind is None:
            return None
        try:
            values = from_json(b"[%b]" % b",".join(items.texts))
        except ValueError:
            return None
        if len(values) != len(items.texts):
            return None
        if self.nested(items.starts):
            return PlainRow(list(zip(self.paths(items), values, strict=True)), *behind)
        return PlainRow(dict(zip(items.names, values, strict=True)), *behind)

    @staticmethod
    def _behind(payload: bytes, end: int) -> tuple[int | None, bool | None] | None:
        """Step and flush, which are behind the items; None if something else is there."""
        if end == len(payload):
            return None, None
        behind = _BEHIND.fullmatch(payload, end)
        if behind is None:
            return None
        has_step, length, number, has_action, flag = behind.groups()
        if number is not None and length[0] != 1 + len(number):
            return None
        step = _integer(number or b"\0") if has_step is not None else None
        return step, flag == b"\x01" if has_action is not None else None

    def _names(self, starts: Sequence[bytes]) -> list[str] | None:
        """The keys of items, or the first parts of them; None: one is no beginning of an item."""
        try:
            return list(map(self._keys.__getitem__, starts))
        except KeyError:
            return list(map(self._keys.__getitem__, starts)) if self._learn(starts) else None

    def _learn(self, starts: Sequence[bytes]) -> bool:
        """Has protobuf read the beginnings that are new. False: one is none."""
        if len(self._keys) > _KNOWN:
            self._keys.clear()
            self._nested.clear()
        for start in {*starts} - self._keys.keys():
            length = start[-1]
            content = start[2:] + b"0" * length
            if start[1] != len(content) or start[1] > 0x7F:
                return False
            try:
                item = pb.HistoryItem.FromString(content)
            except Exception:  # protobuf's DecodeError: the bytes are something else
                return False
            path = tuple(item.nested_key) or (item.key,)
            if path == ("",):  # not for every kind of row a value
                return False
            if item.value_json != "0" * length or item.SerializeToString(deterministic=True) != content:
                return False
            self._keys[start] = path[0]
            if len(path) > 1:
                self._nested[start] = path
        return True


@lru_cache(4096)
def _integer(varint: bytes) -> int:
    number = 0
    for place, byte in enumerate(varint):
        number |= (byte & 0x7F) << 7 * place
    return number
