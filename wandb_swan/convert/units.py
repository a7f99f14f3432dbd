"""A run that is to be converted, how, and what of it: what goes to a worker process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path as FilePath
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from ..stream.events import ConsoleLine, Event, FileSaved, HistoryRow, SystemStats, Tree

MEGABYTE = 1_000_000


class Unit(BaseModel):
    """One run and where it is. Plain data: it travels to another process, perhaps on another machine."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["local", "cloud"]
    source: str
    """How the source is called in reports."""
    origin: str
    """The part of the source that stays when it grows: the first log of a run."""
    run_id: str
    """The id of the SwanLab run."""
    name: str = ""
    project: str = ""
    started_at: float = 0.0
    tags: tuple[str, ...] = ()
    fingerprint: str = ""
    """Changes when the source does."""
    logs: tuple[FilePath, ...] = ()
    number: int = 1
    path: str = ""
    """`entity/project/run id` in W&B's cloud."""
    apart: str = ""
    """What tells two runs of one origin apart: W&B's server, or the moment at which a local run began."""
    url: str = ""
    """The run's page in W&B."""

    @property
    def key(self) -> str:
        """The name of the source in the manifest."""
        return f"{self.kind}:{self.origin}@{self.apart}:{self.run_id}"

    @property
    def former_key(self) -> str:
        """Its name in manifests of version 0.1."""
        return f"{self.kind}:{self.origin}:{self.run_id}"


class Options(BaseModel):
    """How the runs are converted. Holds no secrets: credentials come from the worker's environment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Literal["online", "local", "offline"] = "offline"
    log_dir: FilePath = FilePath("swanlog")
    project: str | None = None
    workspace: str | None = None
    tags: tuple[str, ...] = ()
    media: bool = True
    console: bool = True
    system: bool = True
    max_file_mb: float = 100.0
    verify: bool = True
    cache: FilePath = FilePath("swanlog.cache")
    """Downloads from W&B's cloud: a second try reuses them."""


class Source(Protocol):
    """A run of the past, wherever it is."""

    notices: list[str]
    """What a reader of the report should know; complete when the events are read."""
    short: list[str]
    """What the source says that it has and has not given; complete when the events are read."""
    finished_at: float
    """The time of the last thing that happened, seconds since the epoch; right when the events are read."""
    on_folder: Callable[[FilePath], None]
    """Told the folder of the media and saved files that come next."""

    @property
    def run_id(self) -> str: ...

    @property
    def told(self) -> dict[str, Any]:
        """Facts for the config key `wandb_run`."""

    def events(self) -> Iterator[Event]:
        """Everything that happened: first the RunStarted, last the RunFinished."""


class Job(BaseModel):
    """A unit, the options, and the SwanLab run that it is to become."""

    model_config = ConfigDict(frozen=True)

    unit: Unit
    options: Options
    run_dir: str
    """Its folder, in the log directory."""
    run_id: str
    """Its id: the unit's, with a number where another run has that in the same SwanLab project."""
    replaces: str = ""
    """The folder of an earlier conversion, which goes when this one is whole and holds no less."""
    force: bool = False
    """It may hold less."""


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
        return HistoryRow.model_construct(step=row.step, timestamp=row.timestamp, values=values)

    def _plain(self, tree: Tree) -> Tree:
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
