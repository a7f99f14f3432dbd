"""The spool of a journal whose disk is slow, and the process that copies it into the journal.

The spool is a file on a local disk of the trainer's machine, in a folder of its own. Each byte has in it the place that
it has in the journal, so that the journal's length says how far it was copied: whoever goes on after another one was
killed writes the same bytes to the same place. `.spool` beside the journal says where it is; `.live` and `.ended`
beside the spool say of the spool what they say of a journal. What has come to the journal is cut out of the spool.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import platform
import shutil
import sys
import time
from pathlib import Path
from typing import Final

from .fields import SpoolFields, usable
from .life import SILENCE, Trainer, identity, is_spooled, lives

CHUNK: Final = 1 << 20
"""Bytes that are copied at once."""
SYNC: Final = 8 << 20
"""Bytes after which the journal's file system has to say that it has them."""
POLL: Final = 0.1
"""Seconds between two looks at a spool that has nothing new."""
FIRST_PAUSE, LAST_PAUSE = 0.5, 30.0
"""Seconds between two tries where the journal cannot be written."""
GIVE_UP: Final = 600.0
"""Seconds after the end of the run for which that is tried; the spool then waits for `bring` by somebody else."""
_NO_SYNC: Final = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP})
"""What a file system says that cannot synchronise."""


def mark(journal: Path, spool: Path) -> None:
    """Says beside a journal that this process writes what follows into a spool. Raises OSError."""
    from ..atomic_file import write_whole  # few programs need it

    fields: SpoolFields = {**identity(), "path": str(spool)}
    write_whole(journal.with_suffix(".spool"), json.dumps(fields), mode=0o600)


def unmark(journal: Path) -> None:
    """All of it is there."""
    with contextlib.suppress(OSError):
        journal.with_suffix(".spool").unlink()


def spool_of(journal: Path) -> SpoolFields | None:
    """Where records of a journal are, and whose they are; None: it has all that was written."""
    found: object = None
    if not is_spooled(journal):
        return None
    with contextlib.suppress(OSError, ValueError, RecursionError):
        found = json.loads(journal.with_suffix(".spool").read_bytes())
    fields = usable(SpoolFields, found)
    return fields if "path" in fields else None


def left(folder: Path) -> list[Path]:
    """The journals of a folder whose spool is on this machine, with nobody at it."""
    found = []
    with contextlib.suppress(OSError):
        for marked in folder.glob("*.spool"):
            journal = marked.with_suffix(".journal")
            spool = spool_of(journal)
            with contextlib.suppress(OSError):
                if spool is not None:
                    with Path(spool["path"]).open("rb") as file:
                        if _take(file.fileno()):
                            found.append(journal)
    return found


def bring(journal: Path, *, follow: bool = False) -> None:
    """Copies a journal's spool into it, and takes the spool away where nobody can write it any more.

    Nothing is done where there is none, it is on another machine, or another process is at it. `follow`: until the
    process that writes it has ended, and again and again where the journal cannot be written.
    """
    spool = spool_of(journal)
    if spool is None:
        return
    path = Path(spool["path"])
    try:
        fd = os.open(path, os.O_RDWR)
    except OSError:
        _forget_lost(journal, spool)
        return
    copy = _Copy(fd, journal)
    try:
        if _take(fd) and (copy.follow if follow else copy.once)(Trainer(path, spool)):
            _end(journal, path)
    finally:
        copy.close()
        os.close(fd)


class _Copy:
    """One process at one spool."""

    def __init__(self, spool: int, journal: Path) -> None:
        """`spool` is its descriptor, open for reading and writing."""
        self._spool = spool
        self._journal = journal
        self._fd = -1
        self._at = 0
        self._safe = -1
        """Up to where the journal's file system has said that it has everything; -1: not asked."""

    def follow(self, trainer: Trainer) -> bool:
        """Copies until the trainer writes no more. Returns whether all is there."""
        pause, give_up = FIRST_PAUSE, float("inf")
        while True:
            over = self._is_over(trainer)
            if over and give_up == float("inf"):
                give_up = time.monotonic() + GIVE_UP
            try:
                self._copy(whole=over)
            except OSError:
                if time.monotonic() > give_up:
                    return False
                time.sleep(pause)
                pause = min(2 * pause, LAST_PAUSE)
                continue
            if over:
                return True
            pause = FIRST_PAUSE
            time.sleep(POLL)

    def once(self, trainer: Trainer) -> bool:
        """Copies what is there. Returns whether that is all, for good."""
        over = self._is_over(trainer)
        with contextlib.suppress(OSError):
            self._copy(whole=over)
            return over
        return False

    @staticmethod
    def _is_over(trainer: Trainer) -> bool:
        return not trainer.may_write() and trainer.certain

    def _copy(self, *, whole: bool) -> None:
        """Copies what is new; `whole`: and waits until the disk has it. Raises OSError; what is not safe is then copied
        again the next time."""
        try:
            if self._fd < 0:
                self._open()
            while data := os.pread(self._spool, CHUNK, self._at):
                self._at += os.pwrite(self._fd, data, self._at)
                if self._at - self._safe >= SYNC:
                    self._sync()
            if whole:
                self._sync()
        except FileNotFoundError:
            if not self._journal.parent.is_dir():
                raise
            # The journal was removed: there is nowhere to bring anything to.
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Closes the journal."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with contextlib.suppress(OSError):
                os.close(fd)

    def _open(self) -> None:
        self._fd = os.open(self._journal, os.O_WRONLY)
        if self._safe < 0:
            self._safe = os.fstat(self._fd).st_size
        self._at = self._safe

    def _sync(self) -> None:
        """A network file system may say only now that it has no room."""
        try:
            os.fsync(self._fd)
        except OSError as error:
            if error.errno not in _NO_SYNC:
                raise
        self._safe = self._at
        if sys.platform == "linux" and sys.maxsize > 2**32:
            with contextlib.suppress(Exception):  # where it cannot be cut out, it stays until the end
                import ctypes

                keep_size, punch_hole = 1, 2  # fallocate(2)
                length = ctypes.c_int64(self._safe)
                ctypes.CDLL(None).fallocate(self._spool, keep_size | punch_hole, ctypes.c_int64(0), length)


def _take(spool: int) -> bool:
    """Whether a spool is still there and nobody is at it; it is ours then, until its descriptor is closed."""
    try:
        import fcntl

        fcntl.flock(spool, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.fstat(spool).st_nlink > 0
    except (ImportError, OSError):
        return False


def _end(journal: Path, spool: Path) -> None:
    """The journal has all: what says otherwise goes, the spool last."""
    if journal.with_suffix(".spool").exists():  # else it was given up before it was used
        if spool.with_suffix(".ended").exists() and journal.exists():
            # No more than a rename: a mirror that is done with the journal takes its marks away.
            with contextlib.suppress(OSError):
                journal.with_suffix(".live").replace(journal.with_suffix(".ended"))
        unmark(journal)
    shutil.rmtree(spool.parent, ignore_errors=True)


def _forget_lost(journal: Path, spool: SpoolFields) -> None:
    """A spool that is not found: it went with a machine that was started anew, or with its temporary folder.

    Not every process of a machine sees the same temporary folder: only after a long silence it is gone for sure.
    """
    with contextlib.suppress(OSError):
        silent = time.time() - journal.stat().st_mtime > SILENCE
        if silent and spool.get("host") == platform.node() and lives(spool) is not True:
            unmark(journal)


def main(arguments: list[str]) -> int:
    """The process that copies: `JOURNAL`. It minds no signal that is meant for the training."""
    bring(Path(arguments[0]), follow=True)
    return 0
