"""The writing end of a journal: every record of a run, in order, whatever the program around us does."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from pathlib import Path
from typing import Any, Final

from .framing import FILE_HEADER, frame
from .handlers import own_errors_suppressed, raised_by_handler
from .held_file import HeldFile
from .notes import encode_note

PATIENCE: Final = 1.0
"""Seconds that an append waits for another one, which can itself be waiting for this thread."""


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
    """

    def __init__(self, path: Path) -> None:
        """Creates `path` (mode 0600). Raises OSError; FileExistsError if it exists."""
        self.path = path
        self._lock = threading.RLock()
        self._queue: deque[_Pending] = deque()
        self._closed = False
        self._busy = 0
        """How many times `_drain` is running: in itself, from signal handlers."""
        self._file = HeldFile(path)
        self._ends = [len(FILE_HEADER)]
        """Where records end; the highest is the journal's length. It only grows, in whatever order these come."""
        try:
            self._file.put(FILE_HEADER, 0)
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
                self._file.put(data, offset)
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
        self._file.closed = self._closed = True
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
                    self._file.put(data, record.offset)
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
                self._file.give_back()

    def _close(self) -> None:
        self._file.closed = self._closed = True
        if not self._busy:  # else in a signal handler: who is in the middle of a write gives the number back
            self._file.give_back()
