"""`wandb-swan status`: lists journals."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

ENDED = ("finished", "empty")
"""States of a mirror that has nothing left to do."""


def _age(seconds: float) -> str:
    for reference, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {reference}"
    return f"{max(0.0, seconds):.0f} s"


@click.command()
@click.argument("where", type=click.Path(path_type=Path), required=False)
@click.option("--all", "everything", is_flag=True, help="Also the runs that are finished.")
def status(where: Path | None, everything: bool) -> None:
    """List journals: state, points mirrored, time since the last sign of life (a record or a heartbeat), host, reason.

    WHERE is SwanLab's log directory, a folder of journals or one journal; ./swanlog if not given.
    """
    from rich.markup import escape
    from rich.table import Table

    from ..console import Console
    from ..journal.claim import mirror_at
    from ..journal.life import Trainer
    from ..journal.models import MirrorStatus
    from ..journal.paths import command, find_journals
    from ..journal.status import is_whole, points_of, waits
    from ..settings import read_settings

    table = Table(box=None, header_style="bold")
    for column in ("run", "state", "points", "last sign", "host", "journal", "SwanLab run or reason"):
        table.add_column(column, overflow="fold")
    hidden = unfinished = lost = waiting = 0
    for journal in find_journals(where or read_settings().journals):
        said = MirrorStatus.of(journal)
        state = said.state or "not started"
        there = journal.exists()
        done = is_whole(journal) if there else state in ENDED
        if not there and done and not everything:
            hidden += 1
            continue
        if not there and not done:
            state = "journal gone"
            lost += 1
        elif not done and state != "empty":
            unfinished += 1
            if mirror_at(journal) is None:
                if Trainer.of(journal).may_write():
                    state = "no mirror"
                elif not waits(journal):
                    state = "starting"
                elif state != "failed":
                    state = "interrupted"
                waiting += state != "starting"
        age = _age(time.time() - (journal if there else journal.with_suffix(".status.json")).stat().st_mtime)
        place = said.reason or said.url or said.run_dir or ""
        name = journal.name if there else "(done)" if done else "(removed)"
        host = Trainer.of(journal).host if there else ""
        points = f"{points_of(said.counts):,}"
        table.add_row(*map(escape, (said.run_id or "?", state, points, age, host, name, place)))
    console = Console(width=None if sys.stdout.isatty() else 10_000)  # who reads a file wants paths in one piece
    if table.row_count:
        console.print(table)
    console.print(f"{unfinished} unfinished" + (f", {hidden} finished (--all shows them)" if hidden else ""))
    if waiting:
        resume = command("wandb-swan", "resume", *([where] if where else []))
        console.print(f"type {resume} to finish what is not being mirrored now", markup=False, soft_wrap=True)
    if lost:
        convert = command("wandb-swan", "convert", "-t", "wandb-local")
        told = f"{lost} whose journal was removed: {convert} brings over what wandb's own logs have"
        console.print(told, markup=False, soft_wrap=True)
