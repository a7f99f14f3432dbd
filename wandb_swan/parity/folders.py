"""The plain reading of a run folder in wandb's format before 0.10."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path as FilePath
from typing import Any

import yaml

from . import plain
from .recorded import Line, Recorded

_FILES = {
    "wandb-metadata.json", "wandb-history.jsonl", "wandb-summary.json", "wandb-events.jsonl", "config.yaml",
    "output.log", "debug.log",
}  # fmt: skip


def read_folder(folder: FilePath) -> Recorded:
    """What the JSON files of a folder say of its run. Raises OSError."""
    recorded = Recorded()
    recorded.lines_have_streams = False
    for row in _rows(folder / "wandb-history.jsonl", recorded):
        time = row.get("_timestamp")
        seconds = float(time) if isinstance(time, int | float) else 0.0
        step = row.get("_step")
        at = recorded.step_of(step if isinstance(step, int) else recorded.last_step + 1)
        tree = {key: value for key, value in row.items() if key not in plain.OF_WANDB}
        recorded.values(plain.leaves(tree), at, seconds, folder)
        recorded.happened(seconds)
    for sample in _rows(folder / "wandb-events.jsonl", recorded):
        system = {key.partition(".")[2]: value for key, value in sample.items() if key.startswith("system.")}
        if system:
            recorded.sample(plain.leaves(system), float(sample.get("_timestamp") or 0))
    config = folder / "config.yaml"
    if config.exists():
        try:
            whole = yaml.safe_load(config.read_text("utf-8", "replace"))
        except yaml.YAMLError:
            whole = None
        whole = whole if isinstance(whole, dict) else {}
        values = {str(key): item["value"] for key, item in whole.items() if isinstance(item, dict) and "value" in item}
        recorded.config = json.loads(json.dumps(values, default=str))
    recorded.summary = _whole(folder / "wandb-summary.json")
    output = folder / "output.log"
    if output.exists():
        text = output.read_bytes().decode("utf-8", "replace")
        *lines, rest = text.split("\n")
        for line in [*lines, *([rest] if rest.strip("\r") else [])]:
            recorded.lines.append(Line(line.rstrip("\r").rpartition("\r")[2], stderr=False))
    for path in folder.rglob("*"):
        name = os.fsencode(path.relative_to(folder)).decode("utf-8", "backslashreplace")  # as a loss names it
        if path.is_file() and name not in _FILES and not name.startswith("media/"):
            recorded.saved[name] = folder
    _tell(_whole(folder / "wandb-metadata.json"), folder.name, recorded)
    return recorded


def _tell(about: dict[str, Any], folder: str, recorded: Recorded) -> None:
    named = re.fullmatch(r"[a-z-]+-(\d{8}_\d{6})-(.+)", folder)
    recorded.about = {
        "id": named[2] if named else folder,
        "entity": about.get("entity") or "",
        "project": about.get("project") or "",
        "name": str(about.get("name") or about.get("displayName") or ""),
        "notes": about.get("notes") or "",
        "tags": list(map(str, tags)) if isinstance(tags := about.get("tags"), list) else [],
        "group": about.get("group") or about.get("runGroup") or "",
        "job_type": about.get("jobType") or "",
    }
    recorded.started_at = _time(about.get("startedAt"))
    recorded.happened(_time(about.get("heartbeatAt")))
    code = about.get("exitcode")
    recorded.exit_code = code if isinstance(code, int) else {"finished": 0, "failed": 1}.get(str(about.get("state")))


def _time(told: Any) -> float:
    try:
        return datetime.fromisoformat(str(told).rstrip("Z")).replace(tzinfo=timezone.utc).timestamp()
    except ValueError:
        return 0.0


def _whole(file: FilePath) -> dict[str, Any]:
    try:
        held = json.loads(file.read_text("utf-8", "replace")) if file.exists() else {}
    except (ValueError, RecursionError):
        return {}
    return held if isinstance(held, dict) else {}


def _rows(file: FilePath, recorded: Recorded) -> Iterator[dict[str, Any]]:
    for line in file.read_bytes().splitlines(keepends=True) if file.exists() else ():
        try:
            row = json.loads(line) if line.strip() else {}
        except (ValueError, RecursionError):
            row = None if line.endswith(b"\n") else {}
        if not isinstance(row, dict):
            recorded.not_understood[file.name, "no row"] += 1
        elif row:
            yield row
