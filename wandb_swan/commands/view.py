"""`wandb-swan view`: a page of SwanLab's stores."""

from __future__ import annotations

import os
import sys
import webbrowser
from pathlib import Path
from urllib.parse import urlsplit

import click

from ..exceptions import WandbSwanError
from . import NewFile


@click.command()
@click.argument("swanlog", nargs=-1, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--wandb",
    metavar="WANDB",
    help="Compare with these wandb runs: a run folder, a wandb/ folder, or entity/project/run-id in W&B's cloud.",
)
@click.option("--html", "html_file", type=NewFile(), metavar="FILE.html", help="Write the page as one file instead.")
@click.option("--port", type=click.IntRange(1, 65535), help="Serve on this port; else on one that is free.")
@click.option("--open/--no-open", "opens", default=None, help="Open a browser; as given, where there is a screen.")
def view(
    swanlog: tuple[Path, ...], wandb: str | None, html_file: Path | None, port: int | None, opens: bool | None
) -> None:
    """Look at the runs in SwanLab's stores: all of it, without a cloud.

    SWANLOG are SwanLab's log directories or run folders, of offline, local and online runs, also while they are
    written; ./swanlog if not given. The page is served to this machine alone, until Ctrl-C, and needs no network.
    """
    from ..settings import read_settings
    from ..view.runs import found

    places = swanlog or (Path(read_settings().log_dir),)
    runs = found(places)
    if html_file is not None:
        raise WandbSwanError("not yet")
    from ..view.server import serve

    def ready(address: str) -> None:
        count = f"{len(runs)} runs" if len(runs) > 1 else "1 run"
        click.echo(f"wandb-swan: {count} of {', '.join(map(str, places))} at {address} (Ctrl-C ends it)")
        if os.environ.get("SSH_CONNECTION"):
            here = urlsplit(address)
            click.echo(f"wandb-swan: from your own machine, first: ssh -N -L {here.port}:{here.netloc} <this machine>")
        if opens or (opens is None and sys.stdout.isatty() and _has_screen()):
            webbrowser.open(address)

    serve(runs, port or 0, ready)


def _has_screen() -> bool:
    if sys.platform in ("win32", "darwin"):
        return not os.environ.get("SSH_CONNECTION")
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
