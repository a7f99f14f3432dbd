"""One media item on its way from a wandb record to SwanLab."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from ...stream.events import ChartDefined, Path, Tree
from .. import limits
from ..files import Files
from ..staged import Staged
from .tables import Increments, Lose, LoseAt


@dataclass
class Item:
    """One media item on its way: what wandb recorded of it, and what its kind needs to know of the run."""

    path: Path
    value: Tree
    files: Files
    lose: Lose
    plotly_inline: bool = False
    keep_original: bool = False
    links: bool = False
    """Whether its file may be linked into SwanLab's folder."""
    mask_labels: Mapping[tuple[str, str], Mapping[str, str]] = field(default_factory=dict)
    chart: ChartDefined | None = None
    tables: Increments = field(default_factory=Increments)
    staged: Staged = field(default_factory=Staged)
    beside: Any | None = None
    """The table of a chart that does not show all of its columns: it is shown too, under its own key."""
    of_cells: list[tuple[Path, Any]] = field(default_factory=list)
    """The media in a table's cells, each with its key path."""
    lose_at: LoseAt = lambda path, reason, detail, count: None
    key_of: Callable[[Path, str], str] = lambda path, kind: "/".join(path)
    """SwanLab's key of the media of a kind under a key path."""

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
