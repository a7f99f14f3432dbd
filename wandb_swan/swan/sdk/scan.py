"""SwanLab's store read a stretch at a time: points decoded straight from the bytes, everything else left as it is.

SwanLab's own reader and protobuf take some 4 us a point. Whoever wants to look at millions of them waits less here, may
read the stretches of one file in several processes, and may go on where he was when the file has grown.
"""

from __future__ import annotations

import re
import struct
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, repeat
from pathlib import Path
from typing import Any, Final
from zlib import crc32

from ...journal.framing import BLOCK, CHUNK_HEADER, CRC_OF_TYPE, FIRST, FULL, LAST, MIDDLE
from .store import parsed

FILE_HEADER: Final = 7
"""Bytes before the first record."""
_HELD = 10_000
"""Steps and times that are held decoded, at most."""
_VARINT = rb"[\x80-\xff]*."
_POINT = re.compile(
    rb"(?s)((.{4})..\x01"  # CRC, length, FULL
    rb"(\x08"
    + _VARINT
    + rb"\x12.\x08.{5}\x10"
    + _VARINT  # Record.num, .timestamp
    + rb"\x6a.\x01?"  # Record.scalar = 13: a ScalarRecord of less than 256 bytes
    rb"\x0a(.)([^\x00-\x1f]+)(?:\x10(" + _VARINT + rb"))?\x18\x01"  # .key, .step, .type: COLUMN_TYPE_SCALAR
    rb"\x22.\x08(.{5}\x10" + _VARINT + rb")\x2a(?:\x09\x09(.{8})|\x00)))"  # .timestamp, .value.number
)
"""A framed scalar record as SwanLab 0.8 to 0.10 write it; the CRC says whether what was matched is one.

Seconds of this century have five bytes. What is no match (another time, a key with control characters) is read with
SwanLab's own messages.
"""


@dataclass
class Stretch:
    """What a part of a store holds, in the order it came."""

    points: dict[str, tuple[array[int], array[float], array[float]]] = field(default_factory=dict)
    """Key -> steps, values, times (seconds since the epoch)."""
    others: list[bytes] = field(default_factory=list)
    """Records that are no points: SwanLab's `record.v1.Record` as bytes."""
    end: int = 0
    """Where the next stretch begins."""
    damage: int | None = None
    """Byte offset of what cannot be read; nothing behind it was."""


def stretches(size: int, begin: int, length: int) -> list[tuple[int, int]]:
    """Begins and ends of the stretches of about `length` bytes in which a store is read from `begin` on."""
    whole = max(1, length // BLOCK) * BLOCK
    bounds = [begin, *range(begin // BLOCK * BLOCK + whole, size, whole), size]
    return [(start, end) for start, end in pairwise(bounds) if end > start]


def scan(file: Path, begin: int, end: int) -> Stretch:
    """The records of a store that begin in [begin, end): `FILE_HEADER`, an earlier `end`, or the begin of a block.

    A record that is not yet whole at the end of the file is left for the next time. Raises OSError, and WandbSwanError
    where a whole record is none of SwanLab's.
    """
    with file.open("rb") as opened:
        opened.seek(begin)
        data = opened.read(end - begin)
        found = Stretch(end=begin)
        reading = _Reading(begin, data, opened)
        reading.read(found)
    return found


class _Reading:
    def __init__(self, begin: int, data: bytes, more: Any) -> None:
        self._begin = begin
        self._data = data
        self._own = len(data)
        """What lies behind it belongs to the next stretch, but for the rest of a record that begins here."""
        self._more = more
        self._keys: dict[bytes, tuple[array[int], array[float], array[float]]] = {}
        self._steps, self._times = _Decoded(_integer), _Decoded(_seconds)

    def read(self, found: Stretch) -> None:
        at = 0
        if self._begin % BLOCK == 0:
            at = self._behind_fragments()
        while at < self._own:
            at = self._points_from(at)
            if at >= self._own:
                break
            taken = self._record_at(at, found)
            if taken is None:
                break
            at = taken
        found.end = self._begin + at
        found.points = {key.decode("utf-8", "replace"): columns for key, columns in self._keys.items()}

    def _points_from(self, at: int) -> int:
        """Takes points up to what is none; returns where that is."""
        data = self._data
        while _POINT.match(data, at):
            found = _POINT.findall(data, at, at + BLOCK - (self._begin + at) % BLOCK)
            if not found:  # it goes on in the next block
                break
            whole, crcs, bodies, lengths, names, steps, stamps, values = zip(*found, strict=True)
            joined = b"".join(whole)
            if not data.startswith(joined, at) or [*b"".join(lengths)] != [*map(len, names)]:
                break
            if struct.unpack(f"<{len(crcs)}I", b"".join(crcs)) != (*map(crc32, bodies, repeat(CRC_OF_TYPE[FULL])),):
                break
            self._take_points(names, steps, values, stamps)
            at += len(joined)
        return self._each_point_from(at)

    def _each_point_from(self, at: int) -> int:
        for match in iter(_POINT.scanner(self._data, at).match, None):  # type: ignore[attr-defined]
            _, crc, body, length, name, step, stamp, value = match.groups()
            if crc32(body, CRC_OF_TYPE[FULL]) != int.from_bytes(crc, "little") or length[0] != len(name):
                return int(match.start())
            self._take_points((name,), (step or b"",), (value or b"",), (stamp,))
            at = match.end()
        return at

    def _take_points(
        self, names: Sequence[bytes], steps: Sequence[bytes], values: Sequence[bytes], stamps: Sequence[bytes]
    ) -> None:
        zero = bytes(8)
        numbers = struct.unpack(f"<{len(values)}d", b"".join([value or zero for value in values]))
        columns = [*map(self._steps.__getitem__, steps)], numbers, [*map(self._times.__getitem__, stamps)]
        keys = len({*names})
        if names[keys:] == names[:-keys]:  # row after row with the same keys
            for at, name in enumerate(names[:keys]):
                self._hold(name, *(column[at::keys] for column in columns))
        else:
            for name, step, value, time in zip(names, *columns, strict=True):
                self._hold(name, (step,), (value,), (time,))

    def _hold(self, name: bytes, steps: Sequence[int], values: Sequence[float], times: Sequence[float]) -> None:
        held = self._keys.get(name)
        if held is None:
            held = self._keys[name] = array("q"), array("d"), array("d")
        held[0].extend(steps)
        held[1].extend(values)
        held[2].extend(times)

    def _record_at(self, at: int, found: Stretch) -> int | None:
        """Takes the record there, whatever it is; None where it is not whole, or damaged."""
        parts: list[bytes] = []
        start = at
        while True:
            room = BLOCK - (self._begin + at) % BLOCK
            if room < CHUNK_HEADER.size:
                at += room
            if not parts and at >= self._own:
                return at  # the next stretch's
            header = self._bytes(at, CHUNK_HEADER.size)
            if len(header) < CHUNK_HEADER.size:
                return None
            checksum, length, kind = CHUNK_HEADER.unpack(header)
            data = self._bytes(at + CHUNK_HEADER.size, length)
            if kind == 0 and not length and not checksum:
                return None  # space that a crashed writer had allocated
            if len(data) < length:
                return None
            wrong_order = (kind in (FULL, FIRST)) == bool(parts)
            if not FULL <= kind <= LAST or wrong_order or crc32(data, CRC_OF_TYPE[kind]) != checksum:
                if self._bytes(at + CHUNK_HEADER.size + length, 1):  # else it is still being written
                    found.damage = self._begin + start
                return None
            parts.append(data)
            at += CHUNK_HEADER.size + length
            if kind in (FULL, LAST):
                self._take(b"".join(parts), found)
                return at

    def _take(self, payload: bytes, found: Stretch) -> None:
        record = parsed(payload)
        if not record.HasField("scalar"):
            found.others.append(payload)
            return
        point, stamp = record.scalar, record.scalar.timestamp
        self._hold(point.key.encode(), (point.step,), (point.value.number,), (stamp.seconds + stamp.nanos / 1e9,))

    def _behind_fragments(self) -> int:
        """Where the first record begins that has not begun in the stretch before."""
        at = 0
        while True:
            header = self._bytes(at, CHUNK_HEADER.size)
            if len(header) < CHUNK_HEADER.size:
                return at
            _, length, kind = CHUNK_HEADER.unpack(header)
            if kind not in (MIDDLE, LAST):
                return at
            at += CHUNK_HEADER.size + length
            if BLOCK - (self._begin + at) % BLOCK < CHUNK_HEADER.size:
                at += BLOCK - (self._begin + at) % BLOCK

    def _bytes(self, at: int, length: int) -> bytes:
        while len(self._data) < at + length:
            more = self._more.read(BLOCK)
            if not more:
                break
            self._data += more
        return self._data[at : at + length]


class _Decoded(dict[bytes, Any]):
    """What bytes say, which come again and again: the points of a row share their step and time."""

    def __init__(self, decode: Callable[[bytes], Any]) -> None:
        self._decode = decode

    def __missing__(self, key: bytes) -> Any:
        if len(self) > _HELD:
            self.clear()
        value = self[key] = self._decode(key)
        return value


def _integer(varint: bytes) -> int:
    number = 0
    for place, byte in enumerate(varint):
        number |= (byte & 0x7F) << 7 * place
    return number - (1 << 64) if number >> 63 else number


def _seconds(stamp: bytes) -> float:
    """The seconds and nanoseconds of a Timestamp: five bytes, a tag, the rest."""
    return _integer(stamp[:5]) + _integer(stamp[6:]) / 1e9
