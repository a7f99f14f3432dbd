"""How a mirror is started: forked by a host that has imported what it needs, or else as a Python of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ..journal.handlers import own_errors_suppressed
from ..journal.life import process_of
from .host import Meeting
from .interpreter import Interpreter, this_python
from .process import DEFER, start_python

BUSY = 3
"""The mirror's exit code when another process has the journal."""
KILLED = -int(signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
"""What counts as the exit code of a forked mirror that has left none: it was killed, or its host had ended before."""
CALL_AGAIN, PATIENCE = 0.5, 30.0
"""Seconds between two calls for a host that has not answered, and in which it has to."""


class MirrorProcess(Protocol):
    """A mirror as who has started it sees it: what of a `subprocess.Popen` is used."""

    returncode: int | None

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...


def start(
    journal: Path, interpreter: Interpreter | None = None, *, maps: Sequence[str] = (), mode: str | None = None
) -> MirrorProcess:
    """Starts `wandb_swan.mirror.process` on a journal, with `--map` for each of `maps`, in SwanLab's `mode`.

    Raises OSError, as `start_python` does.
    """
    interpreter = interpreter or Interpreter(this_python(), own=True)
    given = [str(journal), *(f"--map={way}" for way in maps), *([f"--mode={mode}"] if mode else [])]
    log = journal.with_suffix(".log").absolute()
    with own_errors_suppressed(OSError, ValueError, AttributeError):  # no place to meet a host, or none to be had
        os.close(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
        return _Forked(Meeting(interpreter), given, log, interpreter)
    return _cold(given, log, interpreter)


def prepare(interpreter: Interpreter) -> None:
    """Has a host import what the mirror of a run that starts soon will need. Raises OSError where there is none."""
    meeting = Meeting(interpreter)
    meeting.ask()
    meeting.call(start=True)


def kill(process: MirrorProcess) -> None:
    """Ends a mirror and what SwanLab has started for it. A mirror minds no other signal; whoever comes next to the
    journal goes on where it was."""
    if isinstance(process, _Forked):
        process.withdraw()
    if process.poll() is None:
        if sys.platform == "win32":
            assert isinstance(process, subprocess.Popen)
            process.kill()
        else:
            with own_errors_suppressed(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)  # it leads a group of its own
    process.wait()


def _cold(given: Sequence[str], log: Path, interpreter: Interpreter) -> subprocess.Popen[bytes]:
    return start_python("wandb_swan.mirror.process", *given, log=log, before=DEFER, interpreter=interpreter)


class _Forked:
    """A mirror that a host is asked for; one of its own, where none answers. Read by looking: nothing is kept open."""

    def __init__(self, meeting: Meeting, given: Sequence[str], log: Path, interpreter: Interpreter) -> None:
        """Raises OSError where there is no host, and none can be started."""
        self.returncode: int | None = None
        self.trouble: OSError | None = None
        """Why no mirror could be started; None: one could, or that is not known yet."""
        self._given, self._log, self._interpreter = given, log, interpreter
        self._meeting = meeting
        self._mine: subprocess.Popen[bytes] | None = None
        self._pid = 0
        self._begun = 0
        self._asked = self._called = time.monotonic()
        cwd = None
        with own_errors_suppressed(OSError):  # it may be gone
            cwd = os.getcwd()  # noqa: PTH109  (a string)
        self._file = meeting.folder / meeting.ask(arguments=list(given), log=str(log), cwd=cwd)
        try:
            meeting.call(start=True)
        except BaseException:
            self._take_back()
            raise

    @property
    def pid(self) -> int:
        """The process id of the mirror; 0: there is none yet."""
        self.poll()
        return self._mine.pid if self._mine is not None else self._pid

    def poll(self) -> int | None:
        """The exit code, once the mirror has ended."""
        if self.returncode is not None:
            return self.returncode
        if self._mine is not None:
            self.returncode = self._mine.poll()
        elif not self._pid and not self._has_come():
            self._insist()
        elif not self._pid:  # the host got no process
            self._start_own()
        else:
            process = process_of(self._pid)
            dead = process is None or process.started != self._begun or not process.runs
            self.returncode = self._code()  # its last word: an interpreter takes its time to end
            if dead and self.returncode is None:
                self.returncode = KILLED
            if dead:  # as process 1 of a container we inherit it where its host has ended
                with own_errors_suppressed(ChildProcessError):
                    os.waitpid(self._pid, os.WNOHANG)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Waits for the end. Raises subprocess.TimeoutExpired."""
        deadline = float("inf") if timeout is None else time.monotonic() + timeout
        pause = 0.002
        while (code := self.poll()) is None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired(list(self._given), timeout or 0.0)
            time.sleep(min(pause, left))
            pause = min(1.5 * pause, 0.1)
        return code

    def withdraw(self) -> None:
        """Wants no mirror any more, if none has come."""
        if not self._pid and self._mine is None and not self._has_come() and self._take_back():
            self.returncode = KILLED

    def _has_come(self) -> bool:
        with own_errors_suppressed(OSError, ValueError):
            self._pid, self._begun = map(int, self._file.with_suffix(".pid").read_text("ascii").split())
            return True
        return False

    def _code(self) -> int | None:
        """The exit code that the mirror has left, if it has."""
        with own_errors_suppressed(OSError, ValueError):
            code = int(self._file.with_suffix(".code").read_text("ascii"))
            for suffix in (".pid", ".code"):
                with own_errors_suppressed(OSError):
                    self._file.with_suffix(suffix).unlink()
            return code
        return None

    def _take_back(self) -> bool:
        """Whether nobody had taken what was asked, and nobody will."""
        with own_errors_suppressed(OSError):
            self._file.with_suffix(".ask").unlink()
            return True
        return False

    def _insist(self) -> None:
        """Calls again where no mirror has come; after some time, or where the host has ended, starts one of its own."""
        now = time.monotonic()
        if now - self._called < CALL_AGAIN:
            return
        self._called = now
        will_come = False
        if now - self._asked < PATIENCE:
            with own_errors_suppressed(OSError):
                will_come = self._meeting.call(start=False)
        if will_come:
            return
        if self._take_back():
            self._start_own()
        elif now - self._asked > 2 * PATIENCE and not self._has_come():  # its host was killed on the way
            self.returncode = KILLED

    def _start_own(self) -> None:
        try:
            self._mine = _cold(self._given, self._log, self._interpreter)
        except OSError as error:
            self.trouble = error
            self.returncode = KILLED
