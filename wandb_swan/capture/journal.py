"""The journal: a file in wandb's transaction-log framing that holds every record of a run, in order.

The framing is LevelDB's log format as wandb writes it (`:W&B` header, 32 KiB blocks, CRC32), so one reader serves
our journals and wandb's own `run-<id>.wandb` files. Our own notes are JSON objects: their first byte, `{`, can not
begin a wandb record (it would be field 15, a group, which protobuf 3 does not write).
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import struct
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final

FILE_HEADER: Final = struct.pack("<4sHB", b":W&B", 0xBEE1, 0)
BLOCK: Final = 32768
CHUNK_HEADER: Final = struct.Struct("<IHB")  # crc32, length, type
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4
_CRC_OF_TYPE: Final = tuple(zlib.crc32(bytes([kind])) for kind in range(LAST + 1))


def _chunk(data: bytes, kind: int) -> bytes:
    return CHUNK_HEADER.pack(zlib.crc32(data, _CRC_OF_TYPE[kind]), len(data), kind) + data


def frame(payload: bytes, offset: int) -> bytes:
    """The bytes that append `payload` to a log whose length is `offset` bytes."""
    room = BLOCK - offset % BLOCK
    head = b""
    if room < CHUNK_HEADER.size:  # too small for a chunk header: zeros to the end of the block
        head, room = bytes(room), BLOCK
    room -= CHUNK_HEADER.size
    if len(payload) <= room:
        return head + _chunk(payload, FULL)
    parts = [head, _chunk(payload[:room], FIRST)]
    rest = payload[room:]
    room = BLOCK - CHUNK_HEADER.size
    while len(rest) > room:
        parts.append(_chunk(rest[:room], MIDDLE))
        rest = rest[room:]
    parts.append(_chunk(rest, LAST))
    return b"".join(parts)


class JournalWriter:
    """Appends records, one `write()` each, from any thread of the process that opened it.

    No fsync and no O_APPEND: what was written survives the death of this process, and each append costs no round
    trip on a network file system.
    """

    def __init__(self, path: Path) -> None:
        """Creates `path` (mode 0600). Raises OSError; FileExistsError if it exists."""
        self.path = path
        self._lock = threading.Lock()
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        self._offset = 0
        self._interrupted = False
        self._write(FILE_HEADER)

    def append(self, payload: bytes) -> None:
        """Adds one record. Raises OSError when it could not be written whole; the journal is then closed."""
        with self._lock:
            if self._fd < 0:
                return
            if self._interrupted:  # a Ctrl-C came between a write and our count of it
                self._offset = os.lseek(self._fd, 0, os.SEEK_CUR)
            # One system call a record: each one lets go of the GIL, which costs more than the write itself.
            self._interrupted = True
            try:
                self._write(frame(payload, self._offset))
            except OSError:
                self._close()
                raise
            self._interrupted = False

    def note(self, **fields: Any) -> None:
        """Adds one of our own notes."""
        self.append(encode_note(fields))

    def close(self) -> None:
        with self._lock:
            self._close()

    def _write(self, data: bytes) -> None:
        written = os.write(self._fd, data)
        if written != len(data):
            with contextlib.suppress(OSError):  # the reader takes a torn tail for the end
                os.ftruncate(self._fd, self._offset)
            raise OSError(errno.ENOSPC, f"only {written} of {len(data)} bytes fitted on the disk")
        self._offset += written

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


PASSING: Final = frozenset({errno.EIO, errno.ESTALE, errno.EAGAIN, errno.ENOSPC, errno.EINTR, errno.ETIMEDOUT})
"""Errors of a file system that may pass, as a network file system's do."""


class LogReader:
    """Reads whole records from a journal or a `.wandb` file, also from one that is still being written.

    A torn tail is an end of data, not an error: the reader stays at the last whole record and finds the rest on the
    next call once it is there. Damage before the end (a wrong checksum, an impossible chunk) stops it for good;
    `damage` then says what and at which byte offset.
    """

    def __init__(self, path: Path, offset: int = 0, *, patient: bool = False) -> None:
        """Opens `path`, to go on at byte `offset` (as `offset` told of an earlier reader). Raises OSError.

        With `patient`, an error that may pass is an end of data too; `trouble` then holds it until a read succeeds.
        """
        self.path = path
        self.offset = offset
        self.damage: str | None = None
        self.trouble: OSError | None = None
        self._patient = patient
        self._file = path.open("rb")
        self._tail = ""

    def __enter__(self) -> LogReader:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[bytes]:
        """Every whole record from here to the present end of the file. Raises OSError."""
        if self.damage is not None:
            return
        try:
            if self.trouble is not None:  # a stale descriptor stays stale
                fresh = self.path.open("rb")
                with contextlib.suppress(OSError):
                    self._file.close()
                self._file = fresh
            if self.offset == 0 and not self._read_file_header():
                self.trouble = None
                return
            self._file.seek(self.offset)
            while (record := self._read_record()) is not None:
                yield record
            self.trouble = None
        except OSError as error:
            if not self._patient or error.errno not in PASSING:
                raise
            self.trouble = error

    def torn(self) -> str | None:
        """What is incomplete at the end of the data, if the file does not end with a whole record."""
        return self.damage or self._tail or None

    def _read_file_header(self) -> bool:
        self._file.seek(0)
        header = self._file.read(len(FILE_HEADER))
        if len(header) < len(FILE_HEADER):
            self._tail = f"{self.path.name} ends inside its header"
            return False
        if header[:6] != FILE_HEADER[:6]:
            self.damage = f"{self.path.name} is not a wandb transaction log (wrong header at offset 0)"
            return False
        self.offset = len(FILE_HEADER)
        return True

    def _read_record(self) -> bytes | None:
        """The next whole record, or None at the end of the data; `offset` moves only past whole records."""
        position = self.offset
        parts: list[bytes] = []
        self._tail = ""
        while True:
            room = BLOCK - position % BLOCK
            if room < CHUNK_HEADER.size:
                self._file.read(room)
                position += room
            header = self._file.read(CHUNK_HEADER.size)
            if len(header) < CHUNK_HEADER.size:
                if header or parts:
                    self._tail = f"{self.path.name} is cut in a record at offset {self.offset}"
                return None
            checksum, length, kind = CHUNK_HEADER.unpack(header)
            if kind == 0 and length == 0 and checksum == 0 and not parts and self._zeros_to_end():
                return None  # space that a crashed writer had allocated
            if not FULL <= kind <= LAST or length > BLOCK - CHUNK_HEADER.size - position % BLOCK:
                self._damaged(position, "impossible chunk")
                return None
            if (kind in (FULL, FIRST)) == bool(parts):
                self._damaged(position, "chunks out of order")
                return None
            data = self._file.read(length)
            if len(data) < length:
                self._tail = f"{self.path.name} is cut in a record at offset {self.offset}"
                return None
            if zlib.crc32(data, _CRC_OF_TYPE[kind]) != checksum:
                # A reader can see the size of a write before all of its bytes: at the very end it is no damage yet.
                if self._file.read(1):
                    self._damaged(position, "wrong checksum")
                    return None
                self._tail = f"{self.path.name} has a wrong checksum at offset {position}"
                return None
            position += CHUNK_HEADER.size + length
            parts.append(data)
            if kind in (FULL, LAST):
                self.offset = position
                return parts[0] if len(parts) == 1 else b"".join(parts)

    def _zeros_to_end(self) -> bool:
        while data := self._file.read(1 << 20):
            if data.strip(b"\0"):
                return False
        self._tail = f"{self.path.name} ends in zeros from offset {self.offset}"
        return True

    def _damaged(self, position: int, what: str) -> None:
        self.damage = f"{self.path.name} is damaged at offset {position}: {what}"


def encode_note(fields: dict[str, Any]) -> bytes:
    """The payload of a note."""
    return json.dumps(fields, ensure_ascii=False, default=str).encode("utf-8", "replace")


def parse_note(payload: bytes) -> dict[str, Any] | None:
    """The note that `payload` is, or None if it is a wandb record (or not readable)."""
    if not payload.startswith(b"{"):
        return None
    try:
        note = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    return note if isinstance(note, dict) else None


def begin_note(journal: Path) -> dict[str, Any]:
    """The note that a journal begins with; empty if it cannot be read. Raises OSError."""
    with LogReader(journal) as reader:
        note = parse_note(next(iter(reader), b""))
    return note if note is not None and note.get("type") == "begin" else {}
