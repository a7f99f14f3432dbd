"""`wandb-swan run`: starts a program whose wandb runs, and those of its children, are mirrored without an edit."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from ..capture.interpreter import started_from_here
from ..defaults import GIVEN_MODES, MIRRORS


@click.command(context_settings={"allow_interspersed_args": False})
@click.option("--mode", type=click.Choice(GIVEN_MODES), help="SwanLab's mode.")
@click.option("--wandb-run/--no-wandb-run", default=None, help="Whether anything is uploaded to W&B.")
@click.option("--keep-wandb/--no-keep-wandb", default=None, help="Whether W&B's folder stays, with --no-wandb-run.")
@click.option("--workspace", help="SwanLab workspace.")
@click.option("--project", help="SwanLab project; the wandb project if not given.")
@click.option("--log-dir", type=click.Path(file_okay=False, path_type=Path), help="SwanLab's log directory.")
@click.option("--journal-dir", type=click.Path(file_okay=False, path_type=Path), help="Folder of the journals.")
@click.option(
    "--python", type=click.Path(dir_okay=False, path_type=Path), help="The Python whose environment holds the mirror."
)
@click.option(
    "--mirror", type=click.Choice(MIRRORS), help="Who mirrors: a relay that is there, else a process of its own."
)
@click.option("--finish-timeout", type=click.FloatRange(min=0), help="Seconds a finished run waits for its mirror.")
@click.argument("program", nargs=-1, required=True, type=click.UNPROCESSED)
def run(program: tuple[str, ...], **switches: Any) -> None:
    """Run PROGRAM with every wandb run mirrored.

    Its children's runs too. What is not given comes from the environment: --mode is WANDB_SWAN_MODE, and so on.
    PROGRAM's Python needs wandb alone: the mirror is started from this command's environment where PROGRAM's has no
    SwanLab.
    """
    os.environ.update(started_from_here(os.environ))
    for name, value in switches.items():
        if value is not None:
            # Absolute: the program may change its folder before its run starts.
            os.environ[f"WANDB_SWAN_{name.upper()}"] = str(value.absolute() if isinstance(value, Path) else value)
    try:
        if sys.platform == "win32":  # exec there returns to the shell before the program has ended
            sys.exit(subprocess.call(program))
        os.execvp(program[0], program)
    except OSError as error:
        script = program[0].endswith(".py") and Path(program[0]).is_file()
        typed = f"; type `{shlex.join(['wandb-swan', 'run', '--', 'python', *program])}`" if script else ""
        click.echo(f"wandb-swan run: {program[0]}: {error.strerror}{typed}", err=True)
        sys.exit(127 if isinstance(error, FileNotFoundError) else 126)  # as a shell does
