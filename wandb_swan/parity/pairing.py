"""Finds the SwanLab run of each wandb run, and compares the two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path as FilePath
from typing import Any, NamedTuple

from ..exceptions import WandbSwanError
from ..sources.local_discovery import NoRun, discover
from ..sources.local_run import LocalRun
from ..sources.reference import Source
from ..swan import limits
from .answers import noted
from .artifacts import with_files
from .cloud import CloudStored
from .comparison import compare_runs
from .matching import Depth
from .recorded import Recorded
from .report import Parity
from .stored import StoredRun


class Pair(NamedTuple):
    """Both sides of a run, and what came of comparing them."""

    recorded: Recorded
    stored: StoredRun | CloudStored
    parity: Parity


class NotCompared(NamedTuple):
    """A run, or a SwanLab folder, that could not be compared."""

    what: str
    reason: str


class _Identity(NamedTuple):
    """What tells a wandb run from others; "" or 0.0 where it is not known."""

    run_id: str
    swanlab_id: str
    entity: str = ""
    project: str = ""
    started_at: float = 0.0
    url: str = ""


def pairs(wandb: str, swanlab: str, *, depth: Depth = "full", force: bool = False) -> Iterator[Pair | NotCompared]:
    """Compares the runs of a wandb place (a run folder, a `wandb/` folder, a path in W&B's cloud) with a SwanLab run
    folder, with those of a log directory, each with every SwanLab run that is of it, or with an experiment in SwanLab's
    cloud.

    Args:
        wandb: The wandb place.
        swanlab: The SwanLab run folder, a log directory, or workspace/project/run-id.
        depth: Whether to look into the content of everything, or of a sample (`compare_runs`).
        force: Compare a wandb run with a SwanLab run that is not of it.

    Raises:
        WandbSwanError: a place is none, or a SwanLab run is of another wandb run.
        OSError: a place cannot be read.
    """
    sources, no_runs = _sources(wandb)
    for none in no_runs:
        yield NotCompared(str(none.path), none.reason)
    held: list[StoredRun | CloudStored] = []
    single = True
    if not FilePath(swanlab).is_dir():
        held.append(CloudStored(swanlab))
    else:
        folders, single = _folders(FilePath(swanlab))
        for folder in folders:
            try:
                held.append(StoredRun(folder))
            except (WandbSwanError, OSError) as error:
                yield NotCompared(str(folder), f"the SwanLab run cannot be read: {error}")
    if single and len(sources) > 1:
        raise WandbSwanError(
            f"{wandb} holds {len(sources)} runs and {swanlab} one; give one run folder, or a log directory"
        )
    if single and not held:
        return
    for source in sources if single else [part for whole in sources for part in _as_mirrored(whole, held)]:
        try:
            yield from _compared(source, wandb, held, swanlab, depth=depth, anything=single and force, single=single)
        except (WandbSwanError, OSError) as error:
            if single:
                raise
            yield NotCompared(_name(source, wandb), str(error))


def _folders(place: FilePath) -> tuple[list[FilePath], bool]:
    """The SwanLab run folders of a place, and whether it is one itself. Raises WandbSwanError where there is none."""
    if any(place.glob("run-*.swanlab")):
        return [place], True
    found = sorted({path.parent for path in place.glob("run-*/run-*.swanlab")})
    if not found:
        raise WandbSwanError(f"{place} holds no SwanLab run; give SwanLab's log directory, or convert the runs first")
    return found, False


def _sources(wandb: str) -> tuple[Sequence[Source], Sequence[NoRun]]:
    folder = FilePath(wandb)
    if folder.is_dir() or folder.suffix == ".wandb":
        found = discover(folder)
        return found.runs, found.place.no_runs
    if wandb.count("/") == 2 and not wandb.startswith((".", "/")):
        from ..sources.cloud_run import CloudRun

        return [CloudRun(wandb)], []
    raise WandbSwanError(f"{wandb} is no folder and no entity/project/run-id")


def _compared(
    source: Source,
    wandb: str,
    held: list[StoredRun | CloudStored],
    swanlab: str,
    *,
    depth: Depth,
    anything: bool,
    single: bool,
) -> Iterator[Pair]:
    """A pair for each SwanLab run that is of the source. Raises WandbSwanError where there is none."""
    if isinstance(source, LocalRun) and source.started is None:
        next(source.events())  # raises, and says why: torn, empty, no log at all
    identity = _identity(source, wandb)
    found = held if anything else _of(identity, held)
    if not found and single:
        theirs = held[0].metadata.get("id") or held[0].run_id
        raise WandbSwanError(
            f"{swanlab} is of another run ({theirs}, not {identity.run_id}); --force compares them all the same"
        )
    if not found:
        raise WandbSwanError(f"{swanlab} holds no SwanLab run of it; convert it first")
    if not isinstance(source, LocalRun):
        from ..sources.cloud_run import CloudRun

        assert isinstance(source, CloudRun)
        source.manifests_of = frozenset(name for stored in found for name in with_files(stored.metadata))
    recorded = read(source)
    for stored in found:
        # A live run, of which SwanLab keeps the first name, says which versions wrote it.
        same = "versions" not in stored.metadata and isinstance(source, LocalRun) == (
            "converted_from" in stored.metadata
        )
        parity = compare_runs(recorded, stored, _name(source, wandb), depth=depth, same_source=same)
        yield Pair(recorded, stored, parity)


def read(source: Source) -> Recorded:
    """What a source says of a run, read plainly.

    Raises:
        WandbSwanError: it cannot be read.
        OSError: a log cannot be read.
    """
    said = noted(source)
    if not isinstance(source, LocalRun):
        for _ in source.events():
            pass
    recorded = said()
    recorded.about["id"] = source.run_id
    return recorded


def _identity(source: Source, wandb: str) -> _Identity:
    ours = limits.run_id(source.run_id)
    if isinstance(source, LocalRun):
        started = source.started
        if started is None:
            return _Identity(source.run_id, ours)
        return _Identity(started.run_id, ours, started.entity, started.project, started.started_at)
    entity, project, run_id = wandb.split("/")
    return _Identity(run_id, ours, entity, project, url=str(source.metadata.get("url") or ""))


def _of(identity: _Identity, held: list[StoredRun | CloudStored]) -> list[StoredRun | CloudStored]:
    """The SwanLab runs of a wandb run: by its page, by its start, by entity, project and id, or by the id alone."""

    def of_page(metadata: dict[str, Any]) -> bool:
        return bool(identity.url) and metadata.get("url") == identity.url

    def of_start(metadata: dict[str, Any]) -> bool:  # an id may have been used again
        return identity.started_at > 0 and (metadata.get("id"), metadata.get("started_at")) == (
            identity.run_id,
            identity.started_at,
        )

    def of_place(metadata: dict[str, Any]) -> bool:
        entity, project = metadata.get("entity") or "", metadata.get("project") or ""
        same = entity == identity.entity or not (entity and identity.entity)
        other_start = identity.started_at > 0 and metadata.get("started_at") not in (None, identity.started_at)
        return metadata.get("id") == identity.run_id and project == identity.project and same and not other_start

    for is_of in (of_page, of_start, of_place):
        found = [stored for stored in held if is_of(stored.metadata)]
        if found:
            return found
    unknown = [stored for stored in held if "id" not in stored.metadata]  # written by another program
    return [stored for stored in unknown if stored.run_id in (identity.swanlab_id, identity.run_id)]


def _name(source: Source, wandb: str) -> str:
    return ", ".join(log.parent.name for log in source.logs) if isinstance(source, LocalRun) else wandb


def _as_mirrored(source: Source, stored: Sequence[StoredRun | CloudStored]) -> list[Source]:
    """The run, or, where each of its logs was mirrored into a SwanLab run of its own, one for each of them."""
    if not isinstance(source, LocalRun) or len(source.logs) < 2:
        return [source]
    begun = {run.metadata.get("started_at") for run in stored}
    apart = [LocalRun([log]) for log in source.logs]
    return [*apart] if all(part.started and part.started.started_at in begun for part in apart) else [source]
