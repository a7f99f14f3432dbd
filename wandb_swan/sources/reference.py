"""A run of the past, wherever it is: a reference to it, and what can be read from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path as FilePath
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from ..stream.events import Event


class RunReference(BaseModel):
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
    growing: bool = False
    """Whether the run had not ended when it was listed, as far as that was to be seen."""
    changed_at: float = 0.0
    """When a local log was written to last, seconds since the epoch."""

    @property
    def key(self) -> str:
        """The name of the source in the manifest."""
        return f"{self.kind}:{self.origin}@{self.apart}:{self.run_id}"

    @property
    def former_key(self) -> str:
        """Its name in manifests of version 0.1."""
        return f"{self.kind}:{self.origin}:{self.run_id}"


class Source(Protocol):
    """A run of the past, wherever it is."""

    notices: list[str]
    """What a reader of the report should know; complete when the events are read."""
    short: list[str]
    """What the source says that it has and has not given; complete when the events are read."""
    finished_at: float
    """The time of the last thing that happened, seconds since the epoch; right when the events are read."""
    fingerprint: str
    """Of what was read (`RunReference.fingerprint`); right when the events are read, empty where it is not known."""
    goes_on: bool
    """Whether the run had not ended; right when the events are read."""
    over: str
    """Set by who reads a local run as it grows: why it is taken as ended. W&B says itself when a run has."""
    trouble: str
    """Why the last look at a run that grows brought nothing; empty if it did."""
    on_folder: Callable[[FilePath], None]
    """Told the folder of the media and saved files that come next."""
    on_answer: Callable[[str, Any], None]
    """Told what W&B answers (`CloudRun`), before anything is made of it; a local run is not asked for."""

    @property
    def run_id(self) -> str: ...

    @property
    def metadata(self) -> dict[str, Any]:
        """Facts for the config key `wandb_run`."""

    def events(self) -> Iterator[Event]:
        """Everything that happened: first the RunStarted, last the RunFinished."""

    def growing(self) -> Iterator[Event | None]:
        """The same of a run that goes on: None says that this is all by now; who goes on then gets what has come since.

        It ends when the run has ended, or a local one is `over`.
        """
