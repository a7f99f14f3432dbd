"""A writer for offline runs: scalar records encoded straight into SwanLab's store.

SwanLab's core builds two protobuf messages, two timestamps and one bitmap entry a point. Of a run that is recorded
offline the bytes are all that stays. They are the same bytes: when the writer opens it compares its encoding with
SwanLab's own message classes, and gives way to `CoreWriter` where they differ.
"""

from __future__ import annotations

import math
import struct
import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain, repeat
from operator import add
from typing import Any
from zlib import crc32

from ...journal.framing import BLOCK, CHUNK_HEADER, FULL, frame
from .core_writer import BATCH, CoreWriter, store_failure
from .session import Session

_SCALAR_FIELD = b"\x6a"  # Record.scalar = 13, length-delimited
_TYPE_SCALAR = b"\x18\x01"  # ScalarRecord.type = 3: COLUMN_TYPE_SCALAR
_NUMBER = struct.Struct("<3sd").pack
_VALUE_HEAD, _VALUE_SIZE = b"\x2a\x09\x09", 11  # ScalarRecord.value = 5, nine bytes, ScalarValue.number = 1
_ZERO = b"\x2a\x00"  # proto3 leaves a zero out; -0.0 is none
_BYTES = [bytes((byte,)) for byte in range(256)]
_HEADER = CHUNK_HEADER.pack
_CRC_FULL = crc32(bytes((FULL,)))


class BulkWriter(CoreWriter):
    """Scalars go into the store file, everything else the usual way."""

    def __init__(self, session: Session) -> None:
        """Raises ImportError, AttributeError, TypeError or ValueError where the installed SwanLab is another."""
        super().__init__(session)
        if not self._has_columns:
            raise AttributeError("SwanLab's core takes no columns")
        self._store = self._core._store
        self._counter = self._core._counter
        self._keys: dict[str, tuple[bytes, Any]] = {}
        self._points: list[bytes] = []
        compare(self._core)

    def scalar(self, key: str, step: int, timestamp: float, number: float) -> None:
        self.row((key,), step, timestamp, (number,))

    def row(self, keys: Sequence[str], step: int, timestamp: float, numbers: Sequence[float]) -> None:
        where = _where(step, timestamp)
        known, points = self._keys, self._points
        for key, number in zip(keys, numbers, strict=True):
            encoded, steps = known.get(key) or self._declare(key)
            if step in steps:  # as SwanLab does: the first value of a step stays
                continue
            steps.add(step)
            points.append(_sized(encoded + where + (_NUMBER(_VALUE_HEAD, number) if number else _value(number))))
        if len(points) >= BATCH:
            self.flush()

    def rows(
        self,
        keys: Sequence[str],
        steps: Sequence[int],
        timestamps: Sequence[float],
        columns: Sequence[Sequence[float]],
    ) -> None:
        known = [self._keys.get(key) or self._declare(key) for key in keys]
        if not known:
            return
        fresh = type(known[0][1])(steps)
        if len(fresh) < len(steps) or not all(held.isdisjoint(fresh) for _, held in known):
            super().rows(keys, steps, timestamps, columns)
            return
        places = list(map(_where, steps, timestamps))
        lengths = list(map(len, places))
        points = []
        for (encoded, held), column in zip(known, columns, strict=True):
            held.update(fresh)
            heads = {length: _varint(len(encoded) + length + _VALUE_SIZE) + encoded for length in {*lengths}}
            if 0 in column:
                points.append(
                    [_sized(encoded + at + _value(number)) for at, number in zip(places, column, strict=True)]
                )
            else:
                at = map(add, map(heads.__getitem__, lengths), places)
                points.append([*map(add, at, map(_NUMBER, repeat(_VALUE_HEAD), column))])
        self._points += chain.from_iterable(zip(*points, strict=True))
        if len(self._points) >= BATCH:
            self.flush()

    def _declare(self, key: str) -> tuple[bytes, Any]:
        """The encoded key and SwanLab's set of the metric's steps, after SwanLab has the metric's column."""
        if not self._core._metrics.get(key):
            self._core.upsert_columns([self._new_column(key)])
        known = self._keys[key] = (_key(key), self._core._metrics.get(key).steps)
        return known

    def flush(self) -> None:
        points, self._points = self._points, []
        if points:
            self._write(points)
        super().flush()

    def _write(self, points: list[bytes]) -> None:
        built = b"\x12" + _stamp(time.time())[1:] + _SCALAR_FIELD
        with self._lock:
            num = self._counter.inc(len(points)) - len(points)
            offset = self._store._index
            data = b"".join(_framed([*map(add, _heads(num + 1, len(points), built), points)], offset))
            try:
                self._store._fp.write(data)
            except OSError as error:
                self.failure = store_failure(error)
                return
            self._store._index = offset + len(data)


def _heads(first: int, count: int, built: bytes) -> Iterator[bytes]:
    """What records of rising numbers begin with."""
    number, end = first, first + count
    while number < end:
        upper = (_varint(number >> 7) if number >= 0x80 else b"") + built
        until = min(end, (number | 0x7F) + 1)
        more = 0x80 if number >= 0x80 else 0
        yield from [b"\x08" + _BYTES[low & 0x7F | more] + upper for low in range(number, until)]
        number = until


def _framed(records: list[bytes], offset: int) -> Iterator[bytes]:
    """The bytes that append records of less than a block to a store whose length is `offset` bytes."""
    whole = [*map(add, map(_HEADER, map(crc32, records, repeat(_CRC_FULL)), map(len, records), repeat(FULL)), records)]
    ends = [*accumulate(map(len, whole))]
    at = before = 0
    while at < len(whole):
        fit = bisect_right(ends, before + BLOCK - offset % BLOCK, at)
        yield from whole[at:fit]
        if fit > at:
            offset += ends[fit - 1] - before
        if fit < len(whole):  # the next one does not fit into the block
            split = frame(records[fit], offset)
            yield split
            offset += len(split)
            fit += 1
        at, before = fit, ends[fit - 1]


def _varint(number: int) -> bytes:
    if number < 0x80:
        return _BYTES[number]
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _sized(point: bytes) -> bytes:
    """A point behind its length."""
    return _varint(len(point)) + point


def _where(step: int, timestamp: float) -> bytes:
    """Step, type and time of a point: what the points of a row share."""
    return _int_field(b"\x10", step) + _TYPE_SCALAR + _stamp(timestamp)


def _int_field(tag: bytes, number: int) -> bytes:
    return tag + _varint(number) if number else b""


def _stamp(seconds: float) -> bytes:
    """A field of number 4 with a Timestamp."""
    if seconds <= 0:
        seconds = time.time()
    whole = int(seconds)
    nanos = min(999_999_999, round((seconds - whole) * 1e9))
    inner = _int_field(b"\x08", whole) + _int_field(b"\x10", nanos)
    return b"\x22" + _varint(len(inner)) + inner


def _key(key: str) -> bytes:
    text = key.encode()
    return b"\x0a" + _varint(len(text)) + text


def _value(number: float) -> bytes:
    return _NUMBER(_VALUE_HEAD, number) if number or math.copysign(1.0, number) < 0 else _ZERO


def _record(key: str, step: int, timestamp: float, number: float) -> bytes:
    """One whole record, as `BulkWriter` puts it together."""
    return b"\x08" + _varint(77) + _SCALAR_FIELD + _sized(_key(key) + _where(step, timestamp) + _value(number))


def compare(core: Any) -> None:
    """Raises ValueError, ImportError, AttributeError or TypeError if our bytes are not SwanLab's."""
    from swanlab.proto.swanlab.metric.column.v1.column_pb2 import ColumnType
    from swanlab.proto.swanlab.record.v1.record_pb2 import Record

    for step, stamp, number in ((0, 1.5, 0.0), (300, 1700000000.25, -1e300), (1 << 40, 12.0, float("nan"))):
        encoded = _record("loss", step, stamp, number)
        record = Record.FromString(encoded)
        point = record.scalar
        same = (
            (record.num, point.key, point.step, point.type) == (77, "loss", step, ColumnType.COLUMN_TYPE_SCALAR)
            and point.timestamp.seconds + point.timestamp.nanos / 1e9 == stamp
            and repr(point.value.number) == repr(number)
            and record.SerializeToString(deterministic=True) == encoded
        )
        if not same:
            raise ValueError("SwanLab's records have another form")
    if core._store._fp.tell() != core._store._index:
        raise ValueError("SwanLab's store counts its bytes in another way")
    if not (hasattr(core, "_metrics") and hasattr(core._counter, "inc")):
        raise ValueError("SwanLab's core counts its records in another way")
