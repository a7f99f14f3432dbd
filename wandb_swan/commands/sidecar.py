"""`wandb-swan sidecar`: an environment of its own for mirrors."""

from __future__ import annotations

from typing import Any

import click

from ..sidecar import EXTRA, REMOVE, SWANLAB, UPGRADE, WHERE
from ..sidecar import command as made


@click.command()
@click.option("--where", is_flag=True, help=WHERE)
@click.option("--upgrade", is_flag=True, help=UPGRADE)
@click.option("--remove", "remove_it", is_flag=True, help=REMOVE)
@click.option("--swanlab", metavar="VERSION", help=SWANLAB)
@click.option("--extra", "extras", metavar="NAME", multiple=True, help=EXTRA)
def sidecar(**given: Any) -> None:
    """Make an environment of its own for mirrors.

    For a training environment that must not be changed: wandb-swan is installed there without its dependencies
    (`pip install --no-deps wandb-swan`), and its mirrors are started from here.
    """
    code, said = made(**given)
    click.echo(said, err=bool(code))
    raise click.exceptions.Exit(code)
