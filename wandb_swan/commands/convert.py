"""`wandb-swan convert`: brings runs of the past over."""

from __future__ import annotations

from functools import partial
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any, NoReturn

import click

from ..defaults import CONVERSION_MODE, GIVEN_MODES, LOG_DIR, MAX_ARTIFACT_GB, MAX_FILE_MB, WANDB_DIR
from . import NewFile

if TYPE_CHECKING:
    from ..convert.choice import Choice
    from ..convert.report import Report

EVERY, MIN_EVERY = 60.0, 5.0
"""Seconds between two looks of --follow, and the fewest that may be asked for."""
STATES = ("finished", "failed", "crashed", "killed", "running", "preempted", "pending")


@click.command()
@click.option(
    "-t",
    "--type",
    "kind",
    type=click.Choice(["wandb", "wandb-local"]),
    default="wandb",
    show_default=True,
    help="From W&B's cloud (or a self-hosted W&B), or from a local wandb/ folder.",
)
@click.option("-p", "--project", help="SwanLab project; the wandb project if not given.")
@click.option("-w", "--workspace", help="SwanLab workspace.")
@click.option(
    "--mode",
    type=click.Choice(GIVEN_MODES),
    default=CONVERSION_MODE,
    show_default=True,
    help="The mode of the SwanLab runs.",
)
@click.option(
    "-l",
    "--logdir",
    "--log-dir",
    "log_dir",
    type=click.Path(file_okay=False),
    default=LOG_DIR,
    show_default=True,
    help="SwanLab's log directory. The manifest is beside it.",
)
@click.option("--wb-project", "projects", multiple=True, help="W&B project; may be given several times.")
@click.option("--all-projects", is_flag=True, help="Every project of the entity.")
@click.option("--exclude", multiple=True, help="With --all-projects: not these (a pattern such as 'old-*').")
@click.option("--wb-entity", "entity", help="W&B user or team; your default entity if not given.")
@click.option("--wb-runid", "run_id", help="Only the run with this id.")
@click.option(
    "--wb-dir",
    type=click.Path(),
    default=WANDB_DIR,
    show_default=True,
    help="The folder that wandb wrote its runs to, or any above it, a run folder, or a .wandb file.",
)
@click.option("--wb-run-dir", help="Only this run folder of it.")
@click.option(
    "--recursive/--no-recursive",
    default=True,
    show_default=True,
    help="Look for wandb/ folders anywhere below --wb-dir, or in it and its folders alone.",
)
@click.option("--workers", type=click.IntRange(min=1), help="Worker processes; one for each processor if not given.")
@click.option("--dask", metavar="ADDRESS", help="Spread the runs over a dask cluster: tcp://scheduler:8786.")
@click.option(
    "--resume/--force",
    default=True,
    help="Skip what is converted already (the default), or convert it again, even if less comes.",
)
@click.option(
    "--follow",
    is_flag=True,
    help="Keep on: new runs come, running ones grow, until Ctrl-C. Type it again to go on.",
)
@click.option(
    "--every",
    type=click.FloatRange(min=MIN_EVERY),
    default=EVERY,
    show_default=True,
    help="With --follow: seconds between two looks for what is new.",
)
@click.option("--dry-run", is_flag=True, help="List the runs and convert none.")
@click.option("--since", type=click.DateTime(), help="Only runs that were started at this time or later.")
@click.option("--until", type=click.DateTime(), help="Only runs that were started before this time.")
@click.option("--tag", "tags", multiple=True, help="Only runs with this tag (or any of several).")
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="Only runs in this state.")
@click.option("--no-media", is_flag=True, help="Leave out images, tables and other media.")
@click.option("--no-console", is_flag=True, help="Leave out console output.")
@click.option("--no-system", is_flag=True, help="Leave out system metrics.")
@click.option(
    "--max-file-mb",
    type=click.FloatRange(min=0),
    default=MAX_FILE_MB,
    show_default=True,
    help="Leave out saved files over this size.",
)
@click.option(
    "--artifacts",
    type=click.Path(file_okay=False, path_type=FilePath),
    metavar="DIR",
    help="Bring the files of the artifacts that the runs logged or used into this folder; each distinct file is there"
    " once, and the list in wandb_run.artifacts says where an artifact lies. If not given, they are listed alone.",
)
@click.option(
    "--max-artifact-gb",
    type=click.FloatRange(min=0),
    default=MAX_ARTIFACT_GB,
    show_default=True,
    help="Leave out the files of artifacts over this size.",
)
@click.option(
    "--verify",
    type=click.Choice(["full", "fast"]),
    is_flag=False,
    flag_value="fast",
    default="fast",
    show_default=True,
    help="Read each SwanLab run back and compare it with its source: fast: every count, step, time and number, and the"
    " content of a sample of media, texts and files; full: the content of all.",
)
@click.option("--no-verify", is_flag=True, help="Do not compare.")
@click.option(
    "--report",
    type=NewFile(),
    metavar="FILE.json",
    help="Write what became of each run.",
)
@click.option("--strict", is_flag=True, help="Exit code 1 if anything was not carried over.")
@click.option("--quiet", is_flag=True, help="Say what failed and the sum alone; the rest is in the --report.")
def convert(**given: Any) -> None:
    """Convert wandb runs of the past into SwanLab runs, whole.

    Type the same command again to go on after an interruption: what is converted is skipped, nothing comes twice.
    """
    if given["follow"] and (any(given[name] for name in ("dry_run", "strict", "dask", "quiet")) or not given["resume"]):
        raise click.UsageError("--follow goes without --dry-run, --strict, --force, --dask and --quiet")
    local = given["kind"] == "wandb-local" and FilePath(given["wb_dir"]).exists()
    from ..convert.workers import warm

    with warm(FilePath(given["log_dir"]), now=local and not (given["dry_run"] or given["dask"])):
        _convert(given)


def _follow(given: dict[str, Any], choice: Choice, common: dict[str, Any]) -> NoReturn:
    from ..atomic_file import write_whole
    from ..convert.choice import chosen_runs
    from ..convert.converter import Converter

    def write(report: Report) -> None:
        if given["report"]:
            try:
                write_whole(given["report"], report.model_dump_json(indent=1))  # somebody may be reading it
            except OSError as error:
                common["console"].print(f"{error}: no report was written", markup=False)

    converter = Converter(**common)
    look = partial(chosen_runs, choice, none_yet=True)
    raise click.exceptions.Exit(converter.follow(look, every=given["every"], on_report=write))


def _convert(given: dict[str, Any]) -> None:
    from ..console import Console  # while the worker process starts
    from ..convert.choice import Choice, chosen_runs
    from ..convert.converter import Converter, plan

    console = Console(stderr=True)
    common: dict[str, Any] = {
        "project": given["project"],
        "workspace": given["workspace"],
        "mode": given["mode"],
        "log_dir": given["log_dir"],
        "force": not given["resume"],
        "workers": given["workers"] or 0,
        "dask": given["dask"],
        "console": Console(stderr=True, quiet=True) if given["quiet"] else console,
        "media": not given["no_media"],
        "console_lines": not given["no_console"],
        "system": not given["no_system"],
        "max_file_mb": given["max_file_mb"],
        "artifacts": given["artifacts"],
        "max_artifact_gb": given["max_artifact_gb"],
        "verify": "none" if given["no_verify"] else given["verify"],
    }
    choice = Choice(**{name: given[name] for name in Choice.model_fields})
    if given["follow"]:
        _follow(given, choice, common)
    chosen = chosen_runs(choice)
    result = plan(chosen.runs) if given["dry_run"] else Converter(**common).convert(chosen.runs)
    result = result.model_copy(update={"place": chosen.place})
    unwritten: OSError | None = None
    if given["report"]:
        try:
            given["report"].write_text(result.model_dump_json(indent=1), "utf-8")
        except OSError as error:
            unwritten = error
    shown = Console(width=None if console.is_terminal else 10_000)  # who reads a file wants paths in one piece
    if given["quiet"]:
        result.show_failures(shown)
    else:
        result.show(shown, file=given["report"] if unwritten is None else None)
    if unwritten is not None:
        raise unwritten
    if any(run.reason == "Ctrl-C" for run in result.runs):
        again = "type the same command again to go on"
        if not given["resume"]:
            again = "what is done stays; type the command without --force to go on, with it to start over"
        console.print(f"interrupted: {again}")
        raise click.exceptions.Exit(130)
    if result.having("failed") or result.having("interrupted") or (given["strict"] and not result.whole):
        raise click.exceptions.Exit(1)
