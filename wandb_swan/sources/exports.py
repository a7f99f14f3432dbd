"""A place of our own for the exports of histories that wandb's client keeps.

From 0.27 on wandb's core reads a history from parquet exports, which it keeps in a folder under the name
`entity_project_run_number.runhistory.parquet`: the same for a run of that name on another server, and for the run as it
was yesterday; a page that says 403 is kept as well. So the client gets a folder that nothing else has written to.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PLACE = "WANDB_CACHE_DIR"
"""Read by wandb's core as it starts: what is set later is not seen."""
_SERVICE = "WANDB_SERVICE"
"""The core of a run that this process is part of: it has the cache of its user."""


class ExportCache:
    """The folder of one worker process, beside the log directory. It is there once wandb's core has made it."""

    def __init__(self, log_dir: Path) -> None:
        self._folder = _folders(log_dir) / secrets.token_hex(8)

    @property
    def place(self) -> str:
        """The folder, which the worker's core is told in `PLACE`."""
        return str(self._folder)

    @property
    def env(self) -> dict[str, str]:
        """This process's environment, with that folder."""
        return {name: value for name, value in os.environ.items() if name != _SERVICE} | {PLACE: self.place}

    def remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


def remove_all(log_dir: Path) -> None:
    """Removes what worker processes that were killed have left. Only for who holds the manifest's lock."""
    shutil.rmtree(_folders(log_dir), ignore_errors=True)


def _folders(log_dir: Path) -> Path:
    return log_dir.parent / f"{log_dir.name}.cache" / "exports"


def came(entity: str, project: str, run_id: str) -> bool:
    """Whether the client has read exports of this run's history; True where nothing says so.

    Once the first row is here.
    """
    folder = os.environ.get(PLACE)
    if not folder:
        return True
    name = re.compile(re.escape(f"{entity}_{project}_{run_id}_") + r"\d+\.runhistory\.parquet")
    return any(name.fullmatch(path.name) for path in Path(folder).glob("*.runhistory.parquet"))


def forget() -> None:
    """In a worker process, after a run: frees the disk."""
    for export in Path(os.environ[PLACE]).glob("*.runhistory.parquet"):
        with suppress(OSError):  # Windows: a reader has it open
            export.unlink()


@contextmanager
def kept_apart() -> Iterator[None]:
    """A folder for this process, a command's, which has not used wandb's client yet."""
    with tempfile.TemporaryDirectory(prefix="wandb-swan-", ignore_cleanup_errors=True) as folder:
        os.environ[PLACE] = folder
        os.environ.pop(_SERVICE, None)
        yield
