"""Finds the runs below a local `wandb/` folder."""

from __future__ import annotations

from pathlib import Path as FilePath

from ..exceptions import WandbSwanError
from .local_run import LocalRun, head
from .reference import RunReference


def discover(root: FilePath, run_dir: str | None = None) -> list[LocalRun]:
    """The runs below a `wandb/` folder, oldest first; with `run_dir` those of that run folder alone.

    Links (`latest-run`) are not followed, so that no run comes twice. Several logs of one run id are one run where
    each one goes on after the one before it; a log that starts again is a run of its own.

    Raises:
        WandbSwanError: there is no such folder, or no run in it.
    """
    if run_dir is not None:
        chosen = root / run_dir if (root / run_dir).is_dir() else FilePath(run_dir)
        if not chosen.is_dir():
            raise WandbSwanError(f"{root / run_dir} does not exist; give --wb-run-dir a folder of {root}")
        folders = [chosen.resolve()]
    elif not root.is_dir():
        raise WandbSwanError(f"{root} does not exist; give the folder that wandb wrote its runs to (--wb-dir ./wandb)")
    else:
        folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.is_symlink())
        folders.append(root)
    logs = [log for folder in folders for log in sorted(folder.glob("*.wandb")) if log.is_file()]
    if not logs:
        raise WandbSwanError(
            f"{root} holds no run (no run-*/*.wandb file); give the folder that wandb wrote its runs to"
        )
    groups: dict[tuple[str, str, str], list[FilePath]] = {}
    for log in logs:
        found = head(log)
        known = (found.entity, found.project, found.run_id) if found else ("", "", str(log))
        groups.setdefault(known, []).append(log)
    runs = [run for group in groups.values() for run in _continued(group)]
    return sorted(runs, key=lambda run: (run.started.started_at if run.started else 0.0, run.run_id))


def references(runs: list[LocalRun]) -> list[RunReference]:
    """The runs as work for `run.convert_all`."""
    return [run.reference() for run in runs]


def _continued(logs: list[FilePath]) -> list[LocalRun]:
    """The runs that some logs of one run id are."""
    if len(logs) == 1:
        return [LocalRun(logs)]
    runs: list[LocalRun] = []
    last: int | None = None
    for segment in LocalRun(logs).segments:
        first = segment.first_step
        resumed = segment.started.resumed or segment.started.starting_step > 0
        if runs and (resumed or first is None or last is None or first > last):
            runs[-1] = LocalRun([*runs[-1].logs, segment.log], number=runs[-1].number)
        else:
            runs.append(LocalRun([segment.log], number=len(runs) + 1))
            last = None
        if segment.last_step is not None:
            last = max(segment.last_step, last or 0)
    return runs
