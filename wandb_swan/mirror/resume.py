"""Finishes interrupted journals, one mirror process after the other."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from ..capture.mirrors import MirrorProcess
from ..capture.mirrors import start as start_mirror
from ..capture.process import let_go
from ..journal.claim import mirror_at
from ..journal.life import Trainer
from ..journal.models import MirrorStatus
from ..journal.paths import command, is_folder
from ..journal.spool import bring
from ..journal.status import STARTING, failure, is_whole, outcome, resume_command
from .places import may_have_more, read_maps

Start = Callable[[Path], MirrorProcess]
"""Starts a mirror on a journal."""
_LEFT_ALONE = "is being mirrored now, left alone"


class Resumed(NamedTuple):
    """What has become of one journal."""

    journal: Path
    good: bool
    """Whether its run is whole in SwanLab, or on its way there."""
    text: str


def resume_all(
    journals: list[Path], console: Console, maps: Sequence[str] = (), *, mode: str | None = None, quiet: bool = False
) -> list[Resumed]:
    """Mirrors every journal that nobody mirrors.

    Runs that have ended are mirrored to their end, one after the other; those whose training goes on get a mirror that
    follows them, and are not waited for.

    Args:
        journals: What there is.
        console: Where each one is told as it ends.
        maps: Where folders of other machines are here (`places.read_maps`).
        mode: SwanLab's mode, whatever the training's settings say.
        quiet: Tell those alone that are not whole.

    Raises WandbSwanError where one of `maps` is none.
    """
    ways = read_maps(maps)
    if not journals and not quiet:
        console.print("nothing to resume")
    done = []
    start = partial(start_mirror, maps=maps, mode=mode)
    for journal in journals:
        bring(journal)
    live = {journal for journal in journals if Trainer.of(journal).may_write()}
    for number, journal in enumerate(sorted(journals, key=live.__contains__), 1):
        title = f"{journal.name} ({number} of {len(journals)})"
        good, result = True, _without_a_mirror(journal, ways)
        if result is None:
            try:
                good, result = _follow(journal, start) if journal in live else _mirror(journal, console, title, start)
            except FileNotFoundError:  # another process has finished it meanwhile, or somebody has removed it
                good, result = _ended(journal)
            except OSError as error:
                good, result = False, f"no mirror could be started ({error}); type {resume_command(journal)}"
        done.append(Resumed(journal, good, result))
        if not (quiet and good):
            console.print(f"{title}: {result}", soft_wrap=True, highlight=False, markup=False)
    return done


def _without_a_mirror(journal: Path, ways: Sequence[tuple[str, str]]) -> str | None:
    """What to say of a journal that needs no mirror of ours; None: it needs one."""
    status = MirrorStatus.of(journal)
    whole = journal.exists() and is_whole(journal) and _is_there(status)
    if whole and not may_have_more(journal, status, ways):
        return "is whole already"
    return None if mirror_at(journal) is None else _LEFT_ALONE


def _is_there(status: MirrorStatus) -> bool:
    """Whether the SwanLab run that a finished status tells of still exists, as far as this machine can see."""
    return status.mode == "online" or not status.run_dir or is_folder(Path(status.run_dir))


def _follow(journal: Path, start: Start) -> tuple[bool, str]:
    """Starts a mirror for a run whose training goes on. Returns whether it works, and what to say."""
    process = start(journal)
    deadline = time.monotonic() + STARTING
    while MirrorStatus.of(journal).pid != process.pid:
        if process.poll() is not None:
            return _ended(journal)
        if time.monotonic() > deadline:
            let_go(process)
            status = command("wandb-swan", "status", journal.parent)
            return False, f"a mirror was started and has not begun after {STARTING:.0f} s; type {status}"
        time.sleep(0.1)
    let_go(process)
    return True, "its training goes on, and so does a mirror now, until it ends"


def _mirror(journal: Path, console: Console, title: str, start: Start) -> tuple[bool, str]:
    """Runs one mirror to its end, showing how far it is on a terminal. Returns whether the run is whole, and what to
    say."""
    size = journal.stat().st_size
    process = start(journal)
    try:
        with contextlib.ExitStack() as shown:
            line = None
            with contextlib.suppress(RuntimeError):  # no thread to be had for it
                line = shown.enter_context(console.status(title))
            while True:
                try:
                    process.wait(0.5)
                    return _ended(journal)
                except subprocess.TimeoutExpired:
                    done = MirrorStatus.of(journal).offset or 0
                    if line is not None:
                        line.update(f"{title}: {100 * done / max(1, size):.0f} %")
    except KeyboardInterrupt:
        let_go(process)
        console.print(f"{title}: goes on by itself")
        raise


def _ended(journal: Path) -> tuple[bool, str]:
    """What has become of a journal whose mirror has ended, whatever its exit code: who ignores SIGCHLD has none."""
    if mirror_at(journal) is not None:
        return True, _LEFT_ALONE  # another one was faster
    return failure(journal, ended=True) is None, outcome(journal, ended=True)
