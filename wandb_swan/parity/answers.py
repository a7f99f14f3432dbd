"""A plain reading of what W&B's server answers about a run: rows become key, step and value, as they come."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path as FilePath
from typing import Any

from ..sources.json_run import JsonRun
from ..sources.local_run import LocalRun
from ..sources.reference import Source
from ..stream.nested import Path, Tree
from ..stream.times import seconds
from . import history_forms, plain
from .folders import read_folder
from .logs import read_logs
from .recorded import OF_TABLES, Content, Line, Recorded

_NUMBERS = int | float
_OUTPUT = re.compile(r"logs/(?:output_(?:.+_)?(\d{8}_\d{6}_\d{9})|(\d{8}_\d{6}\.\d{6})_output)\.log")
"""A part of the console of a run with `console_multipart`: when it began."""
_OF_WANDB = re.compile(
    r"(config\.yaml|requirements\.txt|conda-environment\.yaml|wandb-(metadata|summary)\.json|wandb-\w+\.jsonl)"
    r"|artifact/[^/]+/wandb_manifest\.json"
)


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
        self._kinds: dict[str, set[str]] = {}
        self._keys = history_forms.Keys({})
        self._written: Tree = {}
        """The summary as the run's process wrote it; empty if W&B was not asked for it."""
        self._has_summary = False
        self._output: dict[str, Any] = {}
        """The files with the run's output, by name."""
        self._take: dict[str, Callable[[Any], None]] = {
            "attributes": self._attributes.update,
            "run": self._run,
            "folder": self._files_in,
            "file": self._file,
            "row": self._row,
            "exported": self._exported,
            "sample": self._sample,
            "artifact": self._artifact,
            "contents": self._contents,
        }

    def take(self, kind: str, answer: Any) -> None:
        self._take[kind](answer)

    def finish(self, short: list[str]) -> Recorded:
        """All of it; `short` is what the source says that it has and has not given."""
        recorded = self.recorded
        self._console()
        last = recorded.summary.get("_step")
        if isinstance(last, _NUMBERS) and recorded.ended != "running" and last > recorded.last_step and not short:
            came = f"the last row that came is of step {recorded.last_step}" if recorded.rows else "no row came"
            short = [*short, f"W&B's summary is of step {int(last)}, {came}"]
        recorded.short += tuple(short)
        return recorded

    def _run(self, run: Any) -> None:
        recorded, attributes = self.recorded, self._attributes
        for held in (self._output, recorded.saved, recorded.sizes, recorded.config):  # a run that grows is asked again
            held.clear()
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
        self._kinds = history_forms.kinds_of(attributes)
        self._keys = history_forms.Keys(recorded.summary)

    def _files_in(self, folder: FilePath) -> None:
        self._folder = folder
        if self._has_summary:
            with suppress(OSError, ValueError, RecursionError):
                self._written = json.loads((folder / "wandb-summary.json").read_text("utf-8"))
        self.recorded.saved = dict.fromkeys(self.recorded.saved, folder)

    def _file(self, file: Any) -> None:
        if file.name == "output.log" or _OUTPUT.fullmatch(file.name):
            self._output[file.name] = file
        elif file.name == "wandb-summary.json":
            self._has_summary = True
        elif not _OF_WANDB.fullmatch(file.name):
            self.recorded.saved[file.name] = self._folder
            self.recorded.sizes[file.name] = int(file.size)

    def _console(self) -> None:
        """The console: the parts as they began, the one file of a process without parts where it came to W&B."""
        parts: list[tuple[str, float, str]] = []
        whole = [file for file in self._output.values() if file.name == "output.log"]
        for file in self._output.values():
            if named := _OUTPUT.fullmatch(file.name):
                parts.append(((named[1] or named[2] + "000").replace(".", "_"), _came(file), file.name))
        names = [(came, name) for _, came, name in sorted(parts)]
        for file in whole:
            later = [came > _came(file) for came, _ in names]
            names.insert(later.index(True) if True in later else len(names), (_came(file), file.name))
        for _, name in names:
            path = (self._folder or FilePath()) / name
            text = path.read_bytes().decode("utf-8", "replace") if path.is_file() else ""
            lines = text.removesuffix("\n").split("\n") if text else []
            self.recorded.lines += [Line(line.rstrip("\r").rpartition("\r")[2], stderr=False) for line in lines]

    def _exported(self, row: dict[str, Any]) -> None:
        held = {key: history_forms.from_export(value, self._kinds.get(key, set())) for key, value in row.items()}
        self._row({key: value for key, value in held.items() if value is not None})

    def _row(self, row: dict[str, Any]) -> None:
        recorded = self.recorded
        held = {key: value for key, value in row.items() if key not in plain.OF_WANDB}
        if not held:
            return
        step, time = row.get("_step"), row.get("_timestamp")
        at = recorded.step_of(int(step) if isinstance(step, _NUMBERS) else None)
        when = float(time) if isinstance(time, _NUMBERS) and 0 < time < 1e11 else 0.0
        recorded.happened(when)
        found = []
        for (key, *below), value in plain.leaves(held):
            path = (*self._keys.path(key), *below)
            found.append((path, self._spelled(path, self._kinds.get(".".join((key, *below)), set()), value)))
        recorded.values(found, at, when, self._folder)

    def _spelled(self, path: Path, kinds: set[str], value: Any) -> Any:
        if isinstance(value, list):
            return history_forms.listed(value)
        if isinstance(value, str) and value in history_forms.SPELLED and not self._is_text(path, kinds):
            return history_forms.SPELLED[value]
        return value

    def _is_text(self, path: Path, kinds: set[str]) -> bool:
        """Whether a spelling of NaN or of an infinity is a text here: the run's process spells them apart in the
        summary that it wrote; else the last value says it, or texts that came before."""
        if kinds - {"string", "nil"}:
            return False
        for summary in (self._written, self.recorded.summary):
            last = history_forms.at(summary, path)
            if isinstance(last, str | _NUMBERS) and (summary is self._written or last not in history_forms.SPELLED):
                return isinstance(last, str)
        return path in self.recorded.texts

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

    def _contents(self, told: tuple[str, str, bool, dict[str, Any] | str]) -> None:
        name, digest, used, manifest = told
        self.recorded.contents[name, digest, used] = (
            manifest
            if isinstance(manifest, str)
            else {
                path: Content.of(entry)
                for path, entry in manifest["contents"].items()
                if not (isinstance(entry, dict) and entry.get("ref"))
            }
        )
        self.recorded.contents_asked = True


def _came(file: Any) -> float:
    """When W&B got a file, seconds since the epoch."""
    return seconds(getattr(file, "updated_at", None))
