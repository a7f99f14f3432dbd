"""The writing end of a journal: every record of a run, in order, whatever the program around us does."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any, Final, Protocol

from .framing import FILE_HEADER, frame
from .handlers import own_errors_suppressed, raised_by_handler
from .held_file import SLOW, HeldFile
from .notes import encode_note

PATIENCE: Final = 1.0
"""Seconds that an append waits for another one, which can itself be waiting for this thread."""
SLOW_WRITES, FORGIVEN = 3.0, 1 / 16
"""How many slow writes are too many, and how much of one a write that is not slow makes up for."""
TRIES: Final = 3
"""How often a journal asks for relief: what was slow may have been the machine, for a moment."""
CATCH_UP: Final = 30.0
"""Seconds that an append waits for the journal to have all of a spool that takes no more."""


class Relief(Protocol):
    """What a journal whose writes are slow turns to."""

    def spool(self, journal: HeldFile, seconds: float) -> HeldFile | None:
        """A file that takes the next bytes, each at its place in the journal, and that another process copies into it;
        None: there is none that is faster. `seconds` is what the last write took."""

    def failed(self, error: OSError) -> None:
        """The file takes no more; the journal is written itself again."""

    def over(self, spool: Path) -> bool:
        """Nobody writes the file any more. Returns whether that could be said."""

    def forget(self) -> None:
        """In a forked child: all of it is the parent's."""


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

    Where the journal's disk is slow, its `relief` gives a spool: a file with a hole where the journal has bytes
    already, so that each byte has the same place in both, and the journal's length says how far it was copied.

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
        self._file = self._out = HeldFile(path)
        """The journal, and the file that takes its next bytes: the same, or its spool."""
        self.relief: Relief | None = None
        self._last = self._slow = 0.0
        """Seconds of the last write; how many were slow of late."""
        self._tries = TRIES
        """How often relief may still be asked for; never after it was given, a journal does not go back and forth."""
        self._spool: HeldFile | None = None
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
            if self._slow >= SLOW_WRITES and self._tries and not self._busy:
                self._turn_to_relief()
        finally:
            self._lock.release()

    def note(self, **fields: Any) -> None:
        """Adds one of our own notes."""
        self.append(encode_note(fields))

    @property
    def length(self) -> int:
        """Bytes that the journal has."""
        return max(list(self._ends))

    @property
    def spooled(self) -> Path | None:
        """The spool that has, or had, what was written last; None: there was none."""
        return None if self._spool is None else self._spool.path

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
                self._out.put(data, offset)
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
        self._close_files()
        self._queue.clear()
        if self.relief is not None:
            self.relief.forget()

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
                    out, began = self._out, time.monotonic()
                    try:
                        out.put(data, record.offset)
                    except OSError as error:
                        if out is self._file or raised_by_handler(error):
                            raise
                        self._leave_spool(record.offset, error)
                        self._file.put(data, record.offset)
                    self._last = time.monotonic() - began
                    if self._last > SLOW:
                        self._slow += 1.0
                    elif self._slow:
                        self._slow = max(0.0, self._slow - FORGIVEN)
                    ends.append(record.offset + len(data))
                    record.written = True
                try:  # noqa: SIM105  (`suppress` takes as long as the system call)
                    queue.remove(record)
                except ValueError:  # removed meanwhile
                    pass
                if len(ends) > 16:
                    self._forget_lower_ends()
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

    def _forget_lower_ends(self) -> None:
        ends = self._ends
        length = max(ends)
        for end in [end for end in ends if end < length]:
            try:  # noqa: SIM105
                ends.remove(end)
            except ValueError:
                pass

    def _turn_to_relief(self) -> None:
        """What follows goes to a spool, if there is one. What comes in the middle of this is written as before."""
        tries, self._tries, self._slow = self._tries, 0, 0.0  # what comes in the middle does not ask again
        if self.relief is None:
            return
        with own_errors_suppressed(Exception):
            self._spool = self.relief.spool(self._file, self._last)
            if self._spool is None:
                self._tries = tries - 1
            else:
                self._out = self._spool
        if self._closed and self._spool is not None:  # by a handler, meanwhile
            self._close()
            self.relief.over(self._spool.path)

    def _leave_spool(self, offset: int, error: OSError) -> None:
        """Waits until the journal has all that was spooled, up to a byte offset, and then goes on there.

        Raises `error` where that takes too long.
        """
        deadline = time.monotonic() + CATCH_UP
        while self.path.stat().st_size < offset:
            if time.monotonic() > deadline:
                raise error
            time.sleep(0.02)
        if self._out is not self._file:
            self._out = self._file
            if self.relief is not None:
                self.relief.failed(error)

    def _close(self) -> None:
        self._close_files()
        if not self._busy:  # else in a signal handler: who is in the middle of a write gives the number back
            self._give_back()

    def _close_files(self) -> None:
        self._file.closed = self._closed = True
        if self._spool is not None:
            self._spool.closed = True

    def _give_back(self) -> None:
        self._file.give_back()
        if self._spool is not None:
            self._spool.give_back()
