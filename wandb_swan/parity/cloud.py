"""What SwanLab's cloud holds of a run, in the form in which a run folder is compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..stream.series import Series
from .stored import SYSTEM_PREFIX, metadata_in

if TYPE_CHECKING:
    from ..swan.sdk.cloud_reader import CloudItem


class CloudStored:
    """The stored side of a comparison, of an experiment in SwanLab's cloud: what `StoredRun` is for a run folder."""

    def __init__(self, path: str) -> None:
        """Reads the experiment `path`: workspace/project/run-id.

        Raises:
            WandbSwanError: it cannot be read; the text says what to do.
        """
        from ..swan.sdk.cloud_reader import CloudExperiment  # a tenth of a second, for those alone whose run is there

        experiment = CloudExperiment(path)
        self.dir = experiment.path
        """workspace/project/run-id."""
        self.workspace, self.project, self.run_id = self.dir.split("/")
        self.url = experiment.url
        self.config = experiment.config
        self.description = experiment.description
        """SwanLab's name, description, tags, group and job_type of the run."""
        self.state = experiment.state
        """running, finished, crashed, aborted, offline, or unknown."""
        self.started_at, self.finished_at = experiment.created_at, experiment.finished_at
        """Seconds since the epoch, 0.0 where the server does not say."""
        self.lines = experiment.lines
        """How many console lines it has."""
        self.unreadable = experiment.unreadable
        """What was not, or cannot be, read back, in plain words."""
        self.scalars: dict[str, Series] = {}
        """What could be read whole."""
        self.media: dict[str, dict[int, list[CloudItem]]] = {}
        """Key -> step -> items: `.filename`, `.caption`."""
        self.kinds: dict[str, str] = {}
        """Key -> scalar, text, image, ..., or media where it is not known which."""
        self.counts: dict[str, tuple[int, int | None]] = {}
        """Key -> how many points it has, and its last step."""
        self.at_least: set[str] = set()
        """The keys of which `counts` says a lower bound: SwanLab gave some of their points."""
        self.times: dict[tuple[str, int], float] = {}
        """None: SwanLab's cloud does not tell the times of media."""
        self.clock = 2e-3
        """Seconds: two times that are no further apart are the same. SwanLab's cloud counts milliseconds."""
        self._experiment = experiment
        offset = self.metadata.get("step_offset")
        # A part of a run that goes on behind another one is compared by wandb's steps, as a `StoredRun` is.
        offset = offset if isinstance(offset, int) else 0
        first = self.metadata.get("first_step") if offset else None
        first = first if isinstance(first, int) else -offset  # what lies before it is of others in the same experiment
        for key, column in experiment.columns.items():
            if key.startswith(SYSTEM_PREFIX):
                continue
            last = column.last_step
            self.kinds[key] = column.kind
            self.counts[key] = (column.points, None if last is None else last - offset)
            if not column.whole or offset:
                self.at_least.add(key)
            if column.series is not None:
                self.scalars[key] = _moved(column.series, offset, first) if offset else column.series
            elif column.kind != "scalar":
                items = {step - offset: items for step, items in column.items.items()}
                self.media[key] = {step: found for step, found in items.items() if step >= first}

    @property
    def metadata(self) -> dict[str, Any]:
        """What we put under the reserved config key; empty if the run is not ours."""
        return metadata_in(self.config)

    def content(self, key: str, step: int) -> list[bytes]:
        """The bytes of every item of a media metric at a step, fetched now: its address is good for some time only.

        Raises:
            WandbSwanError: the server does not give them.
        """
        return [self._experiment.fetch(item) for item in self.media[key][step]]


def _moved(series: Series, offset: int, first: int) -> Series:
    """The points from wandb's step `first` on, at wandb's steps."""
    moved = Series()
    for step, value, time in zip(series.steps, series.values, series.times, strict=True):
        if step - offset >= first:
            moved.steps.append(step - offset)
            moved.values.append(value)
            moved.times.append(time)
    return moved
