"""Who is alive: the process that writes a journal, told from here or from another machine.

A process is found again by its pid, its start time (a reused pid is another process), the kernel's boot id and the pid
namespace. Where another kernel or container hides it, the journal itself is the sign: as long as it grows, somebody
writes it. Two empty files beside a journal say the rest: `.live` is there from the run's start and becomes `.ended`
when its process has closed the journal; a rename needs no room on a disk that is full. A third one, `.spool`, says
that the journal's last records are not there yet, and where they are (`spool`).
"""

from __future__ import annotations

import contextlib
import os
import platform
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from .fields import IdentityFields, usable
from .reader import begin_note

SILENCE = 300.0
"""Seconds without a sign of life after which a process that cannot be looked at from here counts as dead."""
BEAT = 30.0
"""Seconds without a record after which a run whose mirror is elsewhere gives a sign of life."""


def identity() -> IdentityFields:
    """This process, so that any other can tell whether it still lives: JSON values, no secrets."""
    process = process_of(os.getpid())
    return {
        "pid": os.getpid(),
        "started": process.started if process else None,
        "boot": boot(),
        "namespace": _namespace(),
        "host": platform.node(),
        "time": time.time(),
    }


def lives(who: Mapping[str, object]) -> bool | None:
    """Whether the process of an `identity` lives; None: that cannot be seen from here."""
    pid = who.get("pid")
    if not isinstance(pid, int) or pid <= 0:
        return None
    if who.get("boot"):
        if (who["boot"], who.get("namespace")) != (boot(), _namespace()):
            return None
        process = process_of(pid)
        if process is not None:
            return process.started == who.get("started") and process.runs
        return False if _gone(pid) else None  # there, but hidden from us (hidepid)
    if who.get("host") != platform.node():
        return None
    return _lives_without_proc(pid, who.get("time"))


def _gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        return False
    return False


def _lives_without_proc(pid: int, seen: object) -> bool | None:
    """macOS, Windows: a process that began after its identity was noted is another one with the same pid."""
    if not isinstance(seen, (int, float)):
        return None  # noted by an older version
    try:
        import psutil

        process = psutil.Process(pid)
        begun_before = process.create_time() <= seen + 2.0
        return bool(begun_before and process.status() != psutil.STATUS_ZOMBIE)
    except ImportError:
        return None
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return None


class Process(NamedTuple):
    """What /proc says of a process."""

    state: str
    started: int
    """Clock ticks after the boot."""

    @property
    def runs(self) -> bool:
        """Whether it has not ended: a zombie has."""
        return self.state not in "ZX"


def process_of(pid: int) -> Process | None:
    """A process of this kernel; None where there is none, or no /proc."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
        fields = stat[stat.rindex(b")") + 1 :].split()  # the name before may hold anything (proc(5))
        return Process(fields[0].decode(), int(fields[19]))
    except (OSError, ValueError, IndexError):
        return None


@lru_cache(maxsize=1)
def boot() -> str:
    """Which start of which kernel this is; "" where it does not say."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    return ""


@lru_cache(maxsize=1)
def _namespace() -> str:
    with contextlib.suppress(OSError):
        return os.readlink("/proc/self/ns/pid")
    return ""


def mark_live(journal: Path) -> None:
    """Says that a process writes this journal. Raises OSError."""
    journal.with_suffix(".live").touch(mode=0o600)


def clock_ahead(journal: Path) -> float:
    """Seconds that the clock of the journal's file system is ahead of ours, told right after `mark_live`; 0.0 if it
    does not say."""
    with contextlib.suppress(OSError):
        return journal.with_suffix(".live").stat().st_mtime - time.time()
    return 0.0


def mark_ended(journal: Path) -> bool:
    """Says that nobody writes this journal any more. Returns whether that could be said."""
    if not _is_there(journal, else_=True):  # removed, perhaps with its folder, which may be there anew
        return False
    ended = journal.with_suffix(".ended")
    with contextlib.suppress(OSError):
        journal.with_suffix(".live").replace(ended)
        with contextlib.suppress(OSError):
            os.utime(ended)
        return True
    with contextlib.suppress(OSError):
        ended.touch(mode=0o600)
        return True
    return False


def ended_before(journal: Path) -> float | None:
    """How many seconds ago its process closed a journal; None: it did not, or nobody can say."""
    with contextlib.suppress(OSError):
        return max(0.0, time.time() - journal.with_suffix(".ended").stat().st_mtime)
    return None


def is_spooled(journal: Path) -> bool:
    """Whether records of a journal are still on their way to it; `.ended` comes when the last one is there."""
    spooled = _is_there(journal.with_suffix(".spool"), else_=True)
    return spooled and not _is_there(journal.with_suffix(".ended"), else_=False)


def remove_marks(journal: Path) -> None:
    for suffix in (".live", ".ended", ".spool"):
        with contextlib.suppress(OSError):
            journal.with_suffix(suffix).unlink()


def _is_there(path: Path, *, else_: bool) -> bool:
    """Whether a file is there; `else_` where the file system does not say (EIO, ESTALE)."""
    try:
        return path.exists()
    except OSError:
        return else_


class Trainer:
    """The process that writes one journal."""

    def __init__(self, journal: Path, who: Mapping[str, object]) -> None:
        """`who` is the process's `identity`, from the journal's begin note."""
        self._journal = journal
        self._who = who
        self._seen: tuple[int, int] | None = None
        self._changed = 0.0
        self.certain = True
        """Whether the last `may_write` was known, not concluded from silence."""

    @classmethod
    def of(cls, journal: Path) -> Trainer:
        """The process that the journal's begin note names."""
        who: object = None
        with contextlib.suppress(OSError):
            who = begin_note(journal).get("trainer")
        return cls(journal, usable(IdentityFields, who))

    @property
    def host(self) -> str:
        """The name of its machine; "" where the journal does not say."""
        return str(self._who.get("host") or "")

    @property
    def known(self) -> bool:
        """Whether the journal says who it is: its first note comes a moment after its name."""
        return bool(self._who)

    def runs(self) -> bool:
        """Whether the process is seen to live, whatever it does with the journal."""
        return lives(self._who) is True

    def is_gone(self) -> bool:
        """Whether the process is seen not to live, even if records of it are on their way."""
        return lives(self._who) is False

    def may_write(self) -> bool:
        """Whether the journal can still grow."""
        self.certain = True
        if _is_there(self._journal.with_suffix(".ended"), else_=False):
            return False
        alive = lives(self._who)
        # Whoever has spooled records and died, another process brings them, on the same machine.
        if alive or (alive is not None and not is_spooled(self._journal)):
            return alive
        if alive is None and not _is_there(self._journal.with_suffix(".live"), else_=True):
            return False
        self.certain = False
        return self.silent_for() < SILENCE

    def silent_for(self) -> float:
        """Seconds since the journal last grew, as far as it can be seen from here."""
        try:
            stat = self._journal.stat()
        except OSError:
            return time.monotonic() - self._changed if self._seen else SILENCE
        now = stat.st_size, stat.st_mtime_ns
        if now != self._seen:
            age = max(0.0, time.time() - stat.st_mtime) if self._seen is None else 0.0
            self._seen, self._changed = now, time.monotonic() - age
        return time.monotonic() - self._changed
