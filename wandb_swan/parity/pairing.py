"""Finds the SwanLab run of each wandb run, and compares the two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path as FilePath
from typing import NamedTuple

from ..exceptions import WandbSwanError
from ..sources.local_discovery import discover
from ..sources.local_run import LocalRun
from ..sources.reference import Source
from ..swan import limits
from .comparison import compare_runs
from .expected import ExpectedRun
from .report import Parity
from .stored import StoredRun


class Pair(NamedTuple):
    """Both sides of a run, and what came of comparing them."""

    recorded: ExpectedRun
    stored: StoredRun
    parity: Parity


def pairs(wandb: str, swanlab: FilePath) -> Iterator[Pair]:
    """Compares the runs of a wandb place (a run folder, a `wandb/` folder, a path in W&B's cloud) with a SwanLab run
    folder, or with those of a log directory that have the same run id.

    Raises:
        WandbSwanError: a place is none, or a run has no counterpart.
        OSError: something cannot be read.
    """
    folder = FilePath(wandb)
    sources: Sequence[Source]
    if folder.is_dir():
        sources = discover(folder)
    elif wandb.count("/") == 2 and not wandb.startswith((".", "/")):
        from ..sources.cloud_run import CloudRun

        sources = [CloudRun(wandb)]
    else:
        raise WandbSwanError(f"{wandb} is no folder and no entity/project/run-id")
    if any(swanlab.glob("run-*.swanlab")):
        if len(sources) > 1:
            raise WandbSwanError(
                f"{wandb} holds {len(sources)} runs and {swanlab} one; give one run folder, or a log directory"
            )
        every = [StoredRun(swanlab)]
        held = {sources[0].run_id: every[0]}
    else:
        every = [StoredRun(path.parent) for path in sorted(swanlab.glob("run-*/run-*.swanlab"))]
        held = {stored.run_id: stored for stored in every}
        sources = [part for source in sources for part in _as_mirrored(source, every)]
    for source in sources:
        page = source.metadata.get("url")  # where two servers have a run of that id, one has another id in SwanLab
        match = next((stored for stored in held.values() if page and stored.metadata.get("url") == page), None)
        if isinstance(source, LocalRun) and (started := source.started) is not None:  # an id may have been used again
            began = {"id": started.run_id, "started_at": started.started_at}
            match = match or next((stored for stored in every if stored.metadata.items() >= began.items()), None)
        match = match or held.get(limits.run_id(source.run_id)) or held.get(source.run_id)
        if match is None:
            raise WandbSwanError(f"{swanlab} holds no SwanLab run {source.run_id}; convert it first")
        recorded = ExpectedRun.of(source)
        yield Pair(recorded, match, compare_runs(recorded, match, wandb))


def _as_mirrored(source: Source, stored: Sequence[StoredRun]) -> list[Source]:
    """The run, or, where each of its logs was mirrored into a SwanLab run of its own, one for each of them."""
    if not isinstance(source, LocalRun) or len(source.logs) < 2:
        return [source]
    began = {run.metadata.get("started_at") for run in stored}
    apart = [LocalRun([log]) for log in source.logs]
    return [*apart] if all(part.started and part.started.started_at in began for part in apart) else [source]
