"""`wandb-swan run`: starts a program whose wandb runs, and those of its children, are mirrored without an edit."""

from __future__ import annotations

import os
import site
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from ..defaults import GIVEN_MODES


def _python_path() -> str:
    """PYTHONPATH with what activates in a Python that reads no `wandb_swan.pth`; last the package, if this is one."""
    package = Path(__file__).absolute().parent.parent
    folders = [*site.getsitepackages(), site.getusersitepackages()]
    installed = any(Path(folder, "wandb_swan.pth").is_file() for folder in folders)
    entries = [str(package / "capture" / "boot"), os.environ.get("PYTHONPATH"), None if installed else package.parent]
    return os.pathsep.join(str(entry) for entry in entries if entry)


@click.command(context_settings={"allow_interspersed_args": False})
@click.option("--mode", type=click.Choice(GIVEN_MODES), help="SwanLab's mode.")
@click.option("--wandb-run/--no-wandb-run", default=None, help="Whether anything is uploaded to W&B.")
@click.option("--keep-wandb/--no-keep-wandb", default=None, help="Whether W&B's folder stays, with --no-wandb-run.")
@click.option("--workspace", help="SwanLab workspace.")
@click.option("--project", help="SwanLab project; the wandb project if not given.")
@click.option("--log-dir", type=click.Path(file_okay=False, path_type=Path), help="SwanLab's log directory.")
@click.option("--journal-dir", type=click.Path(file_okay=False, path_type=Path), help="Folder of the journals.")
@click.option("--finish-timeout", type=click.FloatRange(min=0), help="Seconds a finished run waits for its mirror.")
@click.argument("program", nargs=-1, required=True, type=click.UNPROCESSED)
def run(program: tuple[str, ...], **switches: Any) -> None:
    """Run PROGRAM with every wandb run mirrored.

    Its children's runs too. What is not given comes from the environment: --mode is WANDB_SWAN_MODE, and so on.
    PROGRAM's Python must have wandb-swan installed, or find it on PYTHONPATH.
    """
    os.environ["WANDB_SWAN"] = "1"
    os.environ["PYTHONPATH"] = _python_path()
    for name, value in switches.items():
        if value is not None:
            # Absolute: the program may change its folder before its run starts.
            os.environ[f"WANDB_SWAN_{name.upper()}"] = str(value.absolute() if isinstance(value, Path) else value)
    try:
        if sys.platform == "win32":  # exec there returns to the shell before the program has ended
            sys.exit(subprocess.call(program))
        os.execvp(program[0], program)
    except OSError as error:
        click.echo(f"wandb-swan run: {program[0]}: {error.strerror}", err=True)
        sys.exit(127 if isinstance(error, FileNotFoundError) else 126)  # as a shell does
