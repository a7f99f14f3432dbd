"""What SwanLab's cloud has of projects and experiments, for the tests to look at."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

SYSTEM = "__swanlab__"  # the SDK's prefix of the keys of its own hardware monitor


@dataclass(frozen=True)
class MediaItem:
    """One file of a media point: `path` is `media/<kind>/<filename>`; `data` is None if the upload never came."""

    path: str
    caption: str | None
    data: bytes | None

    @property
    def filename(self) -> str:
        return self.path.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Line:
    """One console line."""

    epoch: int
    level: str
    message: str
    timestamp: float


@dataclass
class Project:
    """A project; `columns` are the column declarations of all its experiments, by key (the SDK sends no experiment)."""

    cuid: str
    workspace: str
    name: str
    visibility: str
    columns: dict[str, dict[str, Any]] = field(default_factory=dict)
    experiments: dict[str, Experiment] = field(default_factory=dict)


@dataclass
class Experiment:
    """What one run id received.

    opened: the body of each create or resume. states: each state it went through. scalars, media: the first value of a
    (key, step), scalars as (value, epoch seconds); later ones are in duplicate_points as (key, step, first, later).
    late_points: how many came while it was not RUNNING. interrupted: the server ended it for want of signs of life, and
    shows nothing that came later; `sign` is when the last one came (epoch seconds). tops: when each (kind, key) reached a new highest step.
    """

    cuid: str
    run_id: str
    project: Project
    created_at: str
    name: str = ""
    description: str = ""
    tags: list[str] = field(default_factory=list)
    group: str = ""
    job_type: str = ""
    colors: list[str] = field(default_factory=list)
    state: str = "RUNNING"
    states: list[str] = field(default_factory=lambda: ["RUNNING"])
    finished_at: str | None = None
    opened: list[dict[str, Any]] = field(default_factory=list)
    profile: dict[str, Any] = field(default_factory=dict)
    heartbeats: list[float] = field(default_factory=list)
    scalars: dict[str, dict[int, tuple[float, float]]] = field(default_factory=dict)
    media: dict[str, dict[int, list[MediaItem]]] = field(default_factory=dict)
    console: list[Line] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    file_states: dict[str, str] = field(default_factory=dict)
    duplicate_points: list[tuple[str, int, Any, Any]] = field(default_factory=list)
    late_points: int = 0
    interrupted: bool = False
    sign: float = field(default_factory=time.time)
    tops: dict[tuple[str, str], list[tuple[float, int]]] = field(default_factory=dict)

    @property
    def config(self) -> dict[str, Any]:
        """The config as the user gave it (sent as `{key: {value, sort, desc}}`)."""
        return {key: item["value"] for key, item in self.profile.get("config", {}).items()}

    @property
    def metadata(self) -> dict[str, Any]:
        return dict(self.profile.get("metadata", {}))

    @property
    def requirements(self) -> str:
        return str(self.profile.get("requirements", ""))

    @property
    def columns(self) -> dict[str, dict[str, Any]]:
        """The project's columns that this experiment has data for."""
        return {key: column for key, column in self.project.columns.items() if key in self.scalars | self.media}

    @property
    def metrics(self) -> dict[str, dict[int, float]]:
        """Scalars without timestamps and without the SDK's hardware monitor."""
        return {
            key: {step: value for step, (value, _) in steps.items()}
            for key, steps in self.scalars.items()
            if not key.startswith(SYSTEM)
        }

    @property
    def lines(self) -> list[str]:
        """The text of the console, in order."""
        return [line.message for line in sorted(self.console, key=lambda line: line.epoch)]
