"""A plain reading of what W&B's server answers about a run: rows become key, step and value, as they come."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Any

from ..sources.cloud_history import only_texts, reads_exports
from ..sources.downloads import seconds
from ..sources.json_run import JsonRun
from ..sources.local_run import LocalRun
from ..sources.reference import Source
from . import plain
from .folders import read_folder
from .logs import read_logs
from .recorded import OF_TABLES, Content, Line, Recorded

_SPECIAL = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
_NUMBERS = int | float


def noted(source: Source) -> Callable[[], Recorded]:
    """From now on notes what a source answers; what is given back says what it recorded, once its events were read.

    Of a local run the logs are read then. Raises WandbSwanError or OSError where one cannot be.
    """
    if isinstance(source, JsonRun):
        return lambda: read_folder(source.logs[0].parent)
    if isinstance(source, LocalRun):
        return lambda: read_logs(source.logs)
    answers = Answers()
    source.on_answer = answers.take
    return lambda: answers.finish(source.short)


class Answers:
    """Gathers what a run of W&B's server is said to hold; `take` is told every answer (`CloudRun.on_answer`)."""

    def __init__(self) -> None:
        self.recorded = Recorded()
        self.recorded.dotted = True
        self.recorded.lines_have_streams = False
        self._folder: FilePath | None = None
        self._attributes: dict[str, Any] = {}
        self._texts: set[str] = set()
        self._null_is_absent = False
        self._take: dict[str, Callable[[Any], None]] = {
            "attributes": self._attributes.update,
            "run": self._run,
            "folder": self._files_in,
            "file": self._file,
            "console": self._console,
            "row": self._row,
            "sample": self._sample,
            "artifact": self._artifact,
            "contents": self._contents,
        }

    def take(self, kind: str, answer: Any) -> None:
        self._take[kind](answer)

    def finish(self, short: list[str]) -> Recorded:
        """All of it; `short` is what the source says that it has and has not given."""
        recorded = self.recorded
        last = recorded.summary.get("_step")
        if isinstance(last, _NUMBERS) and recorded.ended != "running" and last > recorded.last_step and not short:
            came = f"the last row that came is of step {recorded.last_step}" if recorded.rows else "no row came"
            short = [*short, f"W&B's summary is of step {int(last)}, {came}"]
        recorded.short += tuple(short)
        return recorded

    def _run(self, run: Any) -> None:
        recorded, attributes = self.recorded, self._attributes
        recorded.about = {
            "id": run.id,
            "entity": run.entity,
            "project": run.project,
            "name": run.name or "",
            "notes": attributes.get("notes") or attributes.get("description") or "",
            "tags": list(run.tags or ()),
            "group": attributes.get("group") or attributes.get("sweepName") or "",
            "job_type": attributes.get("jobType") or "",
        }
        for key, held in (run.rawconfig or {}).items():  # each value in a dict, under `value`
            recorded.config[key] = held["value"] if isinstance(held, dict) and "value" in held else held
        summary = attributes.get("summaryMetrics")
        summary = json.loads(summary) if isinstance(summary, str) else summary
        recorded.summary = dict(summary) if isinstance(summary, dict) else {}
        recorded.started_at = seconds(attributes.get("createdAt"))
        recorded.ended = run.state
        recorded.happened(seconds(attributes.get("heartbeatAt")))
        self._texts = only_texts(run)
        self._null_is_absent = reads_exports(run)

    def _files_in(self, folder: FilePath) -> None:
        self._folder = folder
        self.recorded.saved = dict.fromkeys(self.recorded.saved, folder)

    def _console(self, output: FilePath) -> None:
        if output.is_file():
            text = output.read_bytes().decode("utf-8", "replace")
            lines = text.removesuffix("\n").split("\n") if text else []
            self.recorded.lines = [Line(line.rstrip("\r").rpartition("\r")[2], stderr=False) for line in lines]

    def _file(self, file: Any) -> None:
        self.recorded.saved[file.name] = None
        self.recorded.sizes[file.name] = int(file.size)

    def _row(self, row: dict[str, Any]) -> None:
        recorded = self.recorded
        held = {key: value for key, value in row.items() if key not in plain.OF_WANDB}
        if self._null_is_absent:
            held = {key: value for key, value in held.items() if value is not None}
        if not held:
            return
        step, time = row.get("_step"), row.get("_timestamp")
        at = recorded.step_of(int(step) if isinstance(step, _NUMBERS) else None)
        when = float(time) if isinstance(time, _NUMBERS) and 0 < time < 1e11 else 0.0
        recorded.happened(when)
        found = ((path, self._number(".".join(path), value)) for path, value in plain.leaves(held))
        recorded.values(found, at, when, self._folder)

    def _number(self, key: str, value: Any) -> Any:
        """W&B spells NaN and the infinities as texts, which they may be too."""
        return _SPECIAL.get(value, value) if isinstance(value, str) and key not in self._texts else value

    def _sample(self, sample: dict[str, Any]) -> None:
        values = {
            key.removeprefix("system."): value
            for key, value in sample.items()
            if key.startswith("system.") and value is not None
        }
        time = sample.get("_timestamp")
        self.recorded.sample(plain.leaves(values), float(time) if isinstance(time, _NUMBERS) else 0.0)

    def _artifact(self, listed: tuple[Any, bool]) -> None:
        item, used = listed
        if item.type not in OF_TABLES:
            self.recorded.artifacts.append((item.name, item.digest or "", used))

    def _contents(self, told: tuple[str, str, bool, dict[str, Any]]) -> None:
        name, digest, used, manifest = told
        held = {}
        for path, entry in manifest["contents"].items():
            if not isinstance(entry, dict):
                held[path] = Content("", None, "MD5")
            elif not entry.get("ref"):
                size, extra = entry.get("size"), entry.get("extra")
                kind = extra.get("alg") if isinstance(extra, dict) else None
                known = size if isinstance(size, int) and size >= 0 else None
                held[path] = Content(str(entry.get("digest") or ""), known, str(kind or "MD5"))
        self.recorded.contents[name, digest, used] = held
        self.recorded.contents_asked = True
