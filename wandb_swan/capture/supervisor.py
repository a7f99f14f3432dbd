"""A mirror kept at its journal as long as the run lives: one that dies is started again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from ..journal.claim import mirror_at
from ..journal.status import is_whole, read_status
from .interpreter import Interpreter
from .mirrors import BUSY, MirrorProcess, start
from .process import let_go

FIRST_PAUSE, LAST_PAUSE = 1.0, 300.0
"""Seconds between the end of a mirror during its run and the start of the next one."""
LOOKS = 20
"""Seconds for which a mirror that has been started is looked at: whether the user has to do something."""
FIRST_LOOK, LAST_LOOK = 0.002, 0.05
"""Seconds between two looks at a mirror whose run is over."""
LAST_TRIES = 2
"""How often a mirror that is killed after the end of its run is started again."""


class Supervisor:
    """Keeps a mirror at the journal of a live run: one that dies is started again, after a growing pause."""

    def __init__(
        self, journal: Path, tell: Callable[[str], None] = lambda _: None, interpreter: Interpreter | None = None
    ) -> None:
        """`tell` says to the user, early, what keeps the mirror from its work and they can put right; `interpreter` is
        the mirror's Python, this one if none is given."""
        self._journal = journal
        self._interpreter = interpreter
        self._tell = tell
        self._process: MirrorProcess | None = None
        self._over = threading.Event()
        self._done = threading.Event()
        self._thread: threading.Thread | None = None
        self._tries = 0
        self.trouble: OSError | None = None
        """Why the last mirror could not be started; None: it could."""

    def start(self) -> None:
        """Starts the mirror, and a thread that sleeps until it ends and starts the next one.

        Raises OSError if no mirror can be started now.
        """
        self._start()
        self._thread = threading.Thread(target=self._watch_all, name="wandb_swan-mirror", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # no more threads; from Python 3.12 on none at the interpreter's exit
            self._thread = None
        if self.trouble is not None:
            raise self.trouble

    def _start(self) -> None:
        try:
            self._process, self.trouble = start(self._journal, self._interpreter), None
        except OSError as error:  # no process or no descriptor to be had: the next time
            self.trouble = error

    @property
    def at_work(self) -> bool:
        """Whether a mirror is at the journal, or on its way to it."""
        process = self._process
        return (process is not None and process.poll() is None) or mirror_at(self._journal) is not None

    def forget(self) -> None:
        """In a forked child: the mirror is the parent's to wait for."""
        process, self._process = self._process, None
        if process is not None:
            let_go(process)

    def run_is_over(self) -> None:
        """The journal is complete: a mirror that is killed now is started again at once, one that fails is not."""
        self._over.set()

    def wait(self, seconds: float) -> bool:
        """Waits for the mirror's end, at most so long. Returns whether it ended. KeyboardInterrupt passes."""
        if self._thread is None:
            return self._watch(time.monotonic() + seconds)
        if not self._done.wait(seconds):
            return False
        self._thread.join(1.0)  # no thread is left behind
        return True

    def _watch_all(self) -> None:
        try:
            self._look()
            self._watch()
        finally:
            self._done.set()

    def _look(self) -> None:
        """Looks once a second, until the SwanLab run is there."""
        for _ in range(LOOKS):
            ended = self._over.wait(1.0) or self._process is None or self._process.poll() is not None
            status = read_status(self._journal)
            obstacle = status.get("obstacle")
            if obstacle and not self._over.is_set():  # else it is told at the end
                self._tell(obstacle)
            if obstacle or ended or status.get("state") == "running":
                return

    def _watch(self, deadline: float = float("inf")) -> bool:
        """Until nothing is left to do; False if `deadline` (monotonic) comes first."""
        pause = FIRST_PAUSE
        while True:
            if self._process is not None:
                code = self._wait(self._process, deadline)
                if code is None:
                    return False
                self.trouble = getattr(self._process, "trouble", None)
                self._process = None
                if self.trouble is not None and not self._over.is_set():
                    self._tell(f"no mirror could be started ({self.trouble}), it is tried again")
                if self._over.is_set() and self._has_failed(code):
                    return True
            while mirror_at(self._journal) is not None:  # somebody typed `wandb-swan resume`
                if time.monotonic() > deadline:
                    return False
                time.sleep(0.2)
            if self._over.wait(min(pause, max(0.0, deadline - time.monotonic()))):
                self._tries += 1
                if self._nothing_left() or self._tries > LAST_TRIES:
                    return True
            elif time.monotonic() > deadline:
                return False
            if self.trouble is not None and self._over.is_set():
                time.sleep(FIRST_PAUSE)
            pause = min(2 * pause, LAST_PAUSE)
            self._start()

    def _wait(self, process: MirrorProcess, deadline: float) -> int | None:
        """The exit code of a mirror; None: `deadline` came first. Looked at once a second, at its end often."""
        pause = FIRST_LOOK
        while (code := process.poll()) is None:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            if self._over.is_set():
                time.sleep(min(pause, left))
                pause = min(1.3 * pause, LAST_LOOK)
            else:
                self._over.wait(min(1.0, left))
        return code

    def _has_failed(self, code: int) -> bool:
        """Whether a mirror has ended by itself and could not bring its run to the end."""
        if code <= 0:  # nobody knows the code where the program ignores SIGCHLD, or the mirror's host has ended
            return read_status(self._journal).get("state") == "failed"
        return code != BUSY

    def _nothing_left(self) -> bool:
        return is_whole(self._journal) or read_status(self._journal).get("state") == "empty"
