"""The command line."""

from __future__ import annotations

import click

from . import __swan_version__
from .activate import run


@click.group()
@click.version_option(__swan_version__, prog_name="wandb-swan")
def main() -> None:
    """Mirror wandb runs to SwanLab."""


main.add_command(run)

if __name__ == "__main__":
    main(prog_name="wandb-swan")
