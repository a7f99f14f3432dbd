"""One media item on its way from a wandb record to SwanLab."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from ...stream.events import ChartDefined, Path, Tree
from .. import limits
from ..files import RunFiles, Staged
from . import tables


@dataclass
class Item:
    """One media item on its way: what wandb recorded of it, and what its kind needs to know of the run."""

    path: Path
    value: Tree
    files: RunFiles
    lose: tables.Lose
    plotly_inline: bool = False
    keep_original: bool = False
    mask_labels: Mapping[tuple[str, str], Mapping[str, str]] = field(default_factory=dict)
    chart: ChartDefined | None = None
    tables: tables.Increments = field(default_factory=tables.Increments)
    staged: Staged = field(default_factory=Staged)
    beside: Any | None = None
    """The table of a chart that does not show all of its columns: it is shown too, under its own key."""

    @property
    def file(self) -> str:
        """The path of its file, relative to the run's files folder."""
        path = self.value.get("path")
        return path if isinstance(path, str) else ""

    @property
    def caption(self) -> str | None:
        caption = self.value.get("caption")
        return limits.clean_text(str(caption)) if caption not in (None, "", False) else None

    @property
    def suffix(self) -> str:
        return FilePath(self.file).suffix.lower()
