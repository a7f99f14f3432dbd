"""Where the paths that a training has noted are found from here: this machine may have its folders under other names.

A path is tried as it was noted, then where it lies from the journal (both may be in one folder that is mounted
elsewhere), then by the ways that the user has given (`--map FROM=TO`).
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..exceptions import WandbSwanError
from ..journal.life import identity
from ..journal.models import BeginNote, MirrorStatus
from ..journal.reader import begin_note


def read_maps(given: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of a folder of the training's machine and where it is here. Raises WandbSwanError for what is none."""
    pairs = []
    for word in given:
        there, mark, here = word.partition("=")
        if not (mark and here and there.startswith("/")):
            raise WandbSwanError(f"--map {word}: give FROM=TO, for instance /scratch=/mnt/scratch")
        pairs.append((os.path.normpath(there), os.path.abspath(here)))  # noqa: PTH100  (no links followed)
    return pairs


class Places:
    """Finds what a journal's begin note names."""

    def __init__(self, begin: BeginNote, journal: Path, maps: Sequence[tuple[str, str]] = ()) -> None:
        self._begin = begin
        self._journal = journal
        self._maps = maps

    @property
    def foreign(self) -> bool:
        """Whether the training's machine, or container, is another one, so that its folders may be elsewhere here."""
        trainer, me = self._begin.trainer, identity()
        return (trainer.host or platform.node(), trainer.namespace or me["namespace"]) != (me["host"], me["namespace"])

    def find(self, noted: str) -> Path | None:
        """Where a noted path is from here; None: it is not found."""
        return next((path for path in self._candidates(noted) if _is_there(path)), None)

    def _candidates(self, noted: str) -> Iterator[Path]:
        yield Path(noted)
        then = self._begin.run.journals
        if then and Path(noted).is_absolute() and Path(then).is_absolute():
            way = os.path.relpath(noted, then)
            yield Path(os.path.normpath(self._journal.absolute().parent / way))
        for there, here in self._maps:
            if noted == there or noted.startswith(there.rstrip("/") + "/"):
                yield Path(here) / os.path.relpath(noted, there)

    def placed(self) -> BeginNote:
        """The begin note with the paths as they are here; those that are not found as they were noted.

        SwanLab's log directory goes where the journals are, if it is not found and its machine is another one.
        """
        run, settings = self._begin.run, self._begin.settings
        found = {
            name: str(self.find(noted) or noted)
            for name, noted in (("dir", run.dir), ("files", run.files), ("log", run.log))
            if noted is not None
        }
        log_dir = self.find(settings.log_dir)
        folder = self._journal.absolute().parent
        if run.journals and log_dir == folder.parent and Path(run.journals).name != folder.name:
            log_dir = folder  # it alone is mounted here: what it lies in is not ours
        if log_dir is None and self.foreign:
            log_dir = folder.parent if folder.name == "journals" else folder
        return self._begin.model_copy(
            update={
                "run": run.model_copy(update=found),
                "settings": settings.model_copy(update={"log_dir": str(log_dir or settings.log_dir)}),
            }
        )


def may_have_more(journal: Path, status: MirrorStatus, maps: Sequence[tuple[str, str]]) -> bool:
    """Whether a finished run lacks files that its mirror could not find, and that are found from here."""
    if status.elsewhere is None:
        return False
    try:
        begin, _ = BeginNote.read(begin_note(journal))
    except (OSError, WandbSwanError):
        return False
    return Places(begin, journal, maps).find(status.elsewhere) is not None


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
