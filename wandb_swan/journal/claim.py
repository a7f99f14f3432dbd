"""One process at a thing: a file beside a journal that names its mirror, made so that only one process can make it.

No file lock: Linux NFS, FUSE and cluster file systems refuse locks, keep them to one host, or forget them. A file that
must not exist yet can be made by one process only on all of them, and what it says (who, on which machine, last sign of
life) lets others find out that its maker has died. A question takes nothing: it reads.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
import uuid
from pathlib import Path

from .fields import IdentityFields, usable
from .life import SILENCE, identity, lives

HEARTBEAT = 10.0
"""Seconds between two signs of life of a mirror."""


def mirror_at(journal: Path) -> IdentityFields | None:
    """The identity of the process that mirrors a journal now; None if there is none."""
    return _holder(journal.with_suffix(".mirror"))


def _holder(path: Path) -> IdentityFields | None:
    try:
        content = path.read_bytes()
        age = time.time() - path.stat().st_mtime
    except OSError:
        return None
    found: object = None
    with contextlib.suppress(ValueError, RecursionError):
        found = json.loads(content)
    who = usable(IdentityFields, found)
    alive = lives(who)
    return who if alive or (alive is None and age < SILENCE) else None


def clear_dead(journal: Path) -> None:
    """Takes away what a mirror of this machine has left that was killed: other machines would wait for it."""
    with contextlib.suppress(OSError):
        path = journal.with_suffix(".mirror")
        if path.exists() and _holder(path) is None:
            Claim(path).clear()


class Claim:
    """A right that this process holds until `release` or its death: to mirror a journal, or to write a manifest."""

    def __init__(self, path: Path) -> None:
        """`path` is the file that says who has it; `Claim.of` for a journal."""
        self._path = path
        self._mine = b""
        """What the file says: an inode number may be given to another file."""
        self._released = threading.Event()
        self.lost = False
        """Whether another process has taken it, because this one seemed dead for too long."""

    @classmethod
    def of(cls, journal: Path) -> Claim:
        """The right to mirror a journal."""
        return cls(journal.with_suffix(".mirror"))

    def take(self) -> bool:
        """Whether it is ours now; False: another process has it.

        Raises OSError where no file can be made, or that of a dead process stays.
        """
        for _ in range(3):
            if self._make():
                threading.Thread(target=self._beat, name="wandb_swan-claim", daemon=True).start()
                return True
            if _holder(self._path) is not None:
                return False
            self.clear()
        return False

    def _make(self) -> bool:
        """Makes the file with its content at one stroke; False if it exists. Raises OSError."""
        name = uuid.uuid4().hex
        mine = json.dumps({**identity(), "claim": name}).encode()
        fresh = self._path.with_name(f"{self._path.name}-{name}")
        try:
            fresh.write_bytes(mine)
            try:
                os.link(fresh, self._path)
            except FileExistsError:
                return False
            except OSError:  # a file system without links: the content comes a moment after the name
                with self._path.open("xb") as file:
                    file.write(mine)
        except FileExistsError:
            return False
        finally:
            with contextlib.suppress(OSError):
                fresh.unlink()
        self._mine = mine
        return True

    def clear(self) -> None:
        """Takes away what a dead process left: of several who try, the rename succeeds for one. Raises OSError."""
        stale = self._path.with_name(f"{self._path.name}-{uuid.uuid4().hex}")
        try:
            self._path.rename(stale)
        except FileNotFoundError:
            return
        with contextlib.suppress(OSError):
            if _holder(stale) is not None:  # another one was faster, and has made its own
                os.link(stale, self._path)
            stale.unlink()

    def _beat(self) -> None:
        while not self._released.wait(HEARTBEAT):
            self.check()

    def check(self) -> None:
        """Gives a sign of life, and sees whether the claim still is ours."""
        try:
            if self._path.read_bytes() != self._mine:
                self.lost = True
                return
            os.utime(self._path)
        except FileNotFoundError:
            # Somebody took the folder's files away; whoever claims next is one, be it we.
            with contextlib.suppress(OSError):
                self.lost = not self._make()
        except OSError:
            pass  # the file system will answer again

    def release(self) -> None:
        """Gives it back."""
        self._released.set()
        with contextlib.suppress(OSError):
            if self._mine and self._path.read_bytes() == self._mine:
                self._path.unlink()
