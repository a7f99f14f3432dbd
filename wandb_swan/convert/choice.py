"""Which runs are to be converted: the filters of `wandb-swan convert`."""

from __future__ import annotations

from datetime import datetime
from fnmatch import fnmatch
from pathlib import Path as FilePath
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from ..exceptions import WandbSwanError
from ..sources.local_discovery import Place, discover, references
from ..sources.reference import RunReference


class Choice(BaseModel):
    """What a user asks for; the fields are the command's options."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["wandb", "wandb-local"]
    projects: tuple[str, ...] = ()
    all_projects: bool = False
    exclude: tuple[str, ...] = ()
    """Patterns of projects that `all_projects` leaves out."""
    entity: str | None = None
    run_id: str | None = None
    wb_dir: FilePath
    wb_run_dir: str | None = None
    recursive: bool = True
    """Whether to look for `wandb/` folders anywhere below `wb_dir`."""
    since: datetime | None = None
    until: datetime | None = None
    tags: tuple[str, ...] = ()
    """Runs with any of these."""
    states: tuple[str, ...] = ()

    def has(self, run: RunReference) -> bool:
        """Whether a run's start and tags are asked for."""
        return (
            (self.since is None or run.started_at >= self.since.timestamp())
            and (self.until is None or run.started_at < self.until.timestamp())
            and (not self.tags or bool(set(run.tags) & set(self.tags)))
        )


class Chosen(NamedTuple):
    """The runs that a choice means, oldest first, and what lies among them."""

    runs: list[RunReference]
    place: Place = Place()


def chosen_runs(choice: Choice, *, none_yet: bool = False) -> Chosen:
    """The runs that a choice means; with `none_yet`, there may be none so far.

    Raises:
        WandbSwanError: options that do not go together, no such folder, project or run, or no run fits.
    """
    found = _local(choice) if choice.kind == "wandb-local" else Chosen(_cloud(choice))
    chosen = [reference for reference in found.runs if choice.has(reference)]
    if not chosen and not none_yet and not (found.place.no_runs and not found.place.folders):
        raise WandbSwanError("no run fits; --dry-run with fewer filters shows what there is")
    return Chosen(chosen, found.place)


def _local(choice: Choice) -> Chosen:
    if choice.projects or choice.all_projects or choice.entity:
        raise WandbSwanError("--wb-project, --wb-entity and --all-projects are for `-t wandb`; drop them")
    found = discover(choice.wb_dir, choice.wb_run_dir, recursive=choice.recursive)
    runs = found.runs
    if choice.run_id:
        runs = [run for run in runs if run.run_id == choice.run_id]
    if choice.states:
        runs = [run for run in runs if run.state in choice.states]
    return Chosen(references(runs), found.place)


def _cloud(choice: Choice) -> list[RunReference]:
    from ..sources import cloud_client

    projects = choice.projects
    if choice.all_projects:
        if choice.run_id or projects:
            raise WandbSwanError("--all-projects takes every project; drop --wb-project and --wb-runid")
        every = cloud_client.projects(choice.entity)
        projects = tuple(name for name in every if not any(fnmatch(name, pattern) for pattern in choice.exclude))
    if not projects:
        raise WandbSwanError("which runs? give --wb-project NAME, --all-projects, or `-t wandb-local --wb-dir ./wandb`")
    return cloud_client.references(projects, choice.entity, choice.run_id, states=choice.states)
