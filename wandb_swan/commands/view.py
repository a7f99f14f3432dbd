"""`wandb-swan view`: a page of SwanLab's stores."""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from ..exceptions import WandbSwanError
from . import NewFile

if TYPE_CHECKING:
    from ..parity.pairing import NotCompared, Pair


@click.command()
@click.argument(
    "where", metavar="[SWANLOG]...", nargs=-1, type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option(
    "--wandb",
    metavar="WANDB",
    help="Compare with these wandb runs: a run folder, a wandb/ folder, or entity/project/run-id in W&B's cloud.",
)
@click.option("--html", "html_file", type=NewFile(), metavar="FILE.html", help="Write the page as one file instead.")
@click.option(
    "--media-mb",
    type=click.FloatRange(min=0),
    default=50,
    show_default=True,
    help="Megabytes of media that the file of --html may hold.",
)
@click.option("--port", type=click.IntRange(1, 65535), help="Serve on this port; else on one that is free.")
@click.option("--open/--no-open", "opens", default=None, help="Open a browser; as given, where there is a screen.")
def view(  # noqa: PLR0917  (one for each option)
    where: tuple[Path, ...],
    wandb: str | None,
    html_file: Path | None,
    media_mb: float,
    port: int | None,
    opens: bool | None,
) -> None:
    """Look at the runs in SwanLab's stores: all of it, without a cloud.

    SWANLOG are SwanLab's log directories or run folders, of offline, local and online runs, also while they are
    written; ./swanlog if not given. The page is served to this machine alone, until Ctrl-C, and needs no network.
    """
    from ..settings import read_settings
    from ..view.page import page
    from ..view.parity import Comparisons
    from ..view.runs import found

    places = where or (Path(read_settings().log_dir),)
    runs = found(places)
    verdicts = None
    if wandb is not None:
        if len(places) > 1:
            raise WandbSwanError("--wandb compares with one SWANLOG; give one")
        verdicts = Comparisons(runs)
    if html_file is not None:
        if verdicts is not None and wandb is not None:
            verdicts.take(_compared(wandb, places[0]))
        html_file.write_text(page(runs, verdicts, media_mb), "utf-8")
        click.echo(
            f"wandb-swan: written to {html_file} ({html_file.stat().st_size / 1e6:.1f} MB); open it in a browser"
        )
        return
    try:
        from ..view.server import serve
    except ModuleNotFoundError as error:  # the package was upgraded without what it needs
        raise WandbSwanError(f"{error.name} is not installed: type pip install wandb-swan, or give --html") from error
    if verdicts is not None and wandb is not None:
        verdicts.take_meanwhile(_compared(wandb, places[0]))

    def ready(address: str) -> None:
        count = f"{len(runs)} runs" if len(runs) > 1 else "1 run"
        click.echo(f"wandb-swan: {count} of {', '.join(map(str, places))} at {address} (Ctrl-C ends it)")
        if os.environ.get("SSH_CONNECTION"):
            here = urlsplit(address)
            click.echo(f"wandb-swan: from your own machine, first: ssh -N -L {here.port}:{here.netloc} <this machine>")
        if opens or (opens is None and sys.stdout.isatty() and _has_screen()):
            webbrowser.open(address)

    serve(runs, port or 0, ready, verdicts)


def _compared(wandb: str, swanlab: Path) -> Iterator[Pair | NotCompared]:
    from ..parity.pairing import pairs
    from ..sources.exports import kept_apart

    with kept_apart():
        yield from pairs(wandb, str(swanlab))


def _has_screen() -> bool:
    if sys.platform in ("win32", "darwin"):
        return not os.environ.get("SSH_CONNECTION")
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
