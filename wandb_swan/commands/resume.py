"""`wandb-swan resume`: finishes what was interrupted."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("where", type=click.Path(path_type=Path), required=False)
@click.option("--map", "maps", multiple=True, metavar="FROM=TO", help="A folder of the trainers, and where it is here.")
def resume(where: Path | None, maps: tuple[str, ...]) -> None:
    """Finish what was interrupted: every journal that nobody is mirroring, in order, without duplicates.

    WHERE is SwanLab's log directory, a folder of journals or one journal; ./swanlog if not given.
    """
    from rich.console import Console

    from ..journal.paths import find_journals
    from ..mirror.resume import resume_all
    from ..settings import read_settings

    failed = resume_all(
        [path for path in find_journals(where or read_settings().journals) if path.exists()],
        Console(stderr=True),
        maps,
    )
    if failed:
        raise click.exceptions.Exit(1)
