"""W&B's own folder of a run that is recorded in SwanLab alone: with `WANDB_SWAN_KEEP_WANDB=false` it goes at the end.

It goes when the run has ended, SwanLab has confirmed it, and the second reading finds in SwanLab all that it holds.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from ..exceptions import WandbSwanError
from ..journal.models import BeginNote
from ..stream.events import FileSaved
from ..swan.files import own_copies

log = logging.getLogger("wandb_swan")

_OF_WANDB = frozenset(
    {
        "config.yaml",
        "output.log",
        "requirements.txt",
        "conda-environment.yaml",
        "wandb-metadata.json",
        "wandb-summary.json",
    }
)
"""What wandb writes into a run's files of its config, console, summary and machine: SwanLab has its own of each."""
_IN_ROWS = frozenset({"media", "artifact"})
"""Folders of files that come with rows and artifacts."""


class WandbFolder:
    """The folder of one run, and whether it may go."""

    def __init__(self, begin: BeginNote, journal: Path) -> None:
        self.asked = not begin.settings.keep_wandb
        """Whether the user wants it gone."""
        self._begin = begin
        self._journal = journal
        self._folder = Path(begin.run.dir or "")

    def reserved(self) -> str | None:
        """Why it has to stay whatever SwanLab has; None if it does not."""
        run, settings = self._begin.run, self._begin.settings
        if settings.wandb_run:
            return "wandb_run is not false, so it is W&B's to upload"
        if run.mode != "offline" or run.shared:
            return "the run may have been uploaded to W&B"
        if not run.dir or not run.log or not run.log_written:
            return "it holds no log to compare with"
        folder = self._folder
        if folder.is_symlink() or not folder.is_dir() or Path(run.log).parent != folder:
            return "it is not there, or no folder that wandb has made"
        if list(folder.glob("*.synced")):
            return "`wandb sync` has uploaded it"
        ours = (self._journal.parent, Path(settings.log_dir))
        if any(place.resolve().is_relative_to(folder.resolve()) for place in ours):
            return "SwanLab's own folder is in it"
        return None

    def files_of_its_own(self) -> Iterator[FileSaved]:
        """What lies in the run's files and may have come by no record, and has to be in SwanLab too: the uncommitted
        changes, code, what the program put there."""
        files = Path(self._begin.run.files or "")
        for file in sorted(files.rglob("*")):
            path = file.relative_to(files)
            if file.is_file() and path.parts[0] not in _IN_ROWS and str(path) not in _OF_WANDB:
                yield FileSaved(path=path.as_posix(), policy="now")

    def let_go(self, run_dir: Path, *, lost: Sequence[object], artifacts: int) -> str:
        """Removes it, if SwanLab has all of it. Returns what came of it, in a sentence.

        Args:
            run_dir: SwanLab's folder of the run, finished and confirmed.
            lost: What SwanLab has not, or in another form.
            artifacts: How many artifacts the run logged, of which SwanLab has a list and not the content.
        """
        why = self.reserved()
        if why is None and lost:
            why = "SwanLab has not all values as they were"
        if why is None and artifacts:
            why = f"SwanLab lists its {artifacts} artifact(s) and has not their content"
        try:
            why = why or self._differs(run_dir) or self._used(run_dir)
            if why is None:
                self._remove()
                return f"{self._folder.name}, W&B's own folder of it, is removed"
        except (WandbSwanError, OSError) as error:
            why = str(error)
        return self.stays(why)

    def stays(self, why: str) -> str:
        """A sentence of it."""
        return f"{self._folder.name}, W&B's own folder of it, stays: {why}"

    def _differs(self, run_dir: Path) -> str | None:
        from ..parity.comparison import compare_runs  # a third of a second, for who keeps wandb's folder
        from ..parity.logs import read_logs
        from ..parity.stored import StoredRun

        parity = compare_runs(read_logs([Path(str(self._begin.run.log))]), StoredRun(run_dir), self._folder.name)
        found = (*parity.differences(), *parity.not_mirrored, *parity.unseen)
        for what in found:
            log.warning("%s stays: %s", self._folder.name, what)
        if found:
            return f"the comparison with SwanLab's says: {found[0]}" + (", ..." if len(found) > 1 else "")
        return None

    def _used(self, run_dir: Path) -> str | None:
        """Why somebody still needs it: SwanLab's files are only links into it, or wandb's core writes on."""
        import psutil

        own_copies(run_dir / "files", past=False)
        folder = self._folder.resolve()
        for path in run_dir.rglob("*"):
            if path.is_symlink() and path.resolve().is_relative_to(folder):
                return f"{path.relative_to(run_dir)} in SwanLab's folder is a link into it"
        logged = str(Path(str(self._begin.run.log)).resolve())
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if process.pid != os.getpid() and any(file.path == logged for file in process.open_files()):
                    return f"process {process.pid} has its log open"
        return None

    def _remove(self) -> None:
        """Raises OSError where it cannot be removed whole."""
        links = [link for link in self._folder.parent.iterdir() if link.is_symlink()]
        ours = [link for link in links if link.resolve().is_relative_to(self._folder.resolve())]
        shutil.rmtree(self._folder)
        for link in ours:  # latest-run, debug.log
            with suppress(OSError):
                link.unlink()
