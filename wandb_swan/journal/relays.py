"""The sign of life of a relay: a small file in each folder that it looks after, which trainers ask for.

It decides nothing of a journal: who takes one for a live relay's loses a mirror of their own that they could have had,
and sees so when they wait for it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from pathlib import Path
from typing import Final

from ..versions import installed
from .fields import IdentityFields, usable
from .life import SILENCE, identity, lives

LOOK: Final = 10.0
"""Seconds between two signs of life of a relay."""
MISSED: Final = 60.0
"""Seconds without one after which a relay that cannot be looked at from here counts as dead: its file's time may come
late through a network file system."""
_NAME: Final = ".relay-{}.json"


class RelaySign:
    """The file by which this process, a relay, shows in one folder that it lives."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        me = identity()
        host = re.sub(r"[^\w.\-]", "_", me["host"])[:100]
        self._path = folder / _NAME.format(f"{host}-{me['pid']}")
        self._content = {**me, "wandb_swan": installed("wandb-swan")}
        self._shown_at: float | None = None

    def show(self) -> None:
        """Says at most every `LOOK` seconds that the folder was looked at just now. Raises OSError."""
        now = time.monotonic()
        if self._shown_at is not None and now - self._shown_at < LOOK:
            return
        if self._shown_at is None:
            _clear(self._folder)
        content = json.dumps({**self._content, "time": time.time()}).encode()
        # In its place, not beside it: the name stays, and a reader of a half of it looks again.
        with os.fdopen(os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o644), "wb") as file:
            file.write(content)
            file.truncate()
        self._shown_at = now

    def remove(self) -> None:
        """Nobody waits for this relay any more."""
        with contextlib.suppress(OSError):
            self._path.unlink()


def relay_at(journals: Path, now: float | None = None) -> IdentityFields | None:
    """The relay that looks after a folder of journals, or after the log directory that it is in; None: none is seen.

    `now` is the time, in seconds since the epoch, by the clock of the file system; this machine's if not given.
    """
    folders = [journals, journals.parent] if journals.name == "journals" else [journals]
    for folder in folders:
        for path in _signs(folder):
            who = _alive(path, now, MISSED)
            if who is not None:
                return who
    return None


def _signs(folder: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return list(folder.glob(_NAME.format("*")))
    return []


def _alive(path: Path, now: float | None, silence: float) -> IdentityFields | None:
    found: object = None
    try:
        age = (time.time() if now is None else now) - path.stat().st_mtime
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    who = usable(IdentityFields, found)
    if "pid" not in who:
        return None
    alive = lives(who)
    return who if alive or (alive is None and age < silence) else None


def _clear(folder: Path) -> None:
    """Takes away what relays have left that were killed."""
    for path in _signs(folder):
        if _alive(path, None, SILENCE) is None:
            with contextlib.suppress(OSError):
                path.unlink()
