"""`wandb-swan status`: lists journals."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click


def _age(seconds: float) -> str:
    for reference, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {reference}"
    return f"{max(0.0, seconds):.0f} s"


@click.command()
@click.argument("where", type=click.Path(path_type=Path), required=False)
@click.option("--all", "everything", is_flag=True, help="Also the runs that are finished.")
def status(where: Path | None, everything: bool) -> None:
    """List journals: state, points mirrored, age, reason.

    WHERE is SwanLab's log directory, a folder of journals or one journal; ./swanlog if not given.
    """
    from rich.console import Console
    from rich.table import Table

    from ..journal.claim import mirror_at
    from ..journal.life import Trainer
    from ..journal.models import MirrorStatus
    from ..journal.paths import find_journals
    from ..journal.status import is_whole
    from ..settings import read_settings

    table = Table(box=None, header_style="bold")
    for column in ("run", "state", "points", "age", "journal", "SwanLab run or reason"):
        table.add_column(column, overflow="fold")
    hidden = unfinished = 0
    for journal in find_journals(where or read_settings().journals):
        said = MirrorStatus.of(journal)
        state = said.state or "not started"
        if not journal.exists() and not everything:
            hidden += 1
            continue
        if not is_whole(journal) and mirror_at(journal) is None:
            if Trainer.of(journal).may_write():
                state = "no mirror"
            elif state != "failed":
                state = "interrupted"
        unfinished += not is_whole(journal)
        points = sum(count for kind, count in said.counts.items() if kind not in ("rows", "lines"))
        age = _age(time.time() - (journal if journal.exists() else journal.with_suffix(".status.json")).stat().st_mtime)
        place = said.reason or said.url or said.run_dir or ""
        name = journal.name if journal.exists() else "(done)"
        table.add_row(said.run_id or "?", state, f"{points:,}", age, name, place)
    console = Console(width=None if sys.stdout.isatty() else 200)
    if table.row_count:
        console.print(table)
    console.print(f"{unfinished} unfinished" + (f", {hidden} finished (--all shows them)" if hidden else ""))
    if unfinished:
        console.print("type `wandb-swan resume` to finish what is not being mirrored now")
