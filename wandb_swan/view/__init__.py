"""A page that shows everything that SwanLab's stores on disk hold of runs, and, beside wandb's logs, what differs."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Final

STATIC: Final = Path(str(files(__package__) / "static"))
"""The page, its style and its scripts."""
