"""The writing end of a journal: every record of a run, in order, whatever the program around us does."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import threading
from collections import deque
from pathlib import Path
from typing import Any, Final

from .framing import FILE_HEADER, frame
from .handlers import own_errors_suppressed, raised_by_handler
from .notes import encode_note

PATIENCE: Final = 1.0
"""Seconds that an append waits for another one, which can itself be waiting for this thread."""
_PWRITE: Final = hasattr(os, "pwrite")


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
        stat = os.fstat(self._fd)
        self._file = stat.st_dev, stat.st_ino
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

    @property
    def length(self) -> int:
        """Bytes that the journal has."""
        return max(list(self._ends))

    def append_if_idle(self, payload: bytes) -> None:
        """Adds a record that may be left out: it is, while others are written and where the disk has no room.

        Raises OSError as `append` does, for records of others that came meanwhile.
        """
        if not self._lock.acquire(blocking=False):
            return
        try:
            if self._closed or self._queue:
                return
            offset = self.length
            data = frame(payload, offset)
            with own_errors_suppressed(OSError):
                self._put(data, offset)
                self._ends.append(offset + len(data))
            self._drain()  # who waited for us in vain has left its record
        finally:
            self._lock.release()

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
