"""`wandb-swan doctor`: whether this machine can mirror, in a table of green, yellow and red."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

_SHOWN = {"ok": "[green]ok[/]", "limited": "[yellow]limited[/]", "wrong": "[red]not ok[/]"}


@click.command()
@click.option(
    "--python",
    "trainer",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="TRAINER",
    help="The Python of a training in another environment, whose mirrors run in this one.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: verdict, subject, detail.")
@click.option("--quiet", is_flag=True, help="Say what is yellow or red alone.")
def doctor(trainer: Path | None, as_json: bool, quiet: bool) -> None:
    """Check versions, the tap, credentials, folders, journals, and make one run in both libraries offline.

    Nothing is uploaded. Yellow is what works with a loss, and says which. The exit code is 1 if something is red.
    """
    from rich.markup import escape
    from rich.table import Table

    from ..console import Console
    from ..doctor import findings

    table = Table(box=None, show_header=False)
    table.add_column()
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    good = True
    for finding in findings(trainer):
        good = good and finding.verdict != "wrong"
        if quiet and finding.verdict == "ok":
            continue
        if as_json:
            click.echo(json.dumps({"verdict": finding.verdict, "subject": finding.subject, "detail": finding.detail}))
            continue
        table.add_row(_SHOWN[finding.verdict], finding.subject, escape(finding.detail))
    if table.row_count:
        Console(width=None if sys.stdout.isatty() else 10_000).print(table)
    if not good:
        raise click.exceptions.Exit(1)
