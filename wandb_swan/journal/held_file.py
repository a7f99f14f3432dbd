"""A file that this process writes, whatever the program around us does with descriptors."""

from __future__ import annotations

import errno
import os
import secrets
import time
from pathlib import Path
from typing import Final

from .framing import FILE_HEADER
from .handlers import own_errors_suppressed, raised_by_handler

SLOW: Final = 0.02
"""Seconds from which on a write is slow. It lets go of the GIL: another thread that computes can keep that for 5 ms."""
_PWRITE: Final = hasattr(os, "pwrite")


class HeldFile:
    """A new file, into which bytes are put at given places, one `pwrite()` each.

    The program around us may close any descriptor (`os.closerange`), and the kernel then gives its number to the next
    file. Our open file is known by its file position, a secret that `pwrite` does not move: nothing is done with the
    number before it was seen there. (`fstat` would tell as well, but makes NFS send what it has not sent yet.)
    """

    def __init__(self, path: Path) -> None:
        """Creates `path` (mode 0600). Raises OSError; FileExistsError if it exists."""
        self.path = path
        self.closed = False
        """Nothing is written any more. Set it first, then `give_back`, once nobody is in the middle of a write."""
        self.fd = _high(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600))
        stat = os.fstat(self.fd)
        self._file = stat.st_dev, stat.st_ino
        self._mark = self._set_mark()

    def put(self, data: bytes, offset: int) -> None:
        """Writes at a byte offset; once closed, nothing. Raises OSError when it could not be written whole.

        It may be left by an exception, or come in the middle of itself: the same bytes can be put again.
        """
        fd = self.fd
        if fd < 0 or not self._is_ours(fd):
            fd = self._reopen()
        if self.closed:  # by a handler, or this is a child that one has forked
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

    def is_fast(self) -> bool:
        """Whether a write is done in less than `SLOW` seconds: of the journal's first bytes, which are the same again.
        Raises OSError as `put`."""
        began = time.monotonic()
        self.put(FILE_HEADER, 0)
        return time.monotonic() - began < SLOW

    def give_back(self) -> None:
        """Closes the descriptor, if it still is this file's."""
        fd, self.fd = self.fd, -1  # whatever `close` says (NFS tells of a quota there), the number is gone
        if fd >= 0 and self._is_ours(fd):
            with own_errors_suppressed(OSError):
                os.close(fd)

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
        return os.lseek(self.fd, (1 << 39) + secrets.randbits(39), os.SEEK_SET) if _PWRITE else 0

    def _reopen(self) -> int:
        """The number is not this file's any more: opens the file again. Raises OSError if it is gone."""
        self.fd = -1  # never to be closed by us: it is another file, or none
        if self.closed:
            return -1
        fresh = os.open(self.path, os.O_WRONLY | getattr(os, "O_BINARY", 0))
        if _identity(fresh) != self._file:
            os.close(fresh)
            raise OSError(errno.ESTALE, "another file has the journal's name")
        self.fd = _high(fresh)
        self._mark = self._set_mark()
        return self.fd


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
