"""A journal on a slow disk: the rest of its run goes to a local one, and another process copies it into the journal."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..journal.framing import FILE_HEADER
from ..journal.handlers import own_errors_suppressed, raised_by_handler
from ..journal.held_file import HeldFile
from ..journal.life import is_spooled, mark_ended, mark_live
from ..journal.paths import shown
from ..journal.spool import left, mark, spool_of, unmark
from ..journal.writer import SLOW
from .interpreter import find, is_borrowed
from .process import DEFER, let_go, start_python

if TYPE_CHECKING:
    from collections.abc import Callable

ROOM: Final = 64 << 20
"""Bytes that a local disk has free, at least: the program needs some of it, too."""
FIRST_PAUSE, LAST_PAUSE = 0.5, 60.0
"""Seconds between the end of a process that copies before all is there, and the start of the next one."""
_NONE_IS_FASTER: Final = "no local disk is faster"


class SlowDisk:
    """What one journal does whose writes are slow, and the process that copies for it: the `Relief` of its writer."""

    def __init__(self, journal: Path, run: str, say: Callable[[str], None], python: Path | None) -> None:
        """`say` tells the user; `python` is the mirrors' Python, if one is set."""
        self._journal = journal
        self._run = run
        self._say = say
        self._python = python
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._forgotten = False

    def spool(self, seconds: float) -> HeldFile | None:
        """As `Relief`. A signal handler may come in the middle, and leave it by an exception."""
        took = 1000 * seconds
        spool: HeldFile | None = None
        try:
            spool = _local_file()
            self._begin(spool.path)
        except BaseException as error:
            if spool is not None:
                self._drop(spool)
            if not isinstance(error, OSError) or raised_by_handler(error):
                raise
            if str(error) == _NONE_IS_FASTER:  # it is the machine that is slow, or there is nothing to be done
                return None
            self._say(
                f"each log() of run {self._run} waits {took:.0f} ms for the disk of {shown(self._journal)}, which "
                f"cannot be spooled ({error}): set WANDB_SWAN_JOURNAL_DIR to a faster one"
            )
            return None
        self._say(
            f"writing to {shown(self._journal)} takes {took:.0f} ms: run {self._run} is spooled in "
            f"{spool.path.parent} from here on, and another process brings it over"
        )
        return spool

    def failed(self, error: OSError) -> None:
        """As `Relief`."""
        self._say(f"the spool of run {self._run} takes no more ({error}): each log() waits for its journal again")

    def forget(self) -> None:
        """As `Relief`."""
        self._forgotten = True
        process, self._process = self._process, None
        if process is not None:
            let_go(process)

    def over(self, spool: Path) -> bool:
        """Nobody writes the spool any more. Returns whether that could be said."""
        self._over.set()
        if mark_ended(spool):
            return True
        with contextlib.suppress(OSError):  # its folder was removed, and who copies it has it open
            spool.parent.mkdir(mode=0o700, exist_ok=True)
            spool.with_suffix(".ended").touch(mode=0o600)
            return True
        return False

    def settle(self, seconds: float) -> None:
        """Waits until all was copied, at most so long: no thread and no process is left then."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _begin(self, spool: Path) -> None:
        """Says where the spool is, and starts who copies it. Raises OSError."""
        mark_live(spool)
        if self._forgotten:  # a forked child, whose parent goes on with this
            raise OSError(_NONE_IS_FASTER)
        mark(self._journal, spool)
        self._process = _start(self._journal, spool, self._python)
        self._thread = threading.Thread(target=self._keep, name="wandb_swan-spool", daemon=True)
        with contextlib.suppress(RuntimeError):  # no more threads: who copies is not started again
            self._thread.start()
            return
        self._thread = None

    def _drop(self, spool: HeldFile) -> None:
        """It is not used after all."""
        unmark(self._journal)
        spool.closed = True
        spool.give_back()
        mark_ended(spool.path)  # a process that was started ends, and takes the folder away
        if self._process is None:
            shutil.rmtree(spool.path.parent, ignore_errors=True)

    def _keep(self) -> None:
        """Sleeps until who copies has ended, and starts the next one where something is left."""
        pause = FIRST_PAUSE
        while True:
            process = self._process
            if process is not None:
                process.wait()
            if not is_spooled(self._journal):
                return
            if self._over.wait(pause):
                time.sleep(FIRST_PAUSE)
            pause = min(2 * pause, LAST_PAUSE)
            spool = spool_of(self._journal)
            if spool is None:
                return
            with contextlib.suppress(OSError):  # no process to be had: the next time
                self._process = _start(self._journal, Path(spool["path"]), self._python)


def bring_what_is_left(folder: Path, python: Path | None) -> None:
    """Starts a process for each spool of this machine that nobody copies: its trainer was killed, and so was the last
    one."""
    for journal in left(folder):
        spool = spool_of(journal)
        if spool is not None:
            with own_errors_suppressed(OSError):
                let_go(_start(journal, Path(spool["path"]), python))


def _start(journal: Path, spool: Path, python: Path | None) -> subprocess.Popen[bytes]:
    """Starts who copies. Raises OSError."""
    interpreter = find(python) if is_borrowed() else None
    log = spool.with_suffix(".log")
    return start_python("wandb_swan.journal.spool", str(journal), log=log, before=DEFER, interpreter=interpreter)


def _local_file() -> HeldFile:
    """A new file in a folder of its own, on a disk that is not slow. Raises OSError where there is none."""
    reason = _NONE_IS_FASTER
    if not hasattr(os, "pwrite") or not Path("/proc/self/stat").exists():  # who lives is not told for sure
        raise OSError(reason)
    # Not `tempfile.gettempdir()`: what it finds, it keeps for the program.
    for place in dict.fromkeys([os.environ.get("TMPDIR") or "/tmp", "/var/tmp"]):
        folder = None
        try:
            disk = os.statvfs(place)
            if disk.f_bavail * disk.f_frsize < ROOM:
                reason = f"{place} is full"
                continue
            folder = Path(tempfile.mkdtemp(prefix="wandb-swan-", dir=place))
            file = HeldFile(folder / "spooled.journal")
            if _is_fast(file):
                return file
            file.give_back()
        except OSError as error:
            reason = str(error)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
    raise OSError(reason)


def _is_fast(file: HeldFile) -> bool:
    """Whether each of some writes is; where only this process is slow, all of them are not."""
    for _ in range(3):
        began = time.monotonic()
        file.put(FILE_HEADER, 0)  # as the journal begins
        if time.monotonic() - began > SLOW:
            return False
    return True
