"""Holds the demo's two stores side by side: wandb's run folder and SwanLab's."""

import sys
from pathlib import Path

from rich.console import Console

from wandb_swan.parity.pairing import Pair, pairs
from wandb_swan.parity.report import render


def main() -> int:
    wandb_run = Path("wandb/latest-run").resolve()
    swanlab_run = max(Path("swanlog").glob("run-*"), key=lambda path: path.stat().st_mtime)
    (pair,) = [found for found in pairs(str(wandb_run), str(swanlab_run)) if isinstance(found, Pair)]
    parity = pair.parity
    console = Console(width=None if sys.stdout.isatty() else 130)
    console.print()
    console.print(render(parity))
    same = parity.identical
    verdict = "[green]the two stores are identical" if same else "[red]they differ"
    console.print(f"{parity.points:,} points: {verdict}")
    console.print("See it in SwanLab's dashboard:  .venv/bin/swanlab watch demo/swanlog", highlight=False)
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
