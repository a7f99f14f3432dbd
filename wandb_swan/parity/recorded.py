"""What wandb recorded of one run, read plainly: every key, step and value, nothing left out for SwanLab's sake."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path as FilePath
from typing import Any, NamedTuple

from ..journal.kinds import LEFT_OUT_RECORDS
from ..stream.nested import Path, Tree
from ..stream.series import Series
from ..stream.wire import record_field
from ..swan.limits import clean_text
from . import plain

_NUMBER_STARTS = frozenset("-0123456789")
_RUN = 17
"""Its field number in `wandb_internal.Record`."""
OF_TABLES = frozenset({"run_table", "wandb-run-incremental-table"})
"""Types of the artifacts that wandb makes of a run's tables; they are no artifacts of the user's."""


class Text(NamedTuple):
    """A text, or any other value that is neither number nor media, as its JSON."""

    digest: bytes
    is_json: bool
    time: float

    @classmethod
    def of(cls, value: Any, time: float = 0.0) -> Text:
        if isinstance(value, str):
            return cls(text_digest(value), False, time)
        return cls(json_digest(value), True, time)


class Media(NamedTuple):
    """The media of one key at one step."""

    items: list[Tree]
    time: float
    files: FilePath | None
    """The folder that the items' paths are relative to."""
    as_text: Text
    """The whole value."""


class Line(NamedTuple):
    """A line of the console."""

    text: str
    stderr: bool


def text_digest(text: str) -> bytes:
    return hashlib.sha256(clean_text(text).encode()).digest()


def json_digest(value: Any) -> bytes:
    """Equal for equal JSON values: numbers as floats (wandb's core writes a logged [1.0] as [1]), keys sorted."""
    plainly = json.loads(json.dumps(value), parse_int=float)
    return hashlib.sha256(clean_text(json.dumps(plainly, sort_keys=True, ensure_ascii=False)).encode()).digest()


class Recorded:
    """What a source says of one run. Times are in seconds since the epoch, 0.0 where there is none."""

    def __init__(self) -> None:
        self.scalars: dict[Path, Series] = {}
        self.texts: dict[Path, dict[int, Text]] = {}
        self.media: dict[Path, dict[int, Media]] = {}
        self.system: dict[Path, Series] = {}
        self.last: dict[Path, Any] = {}
        """The last value of every path that is no number."""
        self.config: Tree = {}
        self.summary: Tree = {}
        self.lines: list[Line] = []
        self.lines_have_streams = True
        self.alerts: dict[int, Text] = {}
        """By the step at which SwanLab has them: that of the last row, or the next that is free."""
        self.saved: dict[str, FilePath | None] = {}
        """Saved files: relative path -> the folder that it is in."""
        self.sizes: dict[str, int] = {}
        """What a source says of the sizes of its files, in bytes."""
        self.artifacts: list[tuple[str, str, bool]] = []
        """Name, digest, whether used (not logged)."""
        self.about: dict[str, Any] = {}
        """id, entity, project, name, notes, tags, group, job_type."""
        self.started_at = self.finished_at = 0.0
        self.exit_code: int | None = None
        self.ended = ""
        """How it ended as a source says that knows no exit code: finished, failed, crashed, killed."""
        self.rows = 0
        self.dotted = False
        """Whether nested keys are joined by dots, as W&B's server has them."""
        self.short: tuple[str, ...] = ()
        """What the source says that it has and has not given."""
        self.not_understood: Counter[tuple[str, str]] = Counter()
        """(key or kind, why) -> how many values or records no reader here understands."""
        self.last_step = -1
        self._unnumbered = 0
        self._samples = 0

    # -- rows ------------------------------------------------------------------------------------------------------

    def step_of(self, step: int | None) -> int:
        """The step of a row; the rows of wandb's shared mode have none and are numbered as they come."""
        if step is None:
            step = self._unnumbered
            self._unnumbered += 1
        self.rows += 1
        self.last_step = step
        return step

    def number(self, path: Path, value: float, step: int, time: float) -> None:
        series = self.scalars.get(path)
        if series is None:
            series = self.scalars[path] = Series()
        series.add(step, value, time)

    def values(self, found: Iterable[tuple[Path, Any]], step: int, time: float, files: FilePath | None) -> None:
        """The values of a row, but for numbers that are there already."""
        for path, value in found:
            number = plain.number(value)
            if number is not None:
                self.number(path, number, step, time)
                continue
            self.last[path] = value
            try:
                items = plain.media_items(value)
                text = Text.of(value, time)
            except (ValueError, RecursionError) as error:
                self.not_understood[".".join(path), type(error).__name__] += 1
                continue
            counted = value.get("count") if isinstance(value, dict) and items else None
            if isinstance(counted, int) and counted != len(items):
                key = ".".join(path)
                self.short += (f"{key} at step {step}: wandb counts {counted} items and names {len(items)}",)
            if items:
                self.media.setdefault(path, {})[step] = Media(items, time, files, text)
            if not items or (isinstance(value, list) and len(items) < len(value)):
                self.texts.setdefault(path, {})[step] = text

    def forget_from(self, step: int) -> None:
        """Rows from this step on were replaced: the run was resumed there."""
        for series in self.scalars.values():
            while series.steps and series.steps[-1] >= step:
                for column in (series.steps, series.values, series.times):
                    column.pop()
        by_steps: list[dict[int, Any]] = [*self.texts.values(), *self.media.values()]
        for by_step in by_steps:
            for at in [at for at in by_step if at >= step]:
                del by_step[at]

    def sample(self, values: Iterable[tuple[Path, Any]], time: float) -> None:
        """One sample of system metrics."""
        for path, value in values:
            number = plain.number(value)
            if number is None:
                self.not_understood[f"system.{'.'.join(path)}", "no number"] += 1
            else:
                self.system.setdefault(("system", *path), Series()).add(self._samples, number, time)
        self._samples += 1
        self.happened(time)

    def alert(self, level: str, title: str, text: str) -> None:
        said = f"[{level or 'INFO'}] {title}: {text}"
        step = max(max(self.alerts, default=-1) + 1, self.last_step, 0)
        self.alerts[step] = Text.of(said)
        self.lines.append(Line(f"wandb alert {said}", level == "ERROR"))

    def happened(self, time: float) -> None:
        self.finished_at = max(self.finished_at, time)

    # -- derived ---------------------------------------------------------------------------------------------------

    def numbers_last(self, path: Path) -> float | None:
        series = self.scalars.get(path)
        return series.values[-1] if series else None

    def chart_of(self, path: Path) -> Path | None:
        """The key under which SwanLab shows the table at `path`, if a chart is made of it."""
        own = self.config.get("_wandb")
        charts = own.get("visualize") if isinstance(own, dict) else None
        for key, panel in charts.items() if isinstance(charts, dict) else ():
            query = json.dumps(panel)
            table = ".".join(path)
            if f'"value": {json.dumps(table)}' in query and '"tableKey"' in query:
                return (str(key),)
            if table == f"{key}_table" and '"tableKey"' not in query:
                return (str(key),)
        return None

    def mask_labels(self) -> dict[tuple[str, str], dict[str, str]]:
        """(key, layer) -> the names of the classes of its masks, by number."""
        own = self.config.get("_wandb")
        masks = own.get("mask/class_labels") if isinstance(own, dict) else None
        found = {}
        for name, item in masks.items() if isinstance(masks, dict) else ():
            key, _, layer = name.partition("_wandb_delimeter_")
            if isinstance(item, dict) and isinstance(item.get("value"), dict):
                found[key, layer] = {str(number): str(label) for number, label in item["value"].items()}
        return found


def read_logs(logs: list[FilePath]) -> Recorded:
    """The run of some transaction logs; where there are several, each goes on where the one before it was left.

    Raises:
        WandbSwanError: one is no transaction log.
        OSError: one cannot be read.
    """
    recorded = Recorded()
    for log in sorted(logs, key=_begun):
        _Reading(recorded, log).read()
    return recorded


def _begun(log: FilePath) -> tuple[float, str]:
    for payload in plain.payloads(log):
        if record_field(payload) == _RUN and (record := plain.parsed(payload)).HasField("run"):
            return plain.seconds(record.run.start_time), log.parent.name
    return 0.0, log.parent.name


class _Reading:
    """Brings one log into what is recorded."""

    def __init__(self, recorded: Recorded, log: FilePath) -> None:
        self._to = recorded
        self._log = log
        self._files = log.parent / "files"
        self._console = {True: "", False: ""}
        self._summary: dict[Path, tuple[int, str]] = {}
        """Path -> number of the record, JSON."""
        self._summaries = 0
        self._series: dict[str, Series] = {}
        """By key; most values are numbers under a key that is not nested."""
        self._run: Any = None
        self._cut = recorded.rows > 0

    def read(self) -> None:
        take: dict[str, Callable[[Any], None]] = {
            "history": self._on_history,
            "summary": self._on_summary,
            "config": self._on_config,
            "run": self._on_run,
            "stats": self._on_stats,
            "output": self._on_output,
            "output_raw": self._on_output,
            "output_logger": self._on_output_logger,
            "files": self._on_files,
            "artifact": self._on_artifact,
            "use_artifact": self._on_use_artifact,
            "alert": lambda body: self._to.alert(body.level, body.title, body.text),
            "exit": lambda body: setattr(self._to, "exit_code", body.exit_code),
            "metric": lambda body: None,  # how values are shown
            "tbrecord": lambda body: None,  # names the folder of TensorBoard's files; the rows made of them come too
            "preempting": lambda body: None,
            "request": lambda body: None,  # what wandb's processes say to each other; no log holds any
        }
        self._to.exit_code = None
        for payload in plain.payloads(self._log):
            try:
                record = plain.parsed(payload)
            except ValueError as error:
                self._to.not_understood["record", str(error)] += 1
                continue
            kind = record.WhichOneof("record_type")
            if kind in take:
                take[kind](getattr(record, kind))
            elif kind not in LEFT_OUT_RECORDS and (kind or record_field(payload)):
                self._to.not_understood[kind or f"record field {record_field(payload)}", "no handler"] += 1
        for stderr, rest in self._console.items():
            if rest.strip("\r"):
                self._line(rest, stderr)
        told = self._summary.get(("_step",), (0, ""))[1]
        if self._to.exit_code is not None and told.isdecimal() and int(told) > self._to.last_step:
            last = f"the last row of {self._log.name} is of step {self._to.last_step}"
            self._to.short += (f"wandb's summary is of step {told}, {last}",)
        # The latest last: it wins over what lies above or below it in the tree.
        for path, (_, text) in sorted(self._summary.items(), key=lambda held: held[1][0]):
            try:
                plain.put(self._to.summary, path, json.loads(text))
            except (ValueError, RecursionError) as error:
                self._to.not_understood[".".join(path), type(error).__name__] += 1

    def _on_run(self, run: Any) -> None:
        to = self._to
        for item in run.config.update:
            # When its name changes, wandb's core writes the run again, in its own words: 0.0 as 0, no empty dict, no
            # half of a surrogate pair. What the user wrote is in the first, and in config records.
            if self._run is None or item.nested_key or item.key not in to.config:
                self._set(to.config, item)
        if self._run is None:
            if run.starting_step:
                to.forget_from(run.starting_step)
                self._cut = False
            to.started_at = to.started_at or plain.seconds(run.start_time)
        self._run = run
        to.about = {
            "id": run.run_id,
            "entity": run.entity,
            "project": run.project,
            "name": run.display_name,
            "notes": run.notes,
            "tags": list(run.tags),
            "group": run.run_group or run.sweep_id,
            "job_type": run.job_type,
        }

    def _set(self, tree: Tree, item: Any) -> None:
        path = list(item.nested_key) or [item.key]
        try:
            plain.put(tree, path, plain.value_of(item))
        except (ValueError, RecursionError) as error:
            self._to.not_understood[".".join(path), type(error).__name__] += 1

    def _on_config(self, body: Any) -> None:
        for item in body.remove:
            *above, last = list(item.nested_key) or [item.key]
            tree: Any = self._to.config
            for key in above:
                tree = tree.get(key) if isinstance(tree, dict) else None
            if isinstance(tree, dict):
                tree.pop(last, None)
        for item in body.update:
            self._set(self._to.config, item)

    def _on_summary(self, body: Any) -> None:
        held = self._summary
        self._summaries = number = self._summaries + 1
        for item in body.remove:
            held.pop(tuple(item.nested_key) or (item.key,), None)
        for item in body.update:
            held[tuple(item.nested_key) or (item.key,)] = number, item.value_json

    def _on_history(self, body: Any) -> None:
        to = self._to
        tree: Tree = {}
        numbers: list[tuple[Series, float]] = []
        known = self._series
        step: int | None = body.step.num if body.HasField("step") else None
        time = 0.0
        for item in body.item:
            nested = item.nested_key
            text = item.value_json
            try:
                if len(nested) > 1:
                    plain.put(tree, list(nested), plain.value_of(item))
                    continue
                key = nested[0] if nested else item.key
                if not text or text[0] not in _NUMBER_STARTS:
                    tree[key] = plain.value_of(item)
                elif key == "_timestamp":
                    time = float(text)
                elif key == "_step":
                    step = int(text) if step is None else step
                elif key not in plain.OF_WANDB:
                    numbers.append((known.get(key) or self._series_of(key), float(text)))
            except (ValueError, RecursionError) as error:
                to.not_understood[".".join(nested) or item.key, type(error).__name__] += 1
        if not 0 < time < 1e11:
            time = 0.0
        for key in plain.OF_WANDB:
            tree.pop(key, None)
        if self._cut and step is not None:
            to.forget_from(step)
            self._cut = False
        step = to.step_of(step)
        for series, value in numbers:
            series.add(step, value, time)
        if tree:
            to.values(plain.leaves(tree), step, time, self._files)
        to.happened(time)

    def _series_of(self, key: str) -> Series:
        series = self._series[key] = self._to.scalars.setdefault((key,), Series())
        return series

    def _on_stats(self, body: Any) -> None:
        values: Tree = {}
        for item in body.item:
            try:
                values[item.key] = plain.value_of(item)
            except (ValueError, RecursionError) as error:
                self._to.not_understood[f"system.{item.key}", type(error).__name__] += 1
        self._to.sample(plain.leaves(values), plain.seconds(body.timestamp))

    def _on_output(self, body: Any) -> None:
        stderr = body.output_type == body.STDERR
        *lines, self._console[stderr] = (self._console[stderr] + body.line).split("\n")
        for line in lines:
            self._line(line, stderr)
        self._to.happened(plain.seconds(body.timestamp))

    def _on_output_logger(self, body: Any) -> None:
        self._line(body.line.rstrip("\n"), stderr=False)

    def _line(self, text: str, stderr: bool) -> None:
        self._to.lines.append(Line(text.rstrip("\r").rpartition("\r")[2], stderr))

    def _on_files(self, body: Any) -> None:
        for item in body.files:
            if item.type != item.WANDB and not item.path.startswith("media/"):
                self._to.saved[item.path] = self._files

    def _on_artifact(self, body: Any) -> None:
        if body.type not in OF_TABLES:
            self._to.artifacts.append((body.name, body.digest, False))

    def _on_use_artifact(self, body: Any) -> None:
        self._to.artifacts.append((body.name or body.id, "", True))
