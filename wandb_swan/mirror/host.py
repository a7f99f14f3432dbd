"""The host of mirrors: imports what they need once, in one thread, and forks one for each journal it is asked for.

It never mirrors itself, so that each mirror starts as clean as it is after its imports. It ends with the last program
that has asked it, and when none has asked for a while: a mirror that runs for weeks has little in common with it by
then, and needs no host. What is left in its folder (`capture.host` says what there is) goes with it.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import json
import logging
import os
import select
import shutil
import signal
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from ..atomic_file import write_whole
from ..capture.host import folders
from ..capture.process import name_process
from ..journal.life import process_of
from .priority import give_way

IDLE = 10.0
"""Seconds without a question after which a host gives its memory back."""
LOOK = 1.0
"""Seconds between two looks at those programs, where Linux does not tell of their end (before 5.3)."""
FORGOTTEN = 86_400.0
"""Seconds after which the folder of a host that was killed is removed."""
_UNUSED = ("attr", "simplejson", "tornado")
"""What rich, requests and tenacity import where it is installed, and no mirror uses: 1.5 MB."""

_ends_with: int | None = None
"""The exit code of a forked mirror."""


def _end() -> None:
    """The last thing that a forked mirror does: its interpreter is not taken down, which would write into every page
    that is shared, for as much processor time as a short run takes."""
    if _ends_with is not None:
        logging.shutdown()
        with suppress(Exception):
            sys.stderr.flush()
        os._exit(_ends_with)


class Asked(NamedTuple):
    """A mirror that somebody wants."""

    file: Path
    """The name of what was asked: its answers have other suffixes."""
    arguments: list[str]
    log: str
    cwd: str | None

    def run(self) -> int:
        """In the forked child: what a mirror of its own Python does. Returns the exit code."""
        global _ends_with
        from ..swan.sdk.probe import keep_requirements
        from .process import main

        keep_requirements(self.file.parent)
        _ends_with = 1
        try:
            _ends_with = main(self.arguments)
        except SystemExit as end:
            _ends_with = end.code if isinstance(end.code, int) else 1
        except BaseException:
            traceback.print_exc()
        with suppress(OSError):  # who waits takes it for killed, and looks at the status
            write_whole(self.file.with_suffix(".code"), str(_ends_with))
        return _ends_with

    def become(self) -> None:
        """Makes the forked child what a started process is: session, output, working folder, name."""
        os.setsid()
        me = process_of(os.getpid())
        self.answer(os.getpid(), me.started if me is not None else 0)
        if self.cwd is not None:
            with suppress(OSError):  # it may be gone
                os.chdir(self.cwd)
                os.environ["PWD"] = self.cwd
        with suppress(OSError):  # it was there when the mirror was asked for
            descriptor = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            for standard in (1, 2):
                os.dup2(descriptor, standard)
            os.close(descriptor)

    def answer(self, pid: int, started: int) -> None:
        """Says which process the mirror is; 0: there is none."""
        with suppress(OSError):  # a full disk: who asked finds the mirror at its journal
            write_whole(self.file.with_suffix(".pid"), f"{pid} {started}")


class _Program:
    """A process that has asked for mirrors."""

    def __init__(self, pid: int, started: int) -> None:
        self._pid, self._started = pid, started
        self.descriptor = -1
        """Readable when the process has ended."""
        with suppress(OSError, AttributeError):
            self.descriptor = os.pidfd_open(pid)

    @property
    def lives(self) -> bool:
        process = process_of(self._pid)
        return process is not None and process.started == self._started and process.runs


class Host:
    """The host of one folder."""

    def __init__(self, folder: Path, lock: int) -> None:
        """`lock` is the descriptor of the folder's lock, which is held. Raises OSError where there is no bell."""
        self._folder = folder
        self._programs: dict[tuple[int, int], _Program] = {}
        self._asked_at = time.monotonic()
        self._bell = os.open(folder / "bell", os.O_RDWR | os.O_NONBLOCK)
        self._ended, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._own = [lock, self._bell, self._ended, wake]
        """What no mirror is to have."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)

    def run(self) -> Asked | None:
        """Forks mirrors until none is wanted any more. Returns None then; and in each forked child, what it is for."""
        _import_all()
        with suppress(OSError, AttributeError):  # no glibc
            ctypes.CDLL(None).malloc_trim(0)
        # The collector would write into every page that is shared; what it would free now, each mirror would fill.
        gc.freeze()
        while True:
            asked = self._take()
            if asked is not None:
                return asked
            self._look()
            if not self._wanted():
                return None
            poll = select.poll()
            for descriptor in (self._bell, self._ended, *(one.descriptor for one in self._programs.values())):
                if descriptor >= 0:
                    poll.register(descriptor, select.POLLIN)
            poll.poll(LOOK * 1000)
            for descriptor in (self._bell, self._ended):
                with suppress(BlockingIOError):
                    os.read(descriptor, 65536)

    def _take(self) -> Asked | None:
        """Forks for everything that is asked. Returns what it is in a forked child."""
        for path in sorted(self._folder.glob("*.ask")):
            try:
                wanted = json.loads(path.read_text("ascii"))
                path.unlink()
            except (OSError, ValueError):  # taken back; or not ours
                continue
            self._asked_at = time.monotonic()
            who = wanted["trainer"]["pid"], wanted["trainer"]["started"]
            if who not in self._programs:
                self._programs[who] = _Program(*who)
            if "arguments" not in wanted:
                continue
            asked = Asked(path, wanted["arguments"], wanted["log"], wanted["cwd"])
            if self._fork(asked):
                return asked
        return None

    def _fork(self, asked: Asked) -> bool:
        """Whether this is the child."""
        try:
            pid = os.fork()
        except OSError:  # the same will be said by a mirror that is started otherwise
            asked.answer(0, 0)
            return False
        if pid:
            return False
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for descriptor in (*self._own, *(one.descriptor for one in self._programs.values())):
            if descriptor >= 0:
                os.close(descriptor)
        asked.become()
        return True

    def _look(self) -> None:
        """Sees which mirrors and programs have ended."""
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        for who, program in list(self._programs.items()):
            if not program.lives:
                del self._programs[who]
                if program.descriptor >= 0:
                    os.close(program.descriptor)

    def _wanted(self) -> bool:
        return bool(self._programs) and time.monotonic() - self._asked_at < IDLE

    def leave(self) -> None:
        """Ends the host. Who has just asked finds no folder, and what was asked in it back in a new one."""
        gone = self._folder.with_name(f"{self._folder.name}.{os.getpid()}")
        self._folder.rename(gone)
        for path in gone.glob("*.ask"):
            self._folder.mkdir(mode=0o700, exist_ok=True)
            path.rename(self._folder / path.name)
        shutil.rmtree(gone, ignore_errors=True)


def _import_all() -> None:
    """What the mirror of a plain run imports on its way."""
    modules: dict[str, ModuleType | None] = sys.modules  # type: ignore[assignment]
    hidden = dict.fromkeys(name for name in _UNUSED if name not in modules)
    modules.update(hidden)  # an import of them fails
    from ..parity import readback  # noqa: F401
    from ..swan import sink, target  # noqa: F401
    from ..swan.sdk import deferred, probe, quick_config, whole_settings
    from . import process  # noqa: F401

    probe.preload()
    quick_config.install()
    whole_settings.read_once()
    deferred.load_what_is_needed_here()
    for name in hidden:
        del modules[name]


def _sweep() -> None:
    """Removes what hosts that were killed have left."""
    with suppress(OSError):
        for folder in folders().iterdir():
            with suppress(OSError):
                if time.time() - folder.stat().st_mtime > FORGOTTEN:
                    _remove(folder)


def _remove(folder: Path) -> None:
    """Removes the folder of a host if there is none. Raises OSError where one is."""
    import fcntl

    with (folder / "lock").open("r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder)


def main(arguments: list[str]) -> int:
    """The host: `FOLDER DESCRIPTOR`, the descriptor of its lock; and each mirror that it forks.

    It is no child of the program that has started it, which has nothing to wait for then.
    """
    if os.fork():
        os._exit(0)
    name_process("swan-host")
    atexit.register(_end)  # before all others: it comes after them
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    give_way()
    folder, lock = Path(arguments[0]), int(arguments[1])
    with suppress(OSError):
        os.chdir(folder)
    host = Host(folder, lock)
    asked = host.run()
    if asked is not None:
        return asked.run()
    host.leave()
    _sweep()
    return 0
