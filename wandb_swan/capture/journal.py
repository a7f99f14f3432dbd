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
import secrets
import signal
import struct
import threading
import zlib
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final

FILE_HEADER: Final = struct.pack("<4sHB", b":W&B", 0xBEE1, 0)
BLOCK: Final = 32768
CHUNK_HEADER: Final = struct.Struct("<IHB")  # crc32, length, type
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4
PATIENCE: Final = 1.0
"""Seconds that an append waits for another one, which can itself be waiting for this thread."""
_PWRITE: Final = hasattr(os, "pwrite")
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


class _Pending:
    """A record on its way into the journal; equal to itself alone."""

    __slots__ = ("offset", "payload", "written")

    def __init__(self, payload: bytes) -> None:
        self.payload = payload
        self.offset = -1
        """Its place; -1: it has none yet."""
        self.written = False


class JournalWriter:
    """Appends records, one `pwrite()` each, from any thread of the process that opened it, and from signal handlers.

    No fsync and no O_APPEND: what was written survives the death of this process, and each append costs no round
    trip on a network file system. An append may be left by an exception, or come in the middle of another one: writing
    a record again puts the same bytes in the same place.

    The program around us may close any descriptor (`os.closerange`), and the kernel then gives its number to the next
    file. The journal's open file is known by its file position, a secret that `pwrite` does not move: nothing is done
    with the number before it was seen there. (`fstat` would tell as well, but makes NFS send what it has not sent yet.)
    """

    def __init__(self, path: Path) -> None:
        """Creates `path` (mode 0600). Raises OSError; FileExistsError if it exists."""
        self.path = path
        self._lock = threading.RLock()
        self._queue: deque[_Pending] = deque()
        self._closed = False
        self._busy = 0
        """How many times `_drain` is running: in itself, from signal handlers."""
        self._fd = _high(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600))
        told = os.fstat(self._fd)
        self._file = told.st_dev, told.st_ino
        self._mark = self._set_mark()
        self._ends = [len(FILE_HEADER)]
        """Where records end; the highest is the journal's length. It only grows, in whatever order these come."""
        try:
            self._put(FILE_HEADER, 0)
        except OSError:
            self._close()
            path.unlink()
            raise

    def append(self, payload: bytes) -> None:
        """Adds one record. Raises OSError when it could not be written whole; the journal is then closed."""
        self._queue.append(_Pending(payload))
        # A thread that has the lock and is in a signal handler may wait for us: it will write this record, too.
        if not self._lock.acquire(timeout=PATIENCE):
            return
        try:
            self._drain()
        finally:
            self._lock.release()

    def note(self, **fields: Any) -> None:
        """Adds one of our own notes."""
        self.append(encode_note(fields))

    def close(self) -> None:
        """Writes what is left, and closes the journal. Raises OSError when it could not be written whole."""
        self._lock.acquire(timeout=PATIENCE)
        try:
            self._drain()
        finally:
            with contextlib.suppress(RuntimeError):  # not ours
                self._lock.release()
            self._close()

    def forget(self) -> None:
        """In a forked child: the journal is the parent's."""
        self._closed = True
        self._queue.clear()

    def _drain(self) -> None:
        """Writes every record of the queue. May come in the middle of itself: each step can be repeated."""
        queue, ends = self._queue, self._ends
        self._busy += 1
        try:
            while queue and not self._closed:
                record = queue[0]
                length = max(ends)  # first: what comes in the middle gives the record this place, too
                if not record.written:
                    if record.offset < 0:
                        record.offset = length
                    data = frame(record.payload, record.offset)
                    # One system call a record: each one lets go of the GIL, which costs more than the write itself.
                    self._put(data, record.offset)
                    ends.append(record.offset + len(data))
                    record.written = True
                with contextlib.suppress(ValueError):  # removed meanwhile
                    queue.remove(record)
                if len(ends) > 8:
                    length = max(ends)
                    for end in [end for end in ends if end < length]:
                        with contextlib.suppress(ValueError):
                            ends.remove(end)
        except IndexError:
            pass  # emptied meanwhile
        except OSError as error:
            if not raised_by_handler(error):
                self._close()
            raise
        finally:
            self._busy -= 1
            if self._closed:
                self._give_back()

    def _put(self, data: bytes, offset: int) -> None:
        fd = self._fd
        if fd < 0 or not self._is_ours(fd):
            fd = self._reopen()
        if self._closed:  # by a handler, or this is a child that one has forked
            return
        if _PWRITE:
            count = os.pwrite(fd, data, offset)
        else:
            os.lseek(fd, offset, os.SEEK_SET)
            count = os.write(fd, data)
        if count != len(data):
            with own_errors_suppressed(OSError):  # the reader takes a torn tail for the end
                os.ftruncate(fd, offset)
            raise OSError(errno.ENOSPC, f"only {count} of {len(data)} bytes fitted on the disk")

    def _is_ours(self, fd: int) -> bool:
        if not _PWRITE:
            return _identity(fd) == self._file
        try:
            return os.lseek(fd, 0, os.SEEK_CUR) == self._mark
        except OSError as error:
            if raised_by_handler(error):  # a TimeoutError is an OSError
                raise
            return False

    def _set_mark(self) -> int:
        return os.lseek(self._fd, (1 << 39) + secrets.randbits(39), os.SEEK_SET) if _PWRITE else 0

    def _reopen(self) -> int:
        """The number is not the journal's any more: opens the journal again. Raises OSError if it is gone."""
        self._fd = -1  # never to be closed by us: it is another file, or none
        if self._closed:
            return -1
        fresh = os.open(self.path, os.O_WRONLY | getattr(os, "O_BINARY", 0))
        if _identity(fresh) != self._file:
            os.close(fresh)
            raise OSError(errno.ESTALE, "another file has the journal's name")
        self._fd = _high(fresh)
        self._mark = self._set_mark()
        return self._fd

    def _close(self) -> None:
        self._closed = True
        if not self._busy:  # else in a signal handler: who is in the middle of a write gives the number back
            self._give_back()

    def _give_back(self) -> None:
        fd, self._fd = self._fd, -1  # whatever `close` says (NFS tells of a quota there), the number is gone
        if fd >= 0 and self._is_ours(fd):
            with own_errors_suppressed(OSError):
                os.close(fd)


def _identity(fd: int) -> tuple[int, int] | None:
    """Which file a descriptor is; None if it is closed."""
    stat = None
    with own_errors_suppressed(OSError):
        stat = os.fstat(fd)
    return (stat.st_dev, stat.st_ino) if stat else None


def _high(fd: int) -> int:
    """The same open file under a number that programs seldom get to, and never as 0, 1 or 2."""
    try:
        import fcntl
    except ImportError:  # Windows
        return fd
    for lowest in (500, 3):
        high = -1
        with own_errors_suppressed(OSError):  # over the limit of open files
            high = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, lowest)
        if high < 0:
            continue
        with own_errors_suppressed(OSError):
            os.close(fd)
        return high
    return fd


def raised_by_handler(error: BaseException) -> bool:
    """Whether an exception came out of a signal handler of the program, in the middle of our code: it is not ours."""
    codes = set()
    for number in signal.valid_signals():
        handler: Any = signal.getsignal(number)
        for target in (handler, getattr(handler, "func", None), type(handler).__dict__.get("__call__")):
            codes.add(getattr(getattr(target, "__func__", target), "__code__", None))
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code in codes:
            return True
        trace = trace.tb_next
    return type(error).__module__ not in _OURS


@contextlib.contextmanager
def own_errors_suppressed(*kinds: type[Exception]) -> Iterator[None]:
    """`contextlib.suppress`, but for what a signal handler of the program raised: that is on its way to the program."""
    try:
        yield
    except kinds as error:
        if raised_by_handler(error):
            raise


_OURS: Final = frozenset({"builtins", "struct", "google.protobuf.message", "wandb_swan.exceptions"})
"""Where exceptions are defined that our own code may meet; others are thrown into this thread from outside."""


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
