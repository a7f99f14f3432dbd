"""The files that a run saved, into SwanLab's run folder; those of logged media come with their values."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ..stream.events import FileSaved, Path, Tree
from ..stream.nested import spelled
from .files import RunFiles, UnusableError
from .losses import Losses

_MEDIA_FILE = re.compile(r"media/.*_\d+_[0-9a-f]{20}\.")
"""Files that wandb wrote for a logged value, named `<key>_<step>_<hash>`: they come with their rows."""
_NUMBERED = re.compile(r'media/[^"]*_\d+_\d+\.[^"]*')
"""Those of a list, up to wandb 0.12: `<key>_<step>_<number>`. A user may call a file that, too."""


class SavedFiles:
    """The saved files of one run."""

    def __init__(self, files: RunFiles, losses: Losses, counts: Counter[str]) -> None:
        self._files = files
        self._losses = losses
        self._counts = counts
        self._numbered: set[str] = set()
        """Files with such names that no row has named yet."""
        self.run: Any = None
        """What `swanlab.init` returned."""
        self.paths: set[str] = set()
        """Those that were saved, by their paths in the run's files folder."""

    def take(self, event: FileSaved) -> None:
        """Takes a file, unless a row brings it."""
        if _NUMBERED.fullmatch(event.path) and event.policy == "now":
            self._numbered.add(event.path)
        elif not _MEDIA_FILE.match(event.path):
            self.save((event.path,), event.path, event.policy)

    def named_by(self, media: Sequence[Tree]) -> None:
        """A row has these media."""
        if self._numbered:
            self._numbered.difference_update(_NUMBERED.findall(spelled(media)))

    def take_unnamed(self) -> None:
        """All rows were there: what none of them has named is a file of the user's."""
        for path in sorted(self._numbered):
            self.save((path,), path, "now")

    def save(self, key: Path, path: str, policy: str) -> None:
        """Saves a file, which is counted, or lost under a key."""
        try:
            self._files.save(self.run, path, policy)
        except UnusableError as error:
            self._losses.add(key, f"file not saved: {error.reason}", error.detail)
        except Exception as error:
            self._losses.add(key, f"file not saved: {type(error).__name__}", str(error))
        else:
            self._counts["files"] += 1
            self.paths.add(path)
