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

from ..journal.handlers import own_errors_suppressed, raised_by_handler
from ..journal.held_file import HeldFile
from ..journal.life import is_spooled, mark_ended, mark_live
from ..journal.paths import shown
from ..journal.spool import left, mark, spool_of, unmark
from .interpreter import find, is_borrowed
from .process import DEFER, let_go, start_python

if TYPE_CHECKING:
    from collections.abc import Callable

ROOM: Final = 64 << 20
"""Bytes that a local disk has free, at least: the program needs some of it, too."""
FIRST_PAUSE, LAST_PAUSE = 0.5, 60.0
"""Seconds between the end of a process that copies before all is there, and the start of the next one."""
ROUNDS, PROBES = 3, 4
"""How often the journal's disk has to be slow, and the local one so many times fast right after it: where it is the
machine that is slow, or other threads, both are."""


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
        self._complained = False

    def spool(self, journal: HeldFile, seconds: float) -> HeldFile | None:
        """As `Relief`. A signal handler may come in the middle, and leave it by an exception."""
        took = 1000 * seconds
        spool: HeldFile | None = None
        try:
            spool = _local_file(journal)
            if spool is None:  # it is the machine that is slow, or nothing can be done about it
                return None
            self._begin(spool.path)
        except BaseException as error:
            if spool is not None:
                self._drop(spool)
            if not isinstance(error, OSError) or raised_by_handler(error):
                raise
            if self._forgotten:  # a forked child, whose parent goes on with this
                return None
            if not self._complained:
                self._complained = True
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
        """As `Relief`."""
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
        if self._forgotten:
            raise ChildProcessError
        mark_live(spool)
        mark(self._journal, spool)
        self._process = _start(self._journal, spool, self._python)
        self._thread = threading.Thread(target=self._keep, name="wandb_swan-spool", daemon=True)
        with contextlib.suppress(RuntimeError):  # no more threads: who copies is not started again
            self._thread.start()
            return
        self._thread = None

    def _drop(self, spool: HeldFile) -> None:
        """It is not used after all."""
        spool.closed = True
        spool.give_back()
        if self._forgotten:
            return
        unmark(self._journal)
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


def _local_file(journal: HeldFile) -> HeldFile | None:
    """A new file in a folder of its own, on a local disk that is faster than the journal's; None: there is none now.

    Raises OSError where there might be one.
    """
    trouble = None
    if not Path("/proc/self/stat").exists():  # who lives is not told for sure
        return None
    # Not `tempfile.gettempdir()`: what it finds, it keeps for the program.
    for place in dict.fromkeys([os.environ.get("TMPDIR") or "/tmp", "/var/tmp"]):
        try:
            file = _file_in(place, journal)
        except OSError as error:
            if raised_by_handler(error):
                raise
            trouble = trouble or error
        else:
            if file is not None:
                return file
    if trouble is not None:
        raise trouble
    return None


def _file_in(place: str, journal: HeldFile) -> HeldFile | None:
    """The same in one place. Raises OSError where it is full or has no locks."""
    import fcntl

    disk = os.statvfs(place)
    if disk.f_bavail * disk.f_frsize < ROOM:
        raise OSError(f"{place} is full")
    me = os.getpid()  # a signal handler may fork: the folder is the parent's
    folder, file, good = Path(tempfile.mkdtemp(prefix="wandb-swan-", dir=place)), None, False
    try:
        file = HeldFile(folder / "spooled.journal")
        fcntl.flock(file.fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        fcntl.flock(file.fd, fcntl.LOCK_UN)
        good = all(not journal.is_fast() and all(file.is_fast() for _ in range(PROBES)) for _ in range(ROUNDS))
        return file if good else None
    finally:
        if not good:
            if file is not None:
                file.give_back()
            if os.getpid() == me:
                shutil.rmtree(folder, ignore_errors=True)
