"""Everything that can happen in a run: `Event` is one of these classes, and whoever takes events handles each of them.

A source (a journal, a `.wandb` file, W&B's cloud) makes events, in order: first a `RunStarted`, last a `RunFinished`.
`swan.sink` writes them into a SwanLab run, `parity.expected` notes what that run should then hold. They are pydantic
models, so what a source says is checked here, once, and cannot be changed afterwards: steps are ints, paths are tuples
of texts, values are JSON values. A new kind of event goes into the union at the end; mypy then names every place that
has to say what becomes of it (`match` with `assert_never`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, PlainValidator
from typing_extensions import Self

from .frozen import FrozenDict, checked_columns, checked_paths, checked_settings, frozen_tree
from .nested import Path, Tree
from .values import Leaf, classified

__all__ = [
    "Alert", "Artifact", "ChartDefined", "ConfigChanged", "ConsoleLine", "Event", "FileSaved", "HistoryRow",
    "HistoryRows", "MaskLabels", "MetricDefined", "NotRead", "Path", "RowDropped", "RunChanged", "RunFinished",
    "RunPreempting", "RunStarted", "SummaryChanged", "SystemStats", "Tree",
]  # fmt: skip

Values = Annotated[Mapping[str, Any], PlainValidator(frozen_tree)]
"""JSON values by name, nested or not; the dicts and lists in it refuse to be changed."""
Settings = Annotated[tuple[tuple[Path, Any], ...], PlainValidator(checked_settings)]
"""Values that were set, with their paths; a later one wins."""
Paths = Annotated[tuple[Path, ...], PlainValidator(checked_paths)]
Columns = Annotated[tuple[tuple[float, ...], ...], PlainValidator(checked_columns)]
Labels = Annotated[Mapping[str, str], AfterValidator(FrozenDict)]


class _Event(BaseModel):
    """One thing that happened in a run."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    def changed(self, **fields: Any) -> Self:
        """The same with other values in some fields. They are checked, which `model_copy` does not do.

        Raises:
            pydantic.ValidationError: a value that the field does not take.
        """
        return type(self)(**{name: getattr(self, name) for name in type(self).model_fields} | fields)


class RunStarted(_Event):
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


class RunChanged(_Event):
    """Name, notes, tags, group or job type were set after the start; all of them as they are now."""

    name: str = ""
    notes: str = ""
    tags: tuple[str, ...] = ()
    group: str = ""
    job_type: str = ""


class ConfigChanged(_Event):
    """Config values that were set, by path, and paths that were removed."""

    update: Settings = ()
    remove: Paths = ()


class HistoryRow(_Event):
    """One committed row. `timestamp` in seconds since the epoch, 0.0 if the source has none.

    `step` is None in wandb's shared mode, where the backend numbers the rows.
    """

    step: int | None
    timestamp: float
    values: Values

    @cached_property
    def leaves(self) -> list[Leaf]:
        """Every value of the row with its path and what it is in SwanLab, in order."""
        return classified(self.values, self.step)


class HistoryRows(_Event):
    """Rows of numbers under the same keys, none of them nested, committed one after the other at rising steps.

    A source that reads many rows at once tells them so. `timestamps` as in `HistoryRow`.
    """

    keys: tuple[str, ...]
    steps: tuple[int, ...]
    timestamps: tuple[float, ...]
    columns: Columns
    """By key, the number of each row."""

    def single(self) -> Iterator[HistoryRow]:
        """The same rows one by one."""
        for at, (step, timestamp) in enumerate(zip(self.steps, self.timestamps, strict=True)):
            values = {key: column[at] for key, column in zip(self.keys, self.columns, strict=True)}
            yield HistoryRow(step=step, timestamp=timestamp, values=values)


class RowDropped(_Event):
    """A call whose step lies behind the current one: wandb drops it with a warning."""

    step: int
    current: int
    keys: tuple[str, ...]


class SummaryChanged(_Event):
    """Summary values that were set, by path, and paths that were removed. `whole`: there are no others."""

    update: Settings = ()
    remove: Paths = ()
    whole: bool = False


class MetricDefined(_Event):
    """`define_metric`: `name` may end in one `*` (a glob)."""

    name: str
    step_metric: str = ""
    hidden: bool = False


class ConsoleLine(_Event):
    """One whole line of output, without its line end and without terminal control sequences."""

    text: str
    stderr: bool
    timestamp: float


class FileSaved(_Event):
    """`path` is relative to the run's files folder; `policy` is now, end or live."""

    path: str
    policy: str


class Alert(_Event):
    """`wandb.alert`."""

    title: str
    text: str
    level: str

    @property
    def spelled(self) -> str:
        """The whole of it as one text."""
        return f"[{self.level or 'INFO'}] {self.title}: {self.text}"


class Artifact(_Event):
    """An artifact that the run logged (`used` false) or used. `size` in bytes, None if the record does not say.

    `files` is there where it holds tables: of these and of their media, path in the artifact, path on disk (or the URI
    of a file of another artifact), MD5 as base64. wandb's `client_id` names an artifact in history rows before it has a
    name. `brought` says where its files lie, for the list, where they were asked for.
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
    brought: Values = {}

    @property
    def is_table(self) -> bool:
        """Whether wandb made it for a table of the run: the user did not log it as an artifact."""
        return self.type in {"run_table", "wandb-run-incremental-table"}


class ChartDefined(_Event):
    """A `wandb.plot` chart: its data come in history rows, as a table under `table_key`."""

    key: str
    spec: str
    """The name of the Vega spec: `wandb/line/v0`, ..., or a user's own."""
    table_key: str
    fields: Values
    """Field of the spec -> column of the table."""
    strings: Values
    """Title and axis titles."""


class MaskLabels(_Event):
    """The class names of one mask layer of an image metric; wandb keeps them apart from the masks."""

    key: str
    layer: str
    labels: Labels


class SystemStats(_Event):
    """One sample of system metrics, by their wandb names."""

    timestamp: float
    values: Values


class RunFinished(_Event):
    """The run's exit. `reason` is the traceback or a sentence; `interrupted` means Ctrl-C."""

    exit_code: int
    reason: str = ""
    interrupted: bool = False


class RunPreempting(_Event):
    """`mark_preempting`: the run's machine is about to be taken away."""


class NotRead(_Event):
    """Something that the source has and nobody here can read: a value, a file, a record of a kind that is not known.

    `path` is the key of the value, the path of the file, or wandb's name of the kind (`record field <number>` where it
    has none). `reason` is the same sentence for everything of its sort: whoever counts losses counts by it.
    """

    path: Path
    reason: str


Event = (
    RunStarted
    | RunChanged
    | ConfigChanged
    | HistoryRow
    | HistoryRows
    | RowDropped
    | SummaryChanged
    | MetricDefined
    | ConsoleLine
    | FileSaved
    | Alert
    | Artifact
    | ChartDefined
    | MaskLabels
    | SystemStats
    | RunPreempting
    | NotRead
    | RunFinished
)
"""One thing that happened in a run. The union is closed."""
