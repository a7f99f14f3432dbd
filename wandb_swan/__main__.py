"""The command line, `wandb-swan`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click

from .activate import run
from .convert.command import convert, verify
from .doctor import doctor
from .exceptions import WandbSwanError


class _Group(click.Group):
    """Says what is wrong in one line, exit code 2; never a traceback."""

    def make_context(self, *args: Any, **more: Any) -> click.Context:
        try:
            return super().make_context(*args, **more)
        except click.UsageError as error:
            raise _told(error) from None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            raise _told(error) from None
        except WandbSwanError as error:
            click.echo(f"wandb-swan: {error}", err=True)
            ctx.exit(2)
        except OSError as error:
            click.echo(f"wandb-swan: {error.strerror or error}: {error.filename or ''}".rstrip(": "), err=True)
            ctx.exit(2)


def _told(error: click.UsageError) -> Exception:
    """A wrong option or argument in one line; click itself prints its usage too. The error itself if it is the help."""
    if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):
        return error
    command = error.ctx.command_path if error.ctx else "wandb-swan"
    message = " ".join(error.format_message().split()).rstrip(".")
    click.echo(f"wandb-swan: {message}; type `{command} --help`", err=True)
    return click.exceptions.Exit(2)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="wandb-swan", prog_name="wandb-swan")
def main() -> None:
    """Record wandb runs in SwanLab as well."""


def _journals(where: Path | None) -> list[Path]:
    """The journals (and status files of finished ones) that a path means: one journal, a folder of them, a log dir."""
    from .settings import read_settings

    where = where or read_settings().journals
    if where.is_file():
        return [where.with_suffix(".journal")]
    if not where.is_dir():
        raise WandbSwanError(f"{where} is no journal and no folder; give SwanLab's log directory (--help says more)")
    folder = where / "journals" if (where / "journals").is_dir() else where
    stems = {path.name.split(".status.json")[0].removesuffix(".journal") for path in folder.glob("*.*")}
    known = [folder / f"{stem}.journal" for stem in stems]
    return sorted(
        (path for path in known if path.exists() or path.with_suffix(".status.json").exists()),
        key=lambda path: (path if path.exists() else path.with_suffix(".status.json")).stat().st_mtime,
    )


def _age(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


@main.command()
@click.argument("where", type=click.Path(path_type=Path), required=False)
@click.option("--all", "everything", is_flag=True, help="Also the runs that are finished.")
def status(where: Path | None, everything: bool) -> None:
    """List journals: state, points mirrored, age, reason.

    WHERE is SwanLab's log directory, a folder of journals or one journal; ./swanlog if not given.
    """
    from rich.console import Console
    from rich.table import Table

    from .capture.claim import mirror_at
    from .capture.life import Trainer
    from .capture.status import is_whole, read_status

    table = Table(box=None, header_style="bold")
    for column in ("run", "state", "points", "age", "journal", "SwanLab run or reason"):
        table.add_column(column, overflow="fold")
    hidden = unfinished = 0
    for journal in _journals(where):
        told = read_status(journal)
        state = told.get("state", "not started")
        if not journal.exists() and not everything:
            hidden += 1
            continue
        if not is_whole(journal) and mirror_at(journal) is None:
            if Trainer.of(journal).may_write():
                state = "no mirror"
            elif state != "failed":
                state = "interrupted"
        unfinished += not is_whole(journal)
        counts = told.get("counts", {})
        points = sum(counts.get(kind, 0) for kind in counts if kind not in ("rows", "lines"))
        age = _age(time.time() - (journal if journal.exists() else journal.with_suffix(".status.json")).stat().st_mtime)
        place = told.get("reason") or told.get("url") or told.get("run_dir") or ""
        name = journal.name if journal.exists() else "(done)"
        table.add_row(str(told.get("run_id") or "?"), state, f"{points:,}", age, name, str(place))
    console = Console(width=None if sys.stdout.isatty() else 200)
    if table.row_count:
        console.print(table)
    console.print(f"{unfinished} unfinished" + (f", {hidden} finished (--all shows them)" if hidden else ""))
    if unfinished:
        console.print("type `wandb-swan resume` to finish what is not being mirrored now")


@main.command()
@click.argument("where", type=click.Path(path_type=Path), required=False)
def resume(where: Path | None) -> None:
    """Finish what was interrupted: every journal that nobody is mirroring, in order, without duplicates.

    WHERE is SwanLab's log directory, a folder of journals or one journal; ./swanlog if not given.
    """
    from rich.console import Console

    from .recovery import resume_all

    failed = resume_all([path for path in _journals(where) if path.exists()], Console(stderr=True))
    if failed:
        raise click.exceptions.Exit(1)


main.add_command(run)
main.add_command(convert)
main.add_command(verify)
main.add_command(doctor)

if __name__ == "__main__":
    main(prog_name="wandb-swan")
