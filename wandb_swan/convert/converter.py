"""The Python interface: `swanlab.converter`'s two classes and their signatures, with a report as the result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from rich.console import Console

from ..defaults import CONVERSION_MODE, LOG_DIR, MODES, MODES_ALLOWED, WANDB_DIR, plain_mode
from ..exceptions import WandbSwanError
from ..settings import read_settings
from ..sources import local_discovery
from ..sources.reference import RunReference
from ..sources.selection import Options
from .report import Report, RunReport

if TYPE_CHECKING:
    from .choice import Chosen


class Converter:
    """Converts runs, whatever their source."""

    def __init__(  # noqa: PLR0917  (swanlab.converter's signature)
        self,
        project: str | None = None,
        workspace: str | None = None,
        mode: str = CONVERSION_MODE,
        log_dir: str | None = None,
        logdir: str | None = None,
        tags: Sequence[str] | None = None,
        resume: bool = False,
        *,
        force: bool = False,
        workers: int = 0,
        dask: str | None = None,
        console: Console | None = None,
        **options: Any,
    ) -> None:
        """Takes `swanlab.converter`'s arguments, and these besides.

        Args:
            project: SwanLab project; the wandb project if not given.
            workspace: SwanLab workspace.
            mode: online (or cloud), local, offline, disabled (nothing is written: the report lists the runs).
            log_dir: SwanLab's log directory; `swanlog` if not given.
            logdir: The old name of `log_dir`.
            tags: Added to the tags of every run.
            resume: Taken for compatibility. A run keeps its id, and what is converted already is always skipped.
            force: Convert again what is converted already, even if it then holds less.
            workers: Worker processes; 0: one for each processor, at most eight.
            dask: The address of a dask scheduler to spread the runs over.
            console: Where progress is shown; nowhere if not given.
            options: media, console_lines, system (True), max_file_mb (100), verify ("fast"; "full", or False), cache,
                artifacts (a folder for the files of the runs' artifacts; None: they are listed alone) and
                max_artifact_gb (10).

        Raises:
            WandbSwanError: an argument is not allowed.
        """
        mode = plain_mode(mode)
        if mode not in MODES:
            raise WandbSwanError(f"mode={mode!r} is not allowed; use {MODES_ALLOWED}")
        folder = FilePath(log_dir or logdir or LOG_DIR)
        switches = read_settings()
        given = {
            "plotly_inline": switches.plotly_inline,
            "keep_original": switches.keep_original,
            "mode": "offline" if mode == "disabled" else mode,
            "log_dir": folder,
            "project": project,
            "workspace": workspace,
            "tags": tuple(tags or ()),
            "cache": FilePath(options.pop("cache", None) or f"{folder}.cache"),
            **({"console": options.pop("console_lines")} if "console_lines" in options else {}),
        }
        if isinstance(verify := options.get("verify"), bool):
            options["verify"] = "fast" if verify else "none"
        unknown = set(options) - set(Options.model_fields)
        if unknown:
            raise TypeError(f"unknown arguments: {', '.join(sorted(unknown))}")
        self._options = Options.model_validate({**given, **options})
        if self._options.artifacts is not None:
            from ..sources.artifact_store import check_folder

            check_folder(self._options.artifacts)
        self._disabled = mode == "disabled"
        self._force = force
        self._workers = workers
        self._dask = dask
        self._console = console

    def convert(self, references: Sequence[RunReference]) -> Report:
        """Converts these runs.

        Raises:
            WandbSwanError: SwanLab cannot be used that way (no login, no dashboard extra), or see `run.convert_all`.
        """
        from .scheduler import convert_all

        if self._disabled or not references:
            return plan(references)
        ready(self._options.mode)
        return convert_all(
            references,
            self._options,
            workers=self._workers,
            dask=self._dask,
            force=self._force,
            console=self._console,
        )

    def follow(
        self, look: Callable[[], Chosen], *, every: float, on_report: Callable[[Report], None] = lambda report: None
    ) -> int:
        """Keeps the runs that `look` lists in step until Ctrl-C or SIGTERM (`Following`); returns the exit code.

        Raises:
            WandbSwanError: SwanLab cannot be used that way, options that do not go together, or see `Following`.
        """
        from .follow import Following

        if self._disabled or self._force or self._dask:
            raise WandbSwanError("--follow goes without --force, --dask and mode disabled")
        ready(self._options.mode)
        return Following(
            look,
            self._options,
            every=every,
            workers=self._workers,
            console=self._console,
            on_report=on_report,
        ).run()


class WandbLocalConverter(Converter):
    """Converts the runs of a local `wandb/` folder."""

    def __init__(self, *args: Any, root_wandb_dir: str = WANDB_DIR, wandb_run_dir: str | None = None, **more: Any):
        super().__init__(*args, **more)
        self._root, self._run_dir = root_wandb_dir, wandb_run_dir

    def run(
        self,
        root_wandb_dir: str | None = None,
        wandb_run_dir: str | None = None,
        wb_run_id: str | None = None,
    ) -> Report:
        """Converts all runs anywhere below `root_wandb_dir`, or that of `wandb_run_dir`, or those with this id.

        Raises:
            WandbSwanError: there is no such folder or run, or see `convert`.
        """
        found = local_discovery.discover(FilePath(root_wandb_dir or self._root), wandb_run_dir or self._run_dir)
        chosen = [run for run in found.runs if wb_run_id in (None, run.run_id)]
        if not chosen and wb_run_id is not None:
            raise WandbSwanError(f"no run has the id {wb_run_id}")
        return self.convert(local_discovery.references(chosen)).model_copy(update={"place": found.place})


class WandbConverter(Converter):
    """Converts runs of W&B's cloud or of a self-hosted W&B."""

    def __init__(self, *args: Any, wb_project: str | None = None, wb_entity: str | None = None, **more: Any):
        super().__init__(*args, **more)
        self._wb_project, self._wb_entity = wb_project, wb_entity

    def run(
        self,
        wb_project: str | None = None,
        wb_entity: str | None = None,
        wb_run_id: str | None = None,
        *,
        wb_runid: str | None = None,
    ) -> Report:
        """Converts the runs of a project, or one of them.

        Raises:
            WandbSwanError: no login, no such project or run, no permission, or see `convert`.
        """
        from ..sources import cloud_client

        project = wb_project or self._wb_project
        if not project:
            raise WandbSwanError("wb_project is missing: give the W&B project whose runs are to be converted")
        return self.convert(cloud_client.references([project], wb_entity or self._wb_entity, wb_run_id or wb_runid))


def plan(references: Sequence[RunReference]) -> Report:
    """What would be converted."""
    return Report(
        runs=tuple(
            RunReport(
                source=reference.source,
                run_id=reference.run_id,
                name=reference.name,
                project=reference.project,
                state="planned",
            )
            for reference in references
        )
    )


def ready(mode: str) -> None:
    """Raises WandbSwanError, saying what to do, where SwanLab cannot record in this mode."""
    if mode == "offline":  # SwanLab need not be asked, which takes half a second
        return
    from ..swan.target import obstacle

    why = obstacle(mode)
    if why is not None:
        raise WandbSwanError(why)
