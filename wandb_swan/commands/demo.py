"""`wandb-swan demo`: trains a small network into both stores, compares them, and says how to look."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

import click

from ..defaults import LOG_DIR
from ..exceptions import WandbSwanError

if TYPE_CHECKING:
    from ..console import Console
    from ..parity.pairing import Pair

_NEEDED = {"sklearn": "scikit-learn", "plotly": "plotly", "PIL": "Pillow", "swanboard": "SwanLab's dashboard"}
"""Modules that the demo imports -> what they are called."""
_DRAWN = ("scalar", "image", "audio", "text")
"""Kinds of column that SwanLab's local dashboard draws (SwanLab 0.10, `deprecated/local.py`)."""
_ELSEWHERE = ("CACHE_DIR", "CONFIG_DIR", "DATA_DIR", "SAVE_DIR")
"""Ends of the names of variables that say where wandb and SwanLab keep their own things."""


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=Path("wandb-swan-demo"))
@click.option("--epochs", type=click.IntRange(min=1), default=12, show_default=True, help="How long it trains.")
def demo(folder: Path, epochs: int) -> None:
    """Train a network on scikit-learn's digits, W&B offline and SwanLab local; compare both stores.

    Everything goes into FOLDER (./wandb-swan-demo if not given): a second demo there is a second run of the same
    project. Nothing is uploaded, no account is needed. Exit code 1 if the training fails or the stores differ.
    """
    missing = [name for module, name in _NEEDED.items() if find_spec(module) is None]
    if missing:
        install = "`pip install 'wandb-swan[demo]'` (or `uv tool install 'wandb-swan[demo]'`)"
        raise WandbSwanError(f"the demo needs {', '.join(missing)}: type {install}")
    if folder.exists() and any(folder.iterdir()) and not (folder / LOG_DIR).is_dir():
        raise WandbSwanError(f"{folder} holds other things; give a folder that is new, empty, or an earlier demo's")
    folder.mkdir(parents=True, exist_ok=True)
    before = {*folder.glob("wandb/*run-*")}
    # Not in FOLDER, but with it as wandb's: what the run says is to be typed, works here.
    command = [sys.executable, str(_script().absolute()), "--epochs", str(epochs)]
    trained = subprocess.run(command, env={**_environment(), "WANDB_DIR": str(folder.absolute())})
    made = {path for path in {*folder.glob("wandb/*run-*")} - before if path.is_dir() and not path.is_symlink()}
    if trained.returncode or len(made) != 1:
        raise click.exceptions.Exit(1)
    _compare(made.pop(), folder)


def _script() -> Path:
    """The training script: the clone's, else the wheel's copy of it."""
    clone = Path(__file__).parents[2] / "examples" / "train_digits.py"
    copy = find_spec("_wandb_swan_digits")
    return clone if clone.is_file() or copy is None or copy.origin is None else Path(copy.origin)


def _environment() -> dict[str, str]:
    """Ours, without what would send the run elsewhere."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("WANDB", "SWANLAB")) or name.endswith(_ELSEWHERE)
    }
    return {**kept, "WANDB_MODE": "offline", "WANDB_SWAN_MODE": "local"}


def _compare(wandb: Path, folder: Path) -> None:
    from ..console import Console
    from ..parity.pairing import Pair, pairs
    from ..parity.report import render

    console = Console(width=None if sys.stdout.isatty() else 130)
    for pair in pairs(str(wandb), str(folder / LOG_DIR)):
        if not isinstance(pair, Pair):
            console.print(f"not compared: {pair.what}: {pair.reason}", markup=False)
            raise click.exceptions.Exit(1)
        console.print()
        console.print(render(pair.parity))
        same = pair.parity.identical
        verdict = "[green]the two stores are identical" if same else "[red]the two stores differ"
        console.print(f"{pair.parity.points:,} points: {verdict}")
        _say_how_to_look(console, pair, folder)
        if not same:
            raise click.exceptions.Exit(1)


def _say_how_to_look(console: Console, pair: Pair, folder: Path) -> None:
    from ..journal.paths import command
    from ..parity.stored import StoredRun

    kinds = list(pair.stored.kinds.values()) if isinstance(pair.stored, StoredRun) else []
    drawn = sum(kind in _DRAWN for kind in kinds)
    for line in (
        f"SwanLab's local dashboard draws {drawn} of the {len(kinds)} metrics: numbers, texts, pictures and sounds; no",
        "tables, charts, histograms, pages, 3D objects or molecules. Type",
        f"  {command(_tool('swanlab'), 'watch', folder / LOG_DIR)}",
        "All of them, and both stores side by side: type",
        f"  {command(_tool('wandb-swan'), 'view', folder / LOG_DIR, '--wandb', folder / 'wandb')}",
    ):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _tool(name: str) -> str | Path:
    """A command of this Python's environment, as it can be typed: its name alone, if that is on PATH."""
    here = which(name, path=str(Path(sys.executable).parent))
    found = which(name)
    return name if here is None or (found is not None and Path(found).samefile(here)) else Path(here)
