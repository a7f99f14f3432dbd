"""Finishes interrupted journals, one mirror process after the other."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from rich.console import Console

from ..capture.process import BUSY, start
from ..journal.claim import mirror_at
from ..journal.life import Trainer
from ..journal.models import MirrorStatus
from ..journal.paths import is_folder
from ..journal.status import is_whole, outcome

START_PATIENCE = 60.0
"""Seconds that a mirror of a live run has to begin its work, before it is left alone."""


def resume_all(journals: list[Path], console: Console) -> int:
    """Mirrors every journal that nobody mirrors. Returns how many are not whole in SwanLab.

    Runs that have ended are mirrored to their end, one after the other; those whose training goes on get a mirror that
    follows them, and are not waited for.
    """
    if not journals:
        console.print("nothing to resume")
    failed = 0
    live = {journal for journal in journals if Trainer.of(journal).may_write()}
    for number, journal in enumerate(sorted(journals, key=live.__contains__), 1):
        title = f"{journal.name} ({number} of {len(journals)})"
        if is_whole(journal) and _is_there(MirrorStatus.of(journal)):
            result: str | None = "is whole already"
        elif mirror_at(journal) is not None:
            result = "is being mirrored now, left alone"
        else:
            code, result = _follow(journal) if journal in live else _mirror(journal, console, title)
            failed += code != 0
        console.print(f"{title}: {result}", soft_wrap=True, highlight=False, markup=False)
    return failed


def _is_there(status: MirrorStatus) -> bool:
    """Whether the SwanLab run that a finished status tells of still exists, as far as this machine can see."""
    return status.mode == "online" or not status.run_dir or is_folder(Path(status.run_dir))


def _follow(journal: Path) -> tuple[int, str]:
    """Starts a mirror for a run whose training goes on. Returns 0 if it works, and what to say."""
    process = start(journal)
    deadline = time.monotonic() + START_PATIENCE
    while time.monotonic() < deadline and MirrorStatus.of(journal).pid != process.pid:
        code = process.poll()
        if code is not None:
            return code, "is being mirrored now, left alone" if code == BUSY else outcome(journal, ended=True)
        time.sleep(0.1)
    return 0, "its training goes on, and so does a mirror now, until it ends"


def _mirror(journal: Path, console: Console, title: str) -> tuple[int, str]:
    """Runs one mirror to its end, showing how far it is on a terminal."""
    process = start(journal)
    size = journal.stat().st_size
    try:
        with console.status(title) as line:
            while True:
                try:
                    code = process.wait(0.5)
                    if code == BUSY:
                        return 0, "is being mirrored now, left alone"
                    return code, outcome(journal, ended=True)
                except subprocess.TimeoutExpired:
                    done = MirrorStatus.of(journal).offset or 0
                    line.update(f"{title}: {100 * done / max(1, size):.0f} %")
    except KeyboardInterrupt:
        console.print(f"{title}: goes on by itself")
        raise
