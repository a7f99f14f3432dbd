"""What of a run is to be carried over: the options, and what they leave out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from ..defaults import LOG_DIR, MAX_ARTIFACT_GB, MAX_FILE_MB, RecordingMode
from ..stream.events import ConsoleLine, Event, FileSaved, HistoryRow, SystemStats, Tree

MEGABYTE = 1_000_000
LEFT_OUT = {
    "media": "media left out (--no-media)",
    "console": "console lines left out (--no-console)",
    "system": "system samples left out (--no-system)",
}
"""What the options can leave out -> how a report says so."""


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
    plotly_inline: bool = False
    keep_original: bool = False
    """As the switches of these names say."""
    verify: Literal["full", "fast", "none"] = "fast"
    """Whether to look into the content of everything that was written, of a sample, or not at all."""
    cache: FilePath = FilePath(f"{LOG_DIR}.cache")
    """Downloads from W&B's cloud: a second try reuses them."""
    artifacts: FilePath | None = None
    """Where the files of the runs' artifacts go; None: they are listed alone."""
    max_artifact_gb: float = MAX_ARTIFACT_GB

    def with_whole_paths(self) -> Options:
        """The same, for a process that works in another folder."""
        places = {"log_dir": self.log_dir, "cache": self.cache, "artifacts": self.artifacts}
        return self.model_copy(update={name: path and path.absolute() for name, path in places.items()})


class Selection:
    """Leaves out what the options do not want, and counts it."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self.folder: FilePath | None = None
        """Where saved files are."""
        self.left_out: Counter[str] = Counter()
        """media, console, system -> how many, for what was left out because the options say so."""
        self.too_large: list[str] = []

    def all_left_out(self) -> dict[str, int]:
        """What the options left out, of what did not even come too."""
        off = [name for name in LEFT_OUT if not getattr(self._options, name)]
        return {**dict.fromkeys(off, 0), **self.left_out}

    def of(self, events: Iterator[Event | None]) -> Iterator[Event | None]:
        options = self._options
        for event in events:
            if isinstance(event, HistoryRow):
                yield event if options.media else self._without_media(event)
            elif isinstance(event, ConsoleLine) and not options.console:
                self.left_out["console"] += 1
            elif isinstance(event, SystemStats) and not options.system:
                self.left_out["system"] += 1
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
                self.left_out["media"] += 1
            elif isinstance(value, dict):
                kept[key] = self._plain(value)
            else:
                kept[key] = value
        return kept


def _is_media(value: Any) -> bool:
    if isinstance(value, list):
        return any(_is_media(item) for item in value)
    return isinstance(value, dict) and "_type" in value
