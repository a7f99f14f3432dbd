"""`wandb-swan sidecar`: an environment of its own for mirrors."""

from __future__ import annotations

from typing import Any

import click

from .. import sidecar as environment


@click.command()
@click.option("--where", is_flag=True, help=environment.WHERE)
@click.option("--upgrade", is_flag=True, help=environment.UPGRADE)
@click.option("--remove", "remove_it", is_flag=True, help=environment.REMOVE)
@click.option("--swanlab", metavar="VERSION", help=environment.SWANLAB)
@click.option("--extra", "extras", metavar="NAME", multiple=True, help=environment.EXTRA)
def sidecar(**given: Any) -> None:
    """Make an environment of its own for mirrors.

    For a training environment that must not be changed: wandb-swan is installed there without its dependencies
    (`pip install --no-deps wandb-swan`), and its mirrors are started from here.
    """
    code, said = environment.command(**given)
    click.echo(said, err=bool(code))
    raise click.exceptions.Exit(code)
