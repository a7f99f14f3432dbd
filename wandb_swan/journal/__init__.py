"""What both processes stand on: a run's journal, its notes and status, who is alive, one mirror at a time."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path


def _working_directory() -> str:
    with contextlib.suppress(OSError):  # it may have been removed
        return str(Path.cwd())
    return ""


STARTED_IN: str = getattr(sys.modules.get("_wandb_swan_autoload"), "STARTED_IN", None) or _working_directory()
"""Where the program was started, and its user is; a training may change its working directory (Hydra does)."""
