"""`wandb-swan relay`: mirrors what trainers elsewhere record."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..defaults import RELAY_WORKERS

if TYPE_CHECKING:
    from ..mirror.relay import Relay


@click.command()
@click.argument("where", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--workers", type=click.IntRange(min=1), default=RELAY_WORKERS, show_default=True, help="Mirrors at once, at most."
)
@click.option("--once", is_flag=True, help="End when all that is there now has been taken (for cron).")
@click.option("--map", "maps", multiple=True, metavar="FROM=TO", help="A folder of the trainers, and where it is here.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--quiet", is_flag=True, help="Say what goes wrong alone (for cron).")
def relay(  # noqa: PLR0917  (one for each option)
    where: tuple[Path, ...], workers: int, once: bool, maps: tuple[str, ...], as_json: bool, quiet: bool
) -> None:
    """Mirror every run whose journal is in, or comes into, the folders WHERE.

    For trainers without network, without SwanLab, or in jobs that end with all their processes: they record with
    WANDB_SWAN_MIRROR=relay, or as ever, into a folder that this machine sees too. The relay has its own SwanLab login
    and settings. It goes on until Ctrl-C or SIGTERM, then lets its mirrors take what is there, at most 20 s; a second
    one ends it at once.

    WHERE are SwanLab's log directories, or folders of journals; ./swanlog if not given. --once exits with 1 if a run
    that has ended is not whole in SwanLab.
    """
    from ..mirror.relay import Relay, open_folders
    from ..settings import read_settings

    settings = read_settings()
    folders = open_folders(where or [settings.journal_dir or settings.log_dir])
    with ExitStack() as stack:
        tell, each_turn = _as_json if as_json else _as_line, _nothing
        table = _Table() if sys.stdout.isatty() and not as_json and not quiet else None
        if table is not None:
            tell, each_turn = table.line, table.turn
        running = Relay(folders, workers=workers, maps=maps, tell=partial(_if_wrong, tell) if quiet else tell)
        if table is not None:
            table.relay = running
            stack.enter_context(table)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: running.stop())
        code = running.run(once=once, each_turn=each_turn)
    if code:
        raise click.exceptions.Exit(code)


def _nothing() -> None:
    pass


def _if_wrong(tell: Callable[[Mapping[str, Any]], None], what: Mapping[str, Any]) -> None:
    if what["event"] in {"failed", "folder", "left"} or (what["event"] == "end" and what["runs"]):
        tell(what)


def _as_json(what: Mapping[str, Any]) -> None:
    with suppress(OSError, ValueError):  # nobody reads any more
        print(json.dumps(what), flush=True)


def _as_line(what: Mapping[str, Any]) -> None:
    with suppress(OSError, ValueError):
        print(time.strftime("%Y-%m-%d %H:%M:%S"), _sentence(what), flush=True)


def _sentence(what: Mapping[str, Any]) -> str:
    name = Path(str(what["journal"])).stem + ": " if "journal" in what else ""
    return f"{name}{what['text']}"


class _Table:
    """What is followed, on a terminal, below the lines of what has happened."""

    def __init__(self) -> None:
        from rich.live import Live

        from ..console import Console

        self.relay: Relay | None = None
        self._console = Console()
        self._live = Live(console=self._console, auto_refresh=False, transient=True)

    def __enter__(self) -> _Table:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def line(self, what: Mapping[str, Any]) -> None:
        stamp = time.strftime("%H:%M:%S")
        self._console.print(f"{stamp} {_sentence(what)}", markup=False, highlight=False, soft_wrap=True)

    def turn(self) -> None:
        from rich.markup import escape
        from rich.table import Table

        from ..journal.models import MirrorStatus
        from ..journal.status import points_of

        assert self.relay is not None
        table = Table(box=None, header_style="bold")
        for column in ("run", "state", "points", "to send", "host", "reason"):
            table.add_column(column, overflow="fold")
        followed = sorted(self.relay.followed.values(), key=lambda follow: follow.process is None)
        for follow in followed[: max(3, self._console.height - 8)]:
            said = MirrorStatus.of(follow.journal)
            points = f"{points_of(said.counts):,}"
            state = (said.state or "starting") if follow.process is not None else "waits"
            row = (said.run_id or follow.journal.stem, state, points, f"{said.unsent:,}", follow.trainer.host)
            table.add_row(*map(escape, (*row, said.reason or "")))
        table.caption = f"{len(followed)} run(s) followed"
        self._live.update(table, refresh=True)
