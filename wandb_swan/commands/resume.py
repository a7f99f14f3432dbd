"""`wandb-swan resume`: finishes what was interrupted."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("where", type=click.Path(path_type=Path), required=False)
def resume(where: Path | None) -> None:
    """Finish what was interrupted: every journal that nobody is mirroring, in order, without duplicates.

    WHERE is SwanLab's log directory, a folder of journals or one journal; ./swanlog if not given.
    """
    from rich.console import Console

    from ..journal.paths import find_journals
    from ..mirror.resume import resume_all
    from ..settings import read_settings

    failed = resume_all(
        [path for path in find_journals(where or read_settings().journals) if path.exists()], Console(stderr=True)
    )
    if failed:
        raise click.exceptions.Exit(1)
