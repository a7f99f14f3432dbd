"""Reads the media of one run: each item of a row becomes SwanLab's object of its kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...stream.events import ChartDefined, MaskLabels, Path, Tree
from ..files import RunFiles
from ..limits import KeyNames
from ..staged import Staged
from . import tables
from .item import Item
from .tables import Lose, LoseAt


class MediaReader:
    """Reads the media of one run."""

    def __init__(
        self,
        files: RunFiles,
        names: KeyNames | None = None,
        *,
        plotly_inline: bool = False,
        keep_original: bool = False,
        links: bool = False,
    ) -> None:
        """`names` are the SwanLab keys of the run: the cell of a table names an item by its key. `links`: whether
        wandb's files may be linked: nobody else writes into the SwanLab run's folder."""
        self._files = files
        self._names = names or KeyNames()
        self._links = links
        self._plotly_inline = plotly_inline
        self._keep_original = keep_original
        self._mask_labels: dict[tuple[str, str], Mapping[str, str]] = {}
        self._charts: dict[str, ChartDefined] = {}
        self._increments = tables.Increments()
        self.staged = Staged()

    def labels(self, event: MaskLabels) -> None:
        """From now on the masks of this layer have these class names."""
        self._mask_labels[event.key, event.layer] = event.labels

    def chart(self, event: ChartDefined) -> None:
        """From now on the table under `event.table_key` is this chart."""
        self._charts[event.table_key] = event

    def read(self, path: Path, value: Tree, lose: Lose, lose_at: LoseAt | None = None) -> Iterator[tuple[Path, Any]]:
        """SwanLab's media for one item, each with its key path: a chart's table is at the chart's own key, and what
        the cells of a table hold at the table's key and the column. `lose_at` is told of these; if None, `lose` is.

        Raises:
            UnusableError: SwanLab cannot have it.
        """
        kind = value.get("_type")
        item = Item(
            path=path,
            value=value,
            files=self._files,
            lose=lose,
            plotly_inline=self._plotly_inline,
            keep_original=self._keep_original,
            mask_labels=self._mask_labels,
            chart=self._charts.get(".".join(path)) if kind == "table-file" else None,
            tables=self._increments,
            staged=self.staged,
            lose_at=lose_at or (lambda where, reason, detail, count: lose(reason, detail)),
            key_of=self._names.name,
            links=self._links,
        )
        from .kinds import converted  # with pyecharts, which few runs need

        yield from converted(item)
