"""A folder of journals as a relay sees it: what is new costs a look, what is whole costs its directory entry."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ..journal.models import MirrorStatus
from .places import may_have_more

ALL = 10.0
"""Seconds between two looks at all names and sizes; between them a folder that says that nothing was put into it is
believed."""
_COARSE = 2.0
"""Seconds within which two changes of a folder may have the same time."""


class Known(NamedTuple):
    """A journal that needs no mirror."""

    size: int
    """Its bytes at that time: one that has grown goes on. -1: it is gone."""

    @classmethod
    def of(cls, journal: Path, maps: Sequence[tuple[str, str]] = ()) -> Known | None:
        """None: it needs one. `maps`: where folders of other machines are here (`places`)."""
        try:
            size = journal.stat().st_size
        except FileNotFoundError:
            return cls(-1)
        except OSError:  # the file system is away
            return None
        status = MirrorStatus.of(journal)
        if status.state == "empty" or (status.state == "finished" and status.size in (None, size)):
            return None if may_have_more(journal, status, maps) else cls(size)
        return None


class JournalFolder:
    """One folder that was given: a log directory with its `journals`, or a folder of journals."""

    def __init__(self, given: Path, maps: Sequence[tuple[str, str]] = ()) -> None:
        self.given = given
        self._maps = maps
        self._known: dict[Path, Known] = {}
        self._changed: dict[Path, int] = {}
        self._looked_at = float("-inf")

    def done(self, journal: Path, known: Known) -> None:
        """A journal needs no mirror any more."""
        if journal.parent in self._places():
            if known.size < 0:
                self._known.pop(journal, None)
            else:
                self._known[journal] = known

    def look(self) -> Iterator[Path]:
        """The journals that are not whole, as far as something has changed since the last look. Raises OSError."""
        now = time.monotonic()
        full = now - self._looked_at >= ALL
        for place in self._places():
            try:
                changed = place.stat().st_mtime_ns
            except FileNotFoundError:
                if place == self.given:
                    raise
                continue
            if full or changed != self._changed.get(place):
                yield from self._look_at(place)
                # A name that comes within the same tick of the clock does not change the folder's time.
                self._changed[place] = changed if time.time() - changed / 1e9 > _COARSE else 0
        if full:
            self._looked_at = now

    def _places(self) -> tuple[Path, ...]:
        return (self.given, self.given / "journals")

    def _look_at(self, place: Path) -> Iterator[Path]:
        found = set()
        with os.scandir(place) as entries:
            names = [(entry.name, entry) for entry in entries if entry.name.endswith(".journal")]
        for name, entry in names:
            journal = place / name
            found.add(journal)
            known = self._known.get(journal)
            size = -2
            with contextlib.suppress(OSError):
                size = entry.stat().st_size
            if known is not None and known.size == size:
                continue
            fresh = Known.of(journal, self._maps)
            if fresh is None:
                self._known.pop(journal, None)
                yield journal
            elif fresh.size >= 0:
                self._known[journal] = fresh
        for journal in [path for path in self._known if path.parent == place and path not in found]:
            del self._known[journal]
