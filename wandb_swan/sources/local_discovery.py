"""Finds the runs below a local folder: of one `wandb/` folder, or of a whole repository with several."""

from __future__ import annotations

import filecmp
import os
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from ..exceptions import WandbSwanError
from ..stream.events import RunStarted
from .json_run import RUN_FOLDER, JsonRun, marker
from .local_run import LocalRun, head, why_none
from .reference import RunReference

_OF_WANDB = {"latest-run"}
"""Links that wandb makes."""
_PASSED_BY = {".git", "node_modules", "__pycache__", "site-packages"}


class NoRun(BaseModel):
    """Something that lies among the runs and is none: no failure."""

    model_config = ConfigDict(frozen=True)

    path: FilePath
    reason: str


class Place(BaseModel):
    """What lies where runs were looked for, besides them."""

    model_config = ConfigDict(frozen=True)

    folders: tuple[FilePath, ...] = ()
    """The folders that hold run folders: each is a `wandb/` folder."""
    no_runs: tuple[NoRun, ...] = ()


class Found(NamedTuple):
    """What lies below a folder."""

    runs: list[LocalRun]
    """Oldest first."""
    place: Place


def discover(root: FilePath, run_dir: str | None = None, *, recursive: bool = True) -> Found:
    """The runs of a folder: a `wandb/` folder, any folder with such below it, a run folder, or one `.wandb` file.

    Links are not followed, so that no run comes twice. Several logs of one run id are one run where each one goes on
    after the one before it; a log that starts again is a run of its own.

    Args:
        root: Where to look.
        run_dir: Only this run folder of it.
        recursive: Whether to look below the folders of `root`, too.

    Raises:
        WandbSwanError: there is no such folder, or nothing in it that could be a run.
    """
    search = _Search(recursive=recursive)
    if not _is_text(str(root.absolute())):
        raise WandbSwanError(f"{_as_text(root)}: {_NO_TEXT}")
    if run_dir is not None:
        chosen = root / run_dir if (root / run_dir).is_dir() else FilePath(run_dir)
        if not chosen.is_dir():
            raise WandbSwanError(f"{root / run_dir} does not exist; give --wb-run-dir a folder of {root}")
        search.look(chosen.resolve())
    elif root.is_dir():
        search.look(root)
    elif root.suffix == ".wandb" and root.is_file():
        search.logs.append(root)
    else:
        there = os.path.lexists(root)
        what = "is neither a folder nor a .wandb file" if there else "does not exist"
        raise WandbSwanError(f"{root} {what}; give the folder that wandb wrote its runs to (--wb-dir ./wandb)")
    groups: dict[tuple[str, str, str], list[FilePath]] = {}
    heads: dict[FilePath, RunStarted | None] = {}
    for log in search.logs:
        try:
            found = heads[log] = head(log)
            reason, damaged = ("", False) if found else why_none(log)
        except OSError as error:
            reason, damaged = f"cannot be read: {error.strerror}", False
        if reason and not damaged:
            search.add(log, reason)
            continue
        known = (found.entity, found.project, found.run_id) if found else ("", "", str(log))
        group = groups.setdefault(known, [])
        first = next((other for other in group if filecmp.cmp(other, log, shallow=False)), None)
        if first is not None:
            search.add(log, f"a copy of {_as_text(first)}")
        else:
            group.append(log)
    runs = [run for group in groups.values() for run in _continued(group)]
    for run in runs:
        run.started = heads[run.logs[0]]
    runs += [JsonRun(path) for path in search.json_runs]
    if not runs and not search.no_runs:
        raise WandbSwanError(
            f"{root} holds no run (no run-*/*.wandb file); give the folder that wandb wrote its runs to"
        )
    ordered = sorted(runs, key=lambda run: (run.started.started_at if run.started else 0.0, run.run_id))
    folders = sorted({log.parent.parent for run in runs for log in run.logs})
    return Found(ordered, Place(folders=tuple(folders), no_runs=tuple(search.no_runs)))


_NO_TEXT = "its name is no valid UTF-8; rename it"


def _is_text(name: str) -> bool:
    """Whether a name from the file system can be written into a report, and into SwanLab."""
    try:
        name.encode()
    except UnicodeEncodeError:  # bytes of another encoding, which Python has as halves of surrogate pairs
        return False
    return True


def _as_text(path: FilePath) -> FilePath:
    """The same path as text in one line: what is no UTF-8 as `\\xff`, a line end as `\\n`."""
    return FilePath(os.fsencode(path).decode("utf-8", "backslashreplace").replace("\n", "\\n"))


class _Search:
    """Goes through folders and notes what is there."""

    def __init__(self, *, recursive: bool) -> None:
        self._recursive = recursive
        self.logs: list[FilePath] = []
        self.json_runs: list[FilePath] = []
        """The files that stand for folders in the format before wandb 0.10."""
        self.no_runs: list[NoRun] = []
        self._root = FilePath()

    def add(self, path: FilePath, reason: str) -> None:
        self.no_runs.append(NoRun(path=_as_text(path), reason=reason))

    def look(self, root: FilePath) -> None:
        self._root = root.resolve()
        waiting = [(root, 0)]
        while waiting:
            folder, depth = waiting.pop()
            below = list(self._folder(folder))
            if depth < 1 or self._recursive:
                waiting += [(path, depth + 1) for path in reversed(below)]

    def _folder(self, folder: FilePath) -> Iterator[FilePath]:
        """The folders in it that may hold runs; none of a run folder, in which a training may have saved others."""
        try:
            every = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            self.add(folder, f"cannot be read: {error.strerror}")
            return
        entries = [entry for entry in every if _is_text(entry.name)]
        for entry in every:
            if not _is_text(entry.name) and (entry.is_dir() or entry.name.endswith(".wandb")):
                self.add(FilePath(entry.path), _NO_TEXT)
        files = [entry for entry in entries if not entry.is_symlink() and entry.is_file()]
        logs = [FilePath(entry.path) for entry in files if entry.name.endswith(".wandb")]
        self.logs += logs
        others = [entry for entry in entries if entry.name.endswith(".wandb") and entry not in files]
        for entry in others if RUN_FOLDER.fullmatch(folder.name) else ():
            if entry.is_symlink():
                self._link(FilePath(entry.path))
            else:
                self.add(FilePath(entry.path), "is no file that can be read")
        if RUN_FOLDER.fullmatch(folder.name):
            old = marker({entry.name for entry in files})
            if old and not logs:
                self.json_runs.append(folder / old)
            elif not logs and not others and not any(entry.name.endswith(".swanlab") for entry in files):
                self.add(folder, "holds no .wandb file")
            return
        for entry in entries:
            path = FilePath(entry.path)
            if entry.is_symlink():
                self._link(path)
            elif entry.name not in _PASSED_BY and entry.is_dir():
                yield path

    def _link(self, path: FilePath) -> None:
        """Notes a link that leads to runs elsewhere, or to a run no more."""
        try:
            target = path.resolve()
        except (OSError, RuntimeError):  # RuntimeError: a circle, up to Python 3.12
            target = path
        is_run = path.suffix == ".wandb" or bool(RUN_FOLDER.fullmatch(path.name))
        if path.name in _OF_WANDB:
            return
        below = target.relative_to(self._root).parts if target.is_relative_to(self._root) else None
        if target.exists() and below is not None and not _PASSED_BY.intersection(below):
            return  # it is found there
        if is_run and not target.exists():
            self.add(path, "a link that leads nowhere")
        elif is_run or target.is_dir():
            self.add(path, f"a link, which is not followed; give {target} by itself")


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
        if runs and (segment.resumed or first is None or last is None or first > last):
            runs[-1] = LocalRun([*runs[-1].logs, segment.log], number=runs[-1].number)
        else:
            runs.append(LocalRun([segment.log], number=len(runs) + 1))
            last = None
        if segment.last_step is not None:
            last = max(segment.last_step, last or 0)
    return runs
