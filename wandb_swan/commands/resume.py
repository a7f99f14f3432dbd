"""`wandb-swan resume`: finishes what was interrupted."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ..defaults import GIVEN_MODES, plain_mode


@click.command()
@click.argument("where", type=click.Path(path_type=Path), required=False)
@click.option("--map", "maps", multiple=True, metavar="FROM=TO", help="A folder of the trainers, and where it is here.")
@click.option("--mode", type=click.Choice([mode for mode in GIVEN_MODES if mode != "disabled"]), help="SwanLab's mode.")
@click.option("--quiet", is_flag=True, help="Say nothing of runs that are whole, or on their way.")
@click.option("--json", "as_json", is_flag=True, help="At the end, one JSON object a journal on standard output.")
def resume(where: Path | None, maps: tuple[str, ...], mode: str | None, quiet: bool, as_json: bool) -> None:
    """Finish what was interrupted: every journal that nobody is mirroring, in order, without duplicates.

    WHERE is SwanLab's log directory, a folder of journals or one journal; ./swanlog if not given. --mode is taken
    whatever the training's settings say: `--mode online` where it had no network. Exit code 1 if a run is not whole in
    SwanLab and not on its way there.
    """
    from ..console import Console
    from ..journal.models import MirrorStatus
    from ..journal.paths import find_journals
    from ..mirror.resume import resume_all
    from ..settings import read_settings

    done = resume_all(
        [path for path in find_journals(where or read_settings().journals) if path.exists()],
        Console(stderr=True),
        maps,
        mode=plain_mode(mode) if mode else None,
        quiet=quiet,
    )
    if as_json:
        for one in done:
            told = {"journal": str(one.journal), "run": MirrorStatus.of(one.journal).run_id, "good": one.good}
            click.echo(json.dumps({**told, "text": one.text}))
    if not all(one.good for one in done):
        raise click.exceptions.Exit(1)
