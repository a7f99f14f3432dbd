"""`wandb-swan status`: lists journals."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

if TYPE_CHECKING:
    from ..journal.models import MirrorStatus

ENDED = ("finished", "empty")
"""States of a mirror that has nothing left to do."""


class _Known(NamedTuple):
    """What is known of one journal."""

    journal: Path
    said: MirrorStatus
    state: str
    there: bool
    """Whether the journal is there."""
    done: bool
    """Whether its run is whole in SwanLab."""
    waits: bool
    """Whether nobody is at it, nor on the way."""
    points: int
    silent_for: float
    """Seconds since the last sign of life: a record or a heartbeat."""
    host: str

    @property
    def place(self) -> str:
        from ..journal.paths import shown

        return self.said.reason or self.said.url or (shown(Path(self.said.run_dir)) if self.said.run_dir else "")

    def as_json(self) -> str:
        return json.dumps(
            {
                "run": self.said.run_id,
                "state": self.state,
                "points": self.points,
                "silent_for": round(self.silent_for, 1),
                "host": self.host,
                "journal": str(self.journal) if self.there else None,
                "url": self.said.url,
                "run_dir": self.said.run_dir,
                "reason": self.said.reason,
            }
        )


def _age(seconds: float) -> str:
    for reference, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {reference}"
    return f"{max(0.0, seconds):.0f} s"


def _known(journal: Path) -> _Known:
    from ..journal.claim import mirror_at
    from ..journal.life import Trainer
    from ..journal.models import MirrorStatus
    from ..journal.paths import last_written
    from ..journal.spool import bring, spool_of
    from ..journal.status import is_whole, points_of, waits

    bring(journal)
    said = MirrorStatus.of(journal)
    state = said.state or "not started"
    there, waiting = journal.exists(), False
    done = is_whole(journal) if there else state in ENDED
    if not there and not done:
        state = "journal gone"
    elif not done and state != "empty" and mirror_at(journal) is None:
        if Trainer.of(journal).may_write():
            state = "no mirror"
        elif not waits(journal):
            state = "starting"
        elif state != "failed":
            state = "interrupted"
            if (spool := spool_of(journal)) is not None:
                said.reason = f"its last records are in {spool['path']} on {spool.get('host')}"
        waiting = state != "starting"
    silent_for = time.time() - last_written(journal)
    host = Trainer.of(journal).host if there else ""
    return _Known(journal, said, state, there, done, waiting, points_of(said.counts), silent_for, host)


@click.command()
@click.argument("where", type=click.Path(path_type=Path), required=False)
@click.option("--all", "everything", is_flag=True, help="Also the runs that are finished.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a journal.")
@click.option("--quiet", is_flag=True, help="Say nothing; exit code 1 if a run is unfinished or its journal gone.")
def status(where: Path | None, everything: bool, as_json: bool, quiet: bool) -> None:
    """List journals: state, points mirrored, time since the last sign of life, host, reason.

    WHERE is SwanLab's log directory, a folder of journals or one journal; ./swanlog if not given. A sign of life is a
    record, or the heartbeat of a run that a relay mirrors.
    """
    from ..journal.paths import find_journals
    from ..switches import Switches, given

    every = list(map(_known, find_journals(where or Switches(**given({})).journals)))
    shown = [known for known in every if everything or known.there or not known.done]
    if quiet:
        if any(not known.done and known.state != "empty" for known in every):
            raise click.exceptions.Exit(1)
    elif as_json:
        for known in shown:
            click.echo(known.as_json())
    else:
        _show(every, shown, where)


def _show(every: list[_Known], shown: list[_Known], where: Path | None) -> None:
    from rich.markup import escape
    from rich.table import Table

    from ..console import Console
    from ..journal.paths import command

    table = Table(box=None, header_style="bold")
    for column in ("run", "state", "points", "last sign", "host", "journal", "SwanLab run or reason"):
        table.add_column(column, overflow="fold")
    for known in shown:
        name = known.journal.name if known.there else "(done)" if known.done else "(removed)"
        row = (known.said.run_id or "?", known.state, f"{known.points:,}", _age(known.silent_for), known.host, name)
        table.add_row(*map(escape, (*row, known.place)))
    console = Console(width=None if sys.stdout.isatty() else 10_000)  # who reads a file wants paths in one piece
    if table.row_count:
        console.print(table)
    unfinished = sum(known.there and not known.done and known.state != "empty" for known in every)
    hidden, lost = len(every) - len(shown), sum(known.state == "journal gone" for known in every)
    console.print(f"{unfinished} unfinished" + (f", {hidden} finished (--all shows them)" if hidden else ""))
    if any(known.waits for known in every):
        resume = command("wandb-swan", "resume", *([where] if where else []))
        console.print(f"type {resume} to finish what is not being mirrored now", markup=False, soft_wrap=True)
    if lost:
        convert = command("wandb-swan", "convert", "-t", "wandb-local")
        told = f"{lost} whose journal was removed: {convert} brings over what wandb's own logs have"
        console.print(told, markup=False, soft_wrap=True)
