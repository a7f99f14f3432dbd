"""`wandb-swan verify`: compares wandb runs with SwanLab runs."""

from __future__ import annotations

from pathlib import Path as FilePath

import click

from . import NewFile

NOT_COMPARED = 3
"""The exit code where nothing differs and a run, or the content of something in it, could not be compared."""


def _swanlab(context: click.Context, parameter: click.Parameter, given: str) -> str:
    """The argument SWANLAB: a folder, or what can be an experiment in SwanLab's cloud."""
    if not FilePath(given).is_dir() and (given.count("/") != 2 or given.startswith((".", "/"))):
        raise click.BadParameter(f"'{given}' does not exist: no folder, and no workspace/project/run-id")
    return given


@click.command()
@click.argument("wandb", metavar="WANDB", type=click.Path())
@click.argument("swanlab", metavar="SWANLAB", type=click.Path(), callback=_swanlab)
@click.option("--details", is_flag=True, help="Of several runs, a table of every one that differs.")
@click.option("--only-differences", is_flag=True, help="Say nothing of runs that are identical.")
@click.option("--quiet", is_flag=True, help="Say the numbers alone.")
@click.option(
    "--fast",
    is_flag=True,
    help="Counts, steps, times and numbers of all; of media, texts and files, a sample's content.",
)
@click.option("--force", is_flag=True, help="Compare two runs that are not of one another.")
@click.option(
    "--json",
    "json_file",
    type=NewFile(),
    metavar="FILE.json",
    help="Write the comparison.",
)
@click.option(
    "--html",
    "html_file",
    type=NewFile(),
    metavar="FILE.html",
    help="Write the page of `wandb-swan view --wandb`: verdicts, both sides of everything, and the runs.",
)
def verify(  # noqa: PLR0917  (one for each option)
    wandb: str,
    swanlab: str,
    details: bool,
    only_differences: bool,
    quiet: bool,
    fast: bool,
    force: bool,
    json_file: FilePath | None,
    html_file: FilePath | None,
) -> None:
    """Compare wandb runs with SwanLab runs: every value, with its content.

    WANDB is a wandb run folder, a wandb/ folder of many, or entity/project/run-id in W&B's cloud. SWANLAB is a
    SwanLab run folder, a log directory, where each wandb run finds its own, or workspace/project/run-id in SwanLab's
    cloud: of it, numbers, steps, columns, captions and the config are compared, and what cannot be is said.

    Exit code 1 on any difference, 3 where nothing differs and something (a run, the content of an item) could not
    be compared.
    """
    from ..parity.pairing import NotCompared, Pair, pairs
    from ..parity.report import show
    from ..sources.exports import kept_apart

    with kept_apart():
        every = list(pairs(wandb, swanlab, depth="fast" if fast else "full", force=force))
    compared = [result for result in every if isinstance(result, Pair)]
    left_out = [result for result in every if isinstance(result, NotCompared)]
    show(
        [pair.parity for pair in compared],
        left_out,
        details=details,
        only_differences=only_differences,
        quiet=quiet,
    )
    if json_file:
        content = ",\n".join(pair.parity.model_dump_json(indent=1) for pair in compared)
        json_file.write_text(f"[{content}]\n", "utf-8")
    if html_file:
        from ..view.page import page
        from ..view.parity import Comparisons
        from ..view.runs import named

        runs = named([FilePath(pair.parity.swanlab) for pair in compared if FilePath(pair.parity.swanlab).is_dir()])
        html_file.write_text(page(runs, Comparisons(runs).take(every)), "utf-8")
    if not all(pair.parity.identical for pair in compared):
        raise click.exceptions.Exit(1)
    if left_out or any(pair.parity.unseen for pair in compared):
        raise click.exceptions.Exit(NOT_COMPARED)
