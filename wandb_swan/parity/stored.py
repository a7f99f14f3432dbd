"""Reads a SwanLab run folder back: what a finished (or broken off) run holds."""

from __future__ import annotations

import hashlib
import json
import time
from array import array
from pathlib import Path
from typing import Any

import yaml

from ..stream.series import Series
from ..swan import limits
from ..swan.sdk.store import kind_of, records, state_name

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
        self.scalars: dict[str, Series] = {}
        self.media: dict[str, dict[int, list[Any]]] = {}
        """Key -> step -> items: `.filename`, `.caption`."""
        self.kinds: dict[str, str] = {}
        """Key -> scalar, text, image, ..."""
        self.config: dict[str, Any] = {}
        self.lines = 0
        self.saved: set[str] = set()
        self.state = "unfinished"
        """finished, crashed, aborted, or unfinished."""
        self.project = ""
        self.run_id = ""
        self.description: dict[str, Any] = {}
        """SwanLab's name, description, tags, group and job_type of the run."""
        self._read()

    def _read(self) -> None:
        for record in records(self.dir):
            if record.HasField("scalar"):  # almost every record is one
                point = record.scalar
                key = point.key
                series = self.scalars.get(key)
                if series is None:
                    if key.startswith(SYSTEM_PREFIX):
                        continue
                    series = self.scalars[key] = Series()
                stamp = point.timestamp
                series.steps.append(point.step)
                series.values.append(point.value.number)
                series.times.append(stamp.seconds + stamp.nanos / 1e9)
                continue
            kind = record.WhichOneof("record_type")
            if kind == "media":
                self.media.setdefault(record.media.key, {})[record.media.step] = list(record.media.value.items)
            elif kind == "column":
                self.kinds[record.column.column_key] = kind_of(record.column.column_type)
            elif kind == "log":
                self.lines += 1
            elif kind == "save":
                self.saved.add(record.save.name)
            elif kind == "start":
                self.project = record.start.project
                self.run_id = record.start.id
                start = record.start
                self.description = {
                    "name": start.name,
                    "description": start.description,
                    "tags": list(start.tags),
                    "group": start.group,
                    "job_type": start.job_type,
                }
            elif kind == "finish":
                self.state = state_name(record.finish.state)
        self.config = _config(self.dir)
        offset = self.metadata.get("step_offset")
        if isinstance(offset, int) and offset:  # a part of a run that goes on behind another one: wandb's steps again
            for points in self.scalars.values():
                points.steps = array(points.steps.typecode, (step - offset for step in points.steps))
            self.media = {key: {at - offset: items for at, items in by.items()} for key, by in self.media.items()}

    @property
    def metadata(self) -> dict[str, Any]:
        """What we put under the reserved config key; empty if the run is not ours."""
        return _metadata_in(self.config)

    def digests(self, key: str, step: int) -> list[str]:
        """The SHA-256 of every item of a media metric at a step; an item whose file is gone gives an empty one."""
        folder = self.dir / "media" / self.kinds.get(key, "")
        found = []
        for item in self.media[key][step]:
            path = folder / item.filename
            found.append(hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "")
        return found


def metadata_of(run_dir: Path) -> dict[str, Any]:
    """`StoredRun.metadata` without reading the run; empty where there is none."""
    try:
        return _metadata_in(_config(run_dir))
    except (OSError, ValueError, yaml.YAMLError):
        return {}


def config_json(value: Any) -> str:
    """A config value as text that is the same before and after SwanLab's YAML; it keeps 0.5 and '0.5' apart."""
    return limits.config_text(json.dumps(value, ensure_ascii=False, sort_keys=True, default=str))


def checked(*, how: str, identical: bool) -> dict[str, Any]:
    """What config `wandb_run.parity` says of a check: when (seconds since the epoch), how, and with what result."""
    return {"checked": round(time.time(), 3), "how": how, "identical": identical}


def _config(run_dir: Path) -> dict[str, Any]:
    file = run_dir / "files" / "config.yaml"
    whole = (yaml.safe_load(file.read_text("utf-8")) or {}) if file.exists() else {}
    return {key: item.get("value") for key, item in whole.items() if isinstance(item, dict)}


def _metadata_in(config: dict[str, Any]) -> dict[str, Any]:
    for key in ("wandb_run_", "wandb_run"):
        if isinstance(config.get(key), dict):
            return dict(config[key])
    return {}
