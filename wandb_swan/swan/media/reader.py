"""Reads the media of one run: each item of a row becomes SwanLab's object of its kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from ...stream.events import ChartDefined, MaskLabels, Path, Tree
from ..files import RunFiles, Staged, UnusableError
from ..sdk.ready_media import made_from
from . import tables
from .item import Item
from .kinds import KINDS
from .tables import Lose


class MediaReader:
    """Reads the media of one run."""

    def __init__(
        self, files: RunFiles, *, plotly_inline: bool = False, keep_original: bool = False, links: bool = False
    ) -> None:
        """`links`: whether wandb's files may be linked: nobody else writes into the SwanLab run's folder."""
        self._files = files
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

    def read(self, path: Path, value: Tree, lose: Lose) -> Iterator[tuple[Path, Any]]:
        """SwanLab's media for one item, each with its key path: a chart's table is at the chart's own key.

        Raises:
            UnusableError: SwanLab cannot have it.
        """
        kind = value.get("_type")
        convert = KINDS.get(kind) if isinstance(kind, str) else None
        if convert is None:
            reason, file = f"unknown kind {str(kind)[:60]!r}: kept as text", value.get("path")
            raise UnusableError(reason, keep=file if isinstance(file, str) else "", as_text=True)
        chart = self._charts.get(".".join(path)) if kind == "table-file" else None
        item = Item(
            path=path,
            value=value,
            files=self._files,
            lose=lose,
            plotly_inline=self._plotly_inline,
            keep_original=self._keep_original,
            mask_labels=self._mask_labels,
            chart=chart,
            tables=self._increments,
            staged=self.staged,
        )
        media = convert(item)
        if self._links and item.file:
            with suppress(UnusableError):
                made_from(media, self._files.find(item.file))
        yield (path if chart is None else (chart.key,)), media
        if item.beside is not None:
            yield path, item.beside
        if self._keep_original and kind == "image-file" and (value.get("boxes") or value.get("masks")):
            bare = {key: part for key, part in value.items() if key not in ("boxes", "masks")}
            yield from self.read((*path, "original"), bare, lose)
