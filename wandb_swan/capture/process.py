"""Mirror processes: how one is started, and the lock that says whether one is at a journal."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

BUSY = 3
"""The mirror's exit code when another process has the journal."""

HELD_SIGNALS = {signal.SIGTERM, signal.SIGUSR1} if sys.platform != "win32" else set()
"""Signals that wait until a starting mirror can take them: by default they would kill it."""


def start(journal: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Starts `wandb_swan.mirror` on a journal. Raises OSError; BlockingIOError if a mirror is at it."""
    if not sys.executable:
        raise OSError("this Python does not say where its executable is")
    # The same import path as the trainer, but its script folder last: a `random.py` beside it must not be ours.
    script, rest = sys.path[:1], sys.path[1:]
    lock = locked(journal)
    if lock is not None:
        arguments = (*arguments, "--lock", str(lock))
    code = (
        f"import sys; sys.path[:] = {[*rest, *script]!r}; from wandb_swan.mirror import main; "
        f"sys.exit(main({[str(journal), *arguments]!r}))"
    )
    environment = {**os.environ, "WANDB_SWAN": "0"}
    log = -1
    try:
        log = os.open(journal.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with _signals_held():
            return subprocess.Popen(
                [sys.executable, "-c", code],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
                pass_fds=() if lock is None else (lock,),
            )
    finally:
        for opened in (log, -1 if lock is None else lock):
            if opened >= 0:
                os.close(opened)


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """A process that is started here inherits `HELD_SIGNALS` blocked."""
    if not HELD_SIGNALS:
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def locked(journal: Path) -> int | None:
    """A descriptor that holds the journal's lock, for the mirror to inherit: at no time does nobody hold it.

    None where there are no locks. Raises BlockingIOError if a mirror is at it.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    lock = os.open(journal, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise
    except OSError:  # a file system without locks
        os.close(lock)
        return None
    return lock


def is_live(journal: Path) -> bool:
    """Whether a mirror holds the journal now."""
    try:
        lock = locked(journal)
    except BlockingIOError:
        return True
    except OSError:
        return False
    if lock is not None:
        os.close(lock)
    return False
