"""Where a run's SwanLab folder and journal go: one log folder a project, wherever its runs keep wandb's files."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from ..journal import STARTED_IN


def log_folder(given: Path | None, name: str, run: Any) -> Path:
    """SwanLab's log directory as a whole path: the training may change its folder, `wandb-swan resume` has another one.

    By default it is in the folder that the program was started in, whatever `init(dir=)` says of wandb's, so that all
    runs of a project are in one dashboard; WANDB_DIR means ours too.

    Args:
        given: What the settings say. None: nothing.
        name: The default.
        run: wandb's run. Where nothing can be written to our folder, ours is beside its.
    """
    start = started_in()
    if given is not None:
        return start / given.expanduser()
    base = start / Path(os.environ.get("WANDB_DIR") or "").expanduser()
    return (base if _is_writable(base) else Path(run._settings.wandb_dir).absolute().parent) / name


def started_in() -> Path:
    """The folder that the program was started in, or the one that its worker processes come from."""
    multiprocessing: Any = sys.modules.get("multiprocessing.process")
    if multiprocessing is not None and multiprocessing.parent_process() is not None:  # it may be spawned from elsewhere
        return Path(multiprocessing.ORIGINAL_DIR or STARTED_IN).absolute()
    return Path(STARTED_IN).absolute()


def _is_writable(folder: Path) -> bool:
    """Whether a folder, or what of its path is there, can be written to."""
    there = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    return os.access(there, os.W_OK | os.X_OK) and there.is_dir()
