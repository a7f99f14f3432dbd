"""The relay: one mirror process for each journal that is in some folders, or comes into them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..capture.mirrors import BUSY, MirrorProcess, kill, start
from ..capture.supervisor import FIRST_PAUSE, LAST_PAUSE
from ..exceptions import WandbSwanError
from ..journal.claim import clear_dead, mirror_at
from ..journal.life import SILENCE, Trainer
from ..journal.models import MirrorStatus
from ..journal.paths import begun, earlier_journals, shown
from ..journal.relays import RelaySign
from ..journal.status import failure, outcome
from .folder import JournalFolder, Known
from .places import read_maps

TURN = 1.0
"""Seconds between two looks."""
DRAIN = 20.0
"""Seconds that mirrors have, when the relay is to end, to take what there is."""
OFFLINE_PAUSE = 3600.0
"""The longest time between two tries of a run that has ended and goes to no server."""
ELSEWHERE = 5.0
"""Seconds after which a journal that another process mirrors is looked at again."""

Tell = Callable[[Mapping[str, Any]], None]
"""Takes what has happened: `event`, and what belongs to it; see `Relay.__init__`."""


@dataclass
class Follow:
    """A journal that is not whole, and what the relay does for it."""

    journal: Path
    trainer: Trainer
    seen: float
    """When (monotonic) it came."""
    process: MirrorProcess | None = None
    live: bool = True
    """Whether its run could go on, at the last look."""
    failures: int = 0
    """Mirrors that ended without having finished it, one after the other."""
    again: float = 0.0
    """When (monotonic) a mirror may be started, at the earliest."""
    told: str = ""
    """What was said of it last, so that nothing is said twice."""
    wanted: int = 0
    """How many bytes of a live run's journal are still taken where the relay is to end."""

    def wait_after_failure(self) -> float:
        """Notes a failure. Returns the seconds until the next try, which grow.

        Each try of an ended run that goes to no server leaves a folder: more than one an hour would help nobody.
        """
        last = LAST_PAUSE if self.live or MirrorStatus.of(self.journal).mode == "online" else OFFLINE_PAUSE
        pause = min(FIRST_PAUSE * 2.0 ** min(self.failures, 20), last)
        self.failures += 1
        self.again = time.monotonic() + pause
        return pause


class Relay:
    """Follows the journals of some folders."""

    def __init__(self, folders: Sequence[Path], *, workers: int, maps: Sequence[str], tell: Tell) -> None:
        """`tell` gets a mapping for each thing that happens: `event` is one of relay, folder, follow, finished, failed,
        busy, wait, left, end; `text` a sentence of it; `journal` its path where it is about one.

        Raises:
            WandbSwanError: one of `maps`, as `places.read_maps` takes them, is none.
        """
        self._ways = read_maps(maps)
        self._folders = [JournalFolder(folder, self._ways) for folder in folders]
        self._signs = [RelaySign(folder) for folder in folders]
        self._workers = workers
        self._maps = maps
        self._tell = tell
        self._stop = threading.Event()
        self._signals = 0
        self._blind: set[str] = set()
        """Troubles with folders that were told."""
        self._waiting = 0
        self.followed: dict[Path, Follow] = {}
        """Every journal that is not whole."""
        self._left: set[Path] = set()
        """With `once`: those that no mirror is started for any more."""

    def stop(self) -> None:
        """Ends `run`: the first time after a drain, the second time at once. From a signal handler, too."""
        self._signals += 1
        self._stop.set()

    def run(self, *, once: bool = False, each_turn: Callable[[], None] = lambda: None) -> int:
        """Follows journals until `stop`; `once`: until all that was there has been taken.

        Returns 0, or 1 where `once` has left a run that has ended and is not whole in SwanLab.
        """
        where = ", ".join(shown(folder.given) for folder in self._folders)
        many = f"{self._workers} mirrors" if self._workers > 1 else "1 mirror"
        self._say("relay", f"relay of {where}, at most {many} at once", folders=[str(f.given) for f in self._folders])
        try:
            while not self._stop.is_set():
                self._show()
                self._look()
                self._reap(once=once)
                self._start_some(once=once)
                each_turn()
                if once:
                    self._leave_live_ones()
                    if self._left.issuperset(self.followed):
                        break
                self._stop.wait(TURN / 5 if once else TURN)
            if self._signals:
                self._drain(each_turn)
            return self._end(once=once)
        finally:
            for sign in self._signs:
                sign.remove()

    # -- one turn --------------------------------------------------------------------------------------------------

    def _show(self) -> None:
        for sign, folder in zip(self._signs, self._folders, strict=True):
            self._told_once(sign.show, f"{shown(folder.given)}: trainers cannot see that a relay is here")

    def _look(self) -> None:
        for folder in self._folders:
            self._told_once(partial(self._take, folder), f"{shown(folder.given)} cannot be read")

    def _told_once(self, step: Callable[[], None], what: str) -> None:
        try:
            step()
        except OSError as error:  # a network file system that is away, or no right to write
            if what not in self._blind:
                self._blind.add(what)
                self._say("folder", f"{what} ({error.strerror or error})")
        else:
            if what in self._blind:
                self._blind.remove(what)

    def _take(self, folder: JournalFolder) -> None:
        for journal in folder.look():
            if journal not in self.followed:
                self.followed[journal] = Follow(journal, Trainer.of(journal), time.monotonic())

    def _reap(self, *, once: bool) -> None:
        """Sees what has become of the mirrors, and of journals that others mirror."""
        now = time.monotonic()
        for follow in list(self.followed.values()):
            process = follow.process
            if process is None:
                if now >= follow.again and self._let_go_of_whole(follow, "finished elsewhere: "):
                    continue
                if follow.failures and follow.live and not follow.trainer.may_write():  # somebody may wait for it
                    follow.live, follow.again = False, now
                continue
            code = process.poll()
            if code is None:
                continue
            follow.process = None
            if self._let_go_of_whole(follow):
                continue
            if code == BUSY:
                follow.again = now + ELSEWHERE
                self._say_of(follow, "busy", "another process mirrors it")
                if once:
                    self._left.add(follow.journal)
                continue
            follow.live = follow.trainer.may_write()
            why = self._why(follow.journal)
            if once:
                follow.failures += 1
                self._left.add(follow.journal)
                self._say_of(follow, "failed", why)
            else:
                pause = follow.wait_after_failure()
                self._say_of(follow, "failed", f"{why}; it is tried again in {pause:.0f} s", pause=pause)

    def _let_go_of_whole(self, follow: Follow, how: str = "") -> bool:
        known = Known.of(follow.journal, self._ways)
        if known is None:
            return False
        del self.followed[follow.journal]
        for folder in self._folders:
            folder.done(follow.journal, known)
        self._say_of(follow, "finished", how + outcome(follow.journal, ended=True))
        return True

    def _start_some(self, *, once: bool) -> None:
        """Starts mirrors for those that have none: of live runs first, then the oldest.

        The last free place is kept for a run that goes on, which a dead one would hold up; not with `once`.
        """
        now = time.monotonic()
        free = self._workers - sum(follow.process is not None for follow in self.followed.values())
        ready = []
        for follow in self.followed.values():
            if follow.process is None and now >= follow.again and follow.journal not in self._left:
                if not follow.trainer.known:
                    follow.trainer = Trainer.of(follow.journal)
                follow.live = follow.trainer.may_write()
                if follow.trainer.known or not follow.live:
                    ready.append(follow)
        ready.sort(key=lambda follow: (not follow.live, begun(follow.journal), follow.journal))
        waiting = 0
        for follow in ready:
            if self._comes_later(follow, now):
                continue
            if free <= (0 if follow.live or once or self._workers == 1 else 1):
                waiting += 1
                continue
            if mirror_at(follow.journal) is not None:
                follow.again = now + ELSEWHERE
                self._say_of(follow, "busy", "another process mirrors it")
                if once:
                    self._left.add(follow.journal)
                continue
            free -= self._start(follow)
        if waiting > self._waiting:
            self._say("wait", f"{waiting} run(s) wait until a mirror is free", runs=waiting)
        self._waiting = waiting

    def _comes_later(self, follow: Follow, now: float) -> bool:
        """Whether an earlier part of the same run has to come to its end first.

        One that nobody sees alive, nor dead, is waited for as long as a silent one counts as alive.
        """
        for journal in earlier_journals(follow.journal):
            earlier = self.followed.get(journal)
            if earlier is None or earlier.failures or journal in self._left or earlier.trainer.runs():
                continue
            if now - follow.seen < SILENCE:
                return True
        return False

    def _start(self, follow: Follow) -> bool:
        try:
            follow.process = start(follow.journal, maps=self._maps)
        except OSError as error:  # no process to be had, a full disk
            pause = follow.wait_after_failure()
            self._say_of(follow, "failed", f"no mirror could be started ({error}); it is tried again in {pause:.0f} s")
            return False
        follow.wanted = _size(follow.journal)
        what = "its run goes on" if follow.live else "its run has ended"
        host = follow.trainer.host
        self._say_of(follow, "follow", f"{what}{f', on {host}' if host else ''}", live=follow.live)
        return True

    # -- the end ---------------------------------------------------------------------------------------------------

    def _leave_live_ones(self) -> None:
        """With `once`: a live run whose journal has been taken, as far as it went, is left to the next relay."""
        for follow in self.followed.values():
            if follow.process is not None and self._has_taken(follow):
                self._kill(follow)
                self._left.add(follow.journal)

    def _has_taken(self, follow: Follow) -> bool:
        """Whether the mirror of a run that goes on has given SwanLab what was wanted of its journal."""
        if follow.process is None:
            return True
        status = MirrorStatus.of(follow.journal)
        taken = status.pid == follow.process.pid and (status.offset or 0) >= follow.wanted and not status.unsent
        return taken and follow.trainer.may_write()

    def _drain(self, each_turn: Callable[[], None]) -> None:
        """Lets mirrors of ended runs finish, and those of live ones take what is there: no longer than `DRAIN`."""
        deadline = time.monotonic() + DRAIN
        for follow in self.followed.values():
            follow.wanted = _size(follow.journal)
        while self._signals < 2 and time.monotonic() < deadline:
            self._reap(once=True)
            if all(map(self._has_taken, self.followed.values())):
                return
            each_turn()
            time.sleep(TURN / 5)

    def _end(self, *, once: bool) -> int:
        """Ends what still runs, says what is left, and tells the exit code."""
        for follow in self.followed.values():
            self._kill(follow)
        code = 0
        for follow in list(self.followed.values()):
            if self._let_go_of_whole(follow):
                continue
            follow.live = follow.trainer.may_write()
            if mirror_at(follow.journal) is not None:
                text = "another process mirrors it"
            elif follow.live:
                text = "its run goes on; the next relay, or `wandb-swan resume`, goes on from here"
            else:
                text = self._why(follow.journal)
                code = int(once)
            self._say_of(follow, "left", text, live=follow.live)
        left = len(self.followed)
        self._say("end", f"{left} run(s) are not whole in SwanLab" if left else "nothing is left", runs=left)
        return code

    def _kill(self, follow: Follow) -> None:
        """Ends the mirror of a journal, if there is one."""
        if follow.process is not None:
            kill(follow.process)
            follow.process = None
            clear_dead(follow.journal)

    def _why(self, journal: Path) -> str:
        return failure(journal, ended=True) or outcome(journal, ended=True)

    # -- what is told ----------------------------------------------------------------------------------------------

    def _say(self, event: str, text: str, **facts: Any) -> None:
        self._tell({"event": event, "text": text, "time": time.time(), **facts})

    def _say_of(self, follow: Follow, event: str, text: str, **facts: Any) -> None:
        said = f"{event} {text}"
        if event == "busy" and follow.told == said:
            return
        follow.told = said
        run = MirrorStatus.of(follow.journal).run_id
        self._say(event, text, journal=str(follow.journal), run=run, host=follow.trainer.host, **facts)


def open_folders(given: Sequence[Path]) -> list[Path]:
    """The folders that a relay is to look after, as whole paths; one that is not there yet is made.

    Raises:
        WandbSwanError: one is no folder, or the folder that it should be in is not there.
    """
    for folder in given:
        if folder.exists() and not folder.is_dir():
            raise WandbSwanError(f"{folder} is no folder; give SwanLab's log directory, or a folder of journals")
        if not folder.exists():
            if not folder.absolute().parent.is_dir():
                raise WandbSwanError(f"{folder.absolute().parent} does not exist; give SwanLab's log directory")
            folder.mkdir(exist_ok=True)
            with suppress(OSError):  # as SwanLab does for a log directory that it makes
                (folder / ".gitignore").write_text("*")
    return list(dict.fromkeys(folder.absolute() for folder in given))


def _size(journal: Path) -> int:
    with suppress(OSError):
        return journal.stat().st_size
    return 0
