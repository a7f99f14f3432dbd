"""What of a run is to be carried over: the options, and what they leave out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any

from pydantic import BaseModel, ConfigDict

from ..defaults import LOG_DIR, MAX_FILE_MB, RecordingMode
from ..stream.events import ConsoleLine, Event, FileSaved, HistoryRow, SystemStats, Tree

MEGABYTE = 1_000_000


class Options(BaseModel):
    """How the runs are converted. Holds no secrets: credentials come from the worker's environment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: RecordingMode = "offline"
    log_dir: FilePath = FilePath(LOG_DIR)
    project: str | None = None
    workspace: str | None = None
    tags: tuple[str, ...] = ()
    media: bool = True
    console: bool = True
    system: bool = True
    max_file_mb: float = MAX_FILE_MB
    verify: bool = True
    cache: FilePath = FilePath(f"{LOG_DIR}.cache")
    """Downloads from W&B's cloud: a second try reuses them."""


class Selection:
    """Leaves out what the options do not want, and counts it."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self.folder: FilePath | None = None
        """Where saved files are."""
        self.left_out: Counter[str] = Counter()
        """Reason -> how many, for what was left out because the options say so."""
        self.too_large: list[str] = []

    def of(self, events: Iterator[Event]) -> Iterator[Event]:
        options = self._options
        for event in events:
            if isinstance(event, HistoryRow):
                yield event if options.media else self._without_media(event)
            elif isinstance(event, ConsoleLine) and not options.console:
                self.left_out["console lines left out (--no-console)"] += 1
            elif isinstance(event, SystemStats) and not options.system:
                self.left_out["system samples left out (--no-system)"] += 1
            elif isinstance(event, FileSaved) and self._too_large(event.path):
                self.too_large.append(event.path)
            else:
                yield event

    def _too_large(self, path: str) -> bool:
        if self.folder is None:
            return False
        try:
            return (self.folder / path).stat().st_size > self._options.max_file_mb * MEGABYTE
        except OSError:
            return False

    def _without_media(self, row: HistoryRow) -> HistoryRow:
        values = self._plain(row.values)
        return HistoryRow(step=row.step, timestamp=row.timestamp, values=values)

    def _plain(self, tree: Mapping[str, Any]) -> Tree:
        kept: dict[str, Any] = {}
        for key, value in tree.items():
            if _is_media(value):
                self.left_out["media left out (--no-media)"] += 1
            elif isinstance(value, dict):
                kept[key] = self._plain(value)
            else:
                kept[key] = value
        return kept


def _is_media(value: Any) -> bool:
    if isinstance(value, list):
        return any(_is_media(item) for item in value)
    return isinstance(value, dict) and "_type" in value
