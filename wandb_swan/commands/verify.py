"""`wandb-swan verify`: compares wandb runs with SwanLab runs."""

from __future__ import annotations

from pathlib import Path as FilePath

import click


@click.command()
@click.argument("wandb", metavar="WANDB")
@click.argument("swanlab", metavar="SWANLAB", type=click.Path(exists=True, file_okay=False, path_type=FilePath))
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=FilePath),
    metavar="FILE.json",
    help="Write the comparison.",
)
@click.option(
    "--html",
    "html_file",
    type=click.Path(dir_okay=False, path_type=FilePath),
    metavar="FILE.html",
    help="Write a page with both curves of every metric laid over each other.",
)
def verify(wandb: str, swanlab: FilePath, json_file: FilePath | None, html_file: FilePath | None) -> None:
    """Compare wandb runs with SwanLab runs, metric by metric. Exit code 1 on any difference.

    WANDB is a wandb run folder, a wandb/ folder of many, or entity/project/run-id in W&B's cloud. SWANLAB is a
    SwanLab run folder or a log directory, where each wandb run finds its own.
    """
    from rich.console import Console

    from ..parity.page import report_page
    from ..parity.pairing import pairs
    from ..parity.report import render
    from ..sources.exports import kept_apart

    console = Console()
    with kept_apart():
        found = list(pairs(wandb, swanlab))
    for pair in found:
        console.print(render(pair.parity))
        for loss in pair.parity.not_mirrored:
            console.print(f"not carried over: {loss}", markup=False)
    same = sum(pair.parity.identical for pair in found)
    console.print(f"{same} of {len(found)} runs identical", highlight=False)
    if json_file:
        content = ",\n".join(pair.parity.model_dump_json(indent=1) for pair in found)
        json_file.write_text(f"[{content}]\n", "utf-8")
    if html_file:
        html_file.write_text(report_page(found), "utf-8")
    if same != len(found):
        raise click.exceptions.Exit(1)
