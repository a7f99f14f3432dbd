"""Finishes interrupted journals, and tells which ones there are."""

from __future__ import annotations

import subprocess
from pathlib import Path

from rich.console import Console

from .capture.process import BUSY, start
from .capture.status import outcome, read_status


def resume_all(journals: list[Path], console: Console) -> int:
    """Mirrors every journal that is not finished, one after the other. Returns how many are not whole in SwanLab."""
    failed = 0
    if not journals:
        console.print("nothing to resume")
    for number, journal in enumerate(journals, 1):
        title = f"{journal.name} ({number} of {len(journals)})"
        if read_status(journal).get("state") == "finished":
            console.print(f"{title}: is whole already")
            continue
        try:
            code = _mirror(journal, console, title)
        except BlockingIOError:
            code = BUSY
        if code == BUSY:
            console.print(f"{title}: is being mirrored now, left alone")
            continue
        failed += code != 0
        console.print(f"{title}: {outcome(journal, ended=True)}", soft_wrap=True, highlight=False, markup=False)
    return failed


def _mirror(journal: Path, console: Console, title: str) -> int:
    """Runs one mirror to its end, showing how far it is on a terminal."""
    process = start(journal)
    size = journal.stat().st_size
    try:
        with console.status(title) as line:
            while True:
                try:
                    return process.wait(0.5)
                except subprocess.TimeoutExpired:
                    done = read_status(journal).get("offset") or 0
                    line.update(f"{title}: {100 * done / max(1, size):.0f} %")
    except KeyboardInterrupt:
        console.print(f"{title}: goes on by itself")
        raise
