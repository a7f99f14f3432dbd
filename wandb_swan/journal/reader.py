"""The reading end of a journal, or of one of wandb's own `.wandb` files."""

from __future__ import annotations

import contextlib
import errno
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from .framing import BLOCK, CHUNK_HEADER, CRC_OF_TYPE, FILE_HEADER, FIRST, FULL, LAST
from .notes import parse_note

PASSING: Final = frozenset({errno.EIO, errno.ESTALE, errno.EAGAIN, errno.ENOSPC, errno.EINTR, errno.ETIMEDOUT})
"""Errors of a file system that may pass, as a network file system's do."""
REOPEN: Final = 5.0
"""Seconds after which a log that is followed is opened again: on a network file system, that is what asks the server
how long it is (NFS's close-to-open consistency)."""


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
        self._opened_at = time.monotonic()
        self._tail = ""

    def __enter__(self) -> LogReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[bytes]:
        """Every whole record from here to the present end of the file. Raises OSError."""
        if self.damage is not None:
            return
        try:
            if self.trouble is not None:  # a stale descriptor stays stale
                self._reopen()
            elif self._patient and time.monotonic() - self._opened_at > REOPEN:
                with contextlib.suppress(OSError):  # it was removed: what is open has all of it
                    self._reopen()
            if self.offset == 0 and not self._read_file_header():
                self.trouble = None
                return
            while True:
                yield from self._whole_chunks()
                self._file.seek(self.offset)
                record = self._read_record()
                if record is None:
                    break
                yield record
            self.trouble = None
        except OSError as error:
            if not self._patient or error.errno not in PASSING:
                raise
            self.trouble = error

    def _reopen(self) -> None:
        """Raises OSError; the file stays open then as it is."""
        self._opened_at = time.monotonic()
        fresh = self.path.open("rb")
        with contextlib.suppress(OSError):
            self._file.close()
        self._file = fresh

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

    def _whole_chunks(self) -> Iterator[bytes]:
        """The records that begin and end in this block, up to what `_read_record` has to look at."""
        self._file.seek(self.offset)
        begin = self.offset
        data = self._file.read(BLOCK - begin % BLOCK)
        at = CHUNK_HEADER.size
        while at <= len(data):
            checksum, length, kind = CHUNK_HEADER.unpack_from(data, at - CHUNK_HEADER.size)
            payload = data[at : at + length]
            if kind != FULL or len(payload) < length or zlib.crc32(payload, CRC_OF_TYPE[FULL]) != checksum:
                return
            self.offset = begin + at + length
            yield payload
            at += length + CHUNK_HEADER.size

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
            if zlib.crc32(data, CRC_OF_TYPE[kind]) != checksum:
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


def begin_note(journal: Path) -> dict[str, Any]:
    """The note that a journal begins with; empty if it cannot be read. Raises OSError."""
    with LogReader(journal) as reader:
        note = parse_note(next(iter(reader), b""))
    return note if note is not None and note.get("type") == "begin" else {}
