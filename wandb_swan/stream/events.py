"""What can happen in a run, as frozen pydantic models. Every source produces these, the sink takes them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from .nested import Path, Tree

__all__ = [
    "Alert", "Artifact", "ChartDefined", "ConfigChanged", "ConsoleLine", "Event", "FileSaved", "HistoryRow",
    "MaskLabels", "MetricDefined", "Path", "RowDropped", "RunChanged", "RunFinished", "RunStarted", "SummaryChanged",
    "SystemStats", "Tree",
]  # fmt: skip


class Event(BaseModel):
    """One thing that happened in a run."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RunStarted(Event):
    """The run as wandb describes it when it starts. Times are seconds since the epoch."""

    run_id: str
    project: str = ""
    entity: str = ""
    name: str = ""
    notes: str = ""
    tags: tuple[str, ...] = ()
    group: str = ""
    job_type: str = ""
    sweep_id: str = ""
    host: str = ""
    started_at: float = 0.0
    starting_step: int = 0
    resumed: bool = False
    forked_from: str = ""
    """`<run id>?_step=<n>` of the run that this one branched from."""


class RunChanged(Event):
    """Name, notes, tags, group or job type were set after the start; all of them as they are now."""

    name: str = ""
    notes: str = ""
    tags: tuple[str, ...] = ()
    group: str = ""
    job_type: str = ""


class ConfigChanged(Event):
    """Config values that were set, by path, and paths that were removed."""

    update: tuple[tuple[Path, Any], ...] = ()
    remove: tuple[Path, ...] = ()


class HistoryRow(Event):
    """One committed row. `timestamp` in seconds since the epoch, 0.0 if the source has none.

    `step` is None in wandb's shared mode, where the backend numbers the rows.
    """

    step: int | None
    timestamp: float
    values: Tree


class RowDropped(Event):
    """A call whose step lies behind the current one: wandb drops it with a warning."""

    step: int
    current: int
    keys: tuple[str, ...]


class SummaryChanged(Event):
    """Summary values that were set, by path, and paths that were removed."""

    update: tuple[tuple[Path, Any], ...] = ()
    remove: tuple[Path, ...] = ()


class MetricDefined(Event):
    """`define_metric`: `name` may end in one `*` (a glob). `expanded` if wandb's core made it from a glob."""

    name: str
    step_metric: str = ""
    hidden: bool = False
    expanded: bool = False


class ConsoleLine(Event):
    """One whole line of output, without its line end and without terminal control sequences."""

    text: str
    stderr: bool
    timestamp: float


class FileSaved(Event):
    """`path` is relative to the run's files folder; `policy` is now, end or live."""

    path: str
    policy: str


class Alert(Event):
    """`wandb.alert`."""

    title: str
    text: str
    level: str


class Artifact(Event):
    """An artifact that the run logged (`used` false) or used. `size` in bytes, None if the record does not say.

    `files` is there for the tables of the run alone: path in the artifact, path on disk, MD5 as base64. wandb's
    `client_id` names an artifact in history rows before it has a name.
    """

    name: str
    type: str
    aliases: tuple[str, ...] = ()
    digest: str = ""
    description: str = ""
    size: int | None = None
    used: bool = False
    client_id: str = ""
    files: tuple[tuple[str, str, str], ...] = ()

    @property
    def is_table(self) -> bool:
        """Whether wandb made it for a table of the run: the user did not log it as an artifact."""
        return self.type in {"run_table", "wandb-run-incremental-table"}


class ChartDefined(Event):
    """A `wandb.plot` chart: its data come in history rows, as a table under `table_key`."""

    key: str
    spec: str
    """The name of the Vega spec: `wandb/line/v0`, ..., or a user's own."""
    table_key: str
    fields: dict[str, Any]
    """Field of the spec -> column of the table."""
    strings: dict[str, Any]
    """Title and axis titles."""


class MaskLabels(Event):
    """The class names of one mask layer of an image metric; wandb keeps them apart from the masks."""

    key: str
    layer: str
    labels: dict[str, str]


class SystemStats(Event):
    """One sample of system metrics, by their wandb names."""

    timestamp: float
    values: Tree


class RunFinished(Event):
    """The run's exit. `reason` is the traceback or a sentence; `interrupted` means Ctrl-C."""

    exit_code: int
    reason: str = ""
    interrupted: bool = False
