"""Reads a SwanLab run folder back: what a finished (or broken off) run holds."""

from __future__ import annotations

import json
import time
from array import array
from pathlib import Path
from typing import Any

import yaml

from ..stream.series import Series
from ..swan import limits
from ..swan.sdk.scan import FILE_HEADER, Stretch, scan, stretches
from ..swan.sdk.store import is_error, kind_of, parsed, readable_file, state_name
from ..yaml_file import load_yaml

STRETCH = 4 << 20
"""Bytes read at a time."""
SYSTEM_PREFIX = "__swanlab__."
"""SwanLab's own monitor: nothing that came from wandb."""


class StoredRun:
    """The columns, points, media, config and state of one run folder, read in one pass."""

    def __init__(self, run_dir: Path) -> None:
        """Reads `run_dir`.

        Raises:
            WandbSwanError: it is no SwanLab run folder, or one of a SwanLab version that this one cannot read.
        """
        self.dir = run_dir
        self.clock = 1e-5
        """Seconds: two times that are no further apart are the same. SwanLab counts nanoseconds, wandb has doubles."""
        self.scalars: dict[str, Series] = {}
        self.media: dict[str, dict[int, list[Any]]] = {}
        """Key -> step -> items: `.filename`, `.caption`."""
        self.kinds: dict[str, str] = {}
        """Key -> scalar, text, image, ..."""
        self.config: dict[str, Any] = {}
        self.times: dict[tuple[str, int], float] = {}
        """(key, step) of media and texts -> time, seconds since the epoch."""
        self.lines: list[tuple[str, bool]] = []
        """Console lines: text, whether it went to stderr."""
        self.line_times: list[float] = []
        """When each came, seconds since the epoch."""
        self.monitored: dict[str, Series] = {}
        """What SwanLab's own monitor measured; nothing of wandb's."""
        self.labels: dict[str, str] = {}
        """Key -> the name that SwanLab shows, where it is another."""
        self.x_axes: dict[str, str] = {}
        """Key -> the metric that is its chart's X axis, where one was declared."""
        self.saved: set[str] = set()
        self.started_at = self.finished_at = 0.0
        self.error = ""
        """What SwanLab says of why the run did not end well; it adds it as the last lines of the console."""
        self.state = "unfinished"
        """finished, crashed, aborted, or unfinished."""
        self.project = ""
        self.run_id = ""
        self.description: dict[str, Any] = {}
        """SwanLab's name, description, tags, group and job_type of the run."""
        self._read()

    def _read(self) -> None:
        file = readable_file(self.dir)
        self.config = config_of(self.dir)
        for begin, end in stretches(file.stat().st_size, FILE_HEADER, STRETCH):
            stretch = scan(file, begin, end)
            self.merge(stretch)
            if stretch.damage is not None:  # SwanLab's own reader goes no further, too
                return

    def merge(self, stretch: Stretch) -> None:
        """Takes a part of the store. Of a part of a run that goes on behind another one, with wandb's steps."""
        offset = self.step_offset
        for key, (steps, values, times) in stretch.points.items():
            series = self.series(key)
            series.steps.extend(array("q", (step - offset for step in steps)) if offset else steps)
            series.values.extend(values)
            series.times.extend(times)
        for payload in stretch.others:
            record = parsed(payload, self.dir)
            if record.HasField("media"):
                record.media.step -= offset
            self.take(record)

    def series(self, key: str) -> Series:
        """The points of a scalar metric, those of SwanLab's own monitor apart."""
        held = self.monitored if key.startswith(SYSTEM_PREFIX) else self.scalars
        series = held.get(key)
        if series is None:
            series = held[key] = Series()
        return series

    def take(self, record: Any) -> None:
        """Takes a record that is no point."""
        kind = record.WhichOneof("record_type")
        if kind == "media":
            media = record.media
            self.media.setdefault(media.key, {})[media.step] = list(media.value.items)
            self.times[media.key, media.step] = media.timestamp.seconds + media.timestamp.nanos / 1e9
        elif kind == "column":
            column = record.column
            self.kinds[column.column_key] = kind_of(column.column_type)
            if column.column_name and column.column_name != column.column_key:
                self.labels[column.column_key] = column.column_name
            if getattr(column, "x_axis", ""):  # since SwanLab 0.10
                self.x_axes[column.column_key] = column.x_axis
        elif kind == "log":
            self.lines.append((record.log.line, is_error(record.log)))
            self.line_times.append(record.log.timestamp.seconds + record.log.timestamp.nanos / 1e9)
        elif kind == "save":
            self.saved.add(record.save.name)
        elif kind == "start":
            self.project = record.start.project
            self.run_id = record.start.id
            start = record.start
            self.started_at = start.started_at.seconds + start.started_at.nanos / 1e9
            self.description = {
                "name": start.name,
                "description": start.description,
                "tags": list(start.tags),
                "group": start.group,
                "job_type": start.job_type,
            }
        elif kind == "finish":
            self.state = state_name(record.finish.state)
            self.error = record.finish.error
            ended = record.finish.finished_at
            self.finished_at = ended.seconds + ended.nanos / 1e9

    @property
    def step_offset(self) -> int:
        """How much larger SwanLab's steps are than wandb's: of a part of a run that goes on behind another one."""
        offset = self.metadata.get("step_offset")
        return offset if isinstance(offset, int) else 0

    @property
    def metadata(self) -> dict[str, Any]:
        """What we put under the reserved config key; empty if the run is not ours."""
        return metadata_in(self.config)

    def file_of(self, key: str, item: Any) -> Path:
        """The file of one of the items of a media metric."""
        return self.dir / "media" / self.kinds.get(key, "") / str(item.filename)


def metadata_of(run_dir: Path) -> dict[str, Any]:
    """`StoredRun.metadata` without reading the run; empty where there is none."""
    try:
        return metadata_in(config_of(run_dir))
    except (OSError, ValueError, yaml.YAMLError):
        return {}


def config_json(value: Any) -> str:
    """A config value as text that is the same before and after SwanLab's YAML; it keeps 0.5 and '0.5' apart."""
    text = limits.config_text(json.dumps(value, ensure_ascii=False, default=str))
    return json.dumps(json.loads(text), ensure_ascii=False, sort_keys=True)  # in the order of the keys as they are now


def checked(*, how: str, identical: bool) -> dict[str, Any]:
    """What config `wandb_run.parity` says of a check: when (seconds since the epoch), how, and with what result."""
    return {"checked": round(time.time(), 3), "how": how, "identical": identical}


def config_of(run_dir: Path) -> dict[str, Any]:
    """The config of a run folder. Raises OSError, ValueError or yaml.YAMLError."""
    file = run_dir / "files" / "config.yaml"
    whole = (load_yaml(file.read_text("utf-8")) or {}) if file.exists() else {}
    return {key: item.get("value") for key, item in whole.items() if isinstance(item, dict)}


def metadata_in(config: dict[str, Any]) -> dict[str, Any]:
    """What we put under the reserved key of a config; empty if there is none."""
    for key in ("wandb_run_", "wandb_run"):
        if isinstance(config.get(key), dict):
            return dict(config[key])
    return {}
