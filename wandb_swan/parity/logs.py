"""The plain reading of a run's transaction logs."""

from __future__ import annotations

import gzip
import json
import zlib
from array import array
from collections.abc import Callable, Mapping
from operator import itemgetter
from pathlib import Path as FilePath
from typing import Any

from ..journal.kinds import LEFT_OUT_RECORDS
from ..stream.nested import Path, Tree
from ..stream.series import Series
from ..stream.wire import content_at, record_field
from . import plain
from .numbers import changes_of, texts_of
from .recorded import OF_TABLES, Content, Line, Recorded

_NUMBER_STARTS = frozenset("-0123456789")
OF_WANDB_ALONE = ("requirements.txt", "conda-environment.yaml", "wandb-metadata.json", "config.yaml")
"""Files of wandb's own that SwanLab has in its own form."""
_HISTORY, _SUMMARY, _RUN = 2, 3, 17
"""Their field numbers in `wandb_internal.Record`."""
_KINDS, _ROWS = 500, 2_000
"""Kinds of summary records whose last one is held, and rows that are, at most."""
_SHORT = 100
"""Bytes of a summary record that is likely to come again, such as that of wandb's runtime."""


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
        self._changed: dict[bytes | frozenset[Any], tuple[int, Mapping[Any, str]]] = {}
        """The keys that a record of the summary sets, or all of a short one -> the last one's number, what it sets."""
        self._rows = _Rows(self._series_of)
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

        def whole(payload: bytes) -> None:
            try:
                record = plain.parsed(payload)
            except ValueError as error:
                self._to.not_understood["record", str(error)] += 1
                return
            kind = record.WhichOneof("record_type")
            if kind in take:
                take[kind](getattr(record, kind))
            elif kind not in LEFT_OUT_RECORDS and (kind or record_field(payload)):
                self._to.not_understood[kind or f"record field {record_field(payload)}", "no handler"] += 1

        change: bytes | None = None
        for payload in plain.payloads(self._log):
            field = record_field(payload)
            texts = texts_of(payload) if field == _HISTORY and not self._cut else None
            if change is not None:  # wandb's core writes it before the row that it comes from
                if texts is not None and plain.same_items(change, payload):
                    self._changed_by(frozenset(texts[0]), texts[0].copy())
                elif not self._changes(change):
                    whole(change)
                change = None
            if texts is not None and self._numbers(*texts):
                continue
            if field != _SUMMARY:
                whole(payload)
            elif not self._comes_again(payload):
                change = payload
        if change is not None and not self._changes(change):
            whole(change)
        self._rows.write()
        self._put_changes_down()
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
        self._rows.write()
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
            value = plain.value_of(item)
            own = tree.get("_wandb")
            if path == ["_wandb"] and isinstance(value, dict) and isinstance(own, dict):
                value = {**own, **value}  # a chart's panel is set once, by its path
            plain.put(tree, path, value)
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

    def _changes(self, payload: bytes) -> bool:
        """Takes a summary record that sets what many others do, or comes again and again; False: it is another one."""
        texts = changes_of(payload)
        if texts is not None:
            content = payload[content_at(payload) :]
            self._changed_by(content if len(content) <= _SHORT else frozenset(texts), texts)
        return texts is not None

    def _comes_again(self, payload: bytes) -> bool:
        content = payload[content_at(payload) :]
        known = self._changed.get(content) if len(content) <= _SHORT else None
        if known is not None:
            self._changed_by(content, known[1])
        return known is not None

    def _changed_by(self, what: bytes | frozenset[Any], texts: Mapping[Any, str]) -> None:
        self._summaries += 1
        self._changed[what] = self._summaries, texts
        if len(self._changed) > _KINDS:
            self._put_changes_down()

    def _put_changes_down(self) -> None:
        for number, texts in sorted(self._changed.values(), key=itemgetter(0)):
            for path, text in texts.items():
                self._summary[(path,) if isinstance(path, str) else path] = number, text
        self._changed.clear()

    def _on_summary(self, body: Any) -> None:
        self._put_changes_down()
        held = self._summary
        self._summaries = number = self._summaries + 1
        for item in body.remove:
            held.pop(tuple(item.nested_key) or (item.key,), None)
        for item in body.update:
            held[tuple(item.nested_key) or (item.key,)] = number, item.value_json

    def _numbers(self, texts: dict[str, str], step: int | None) -> bool:
        """Takes a row of numbers under keys that are not nested; False: it is another one."""
        stamp, told = texts.pop("_timestamp", "0"), texts.pop("_step", None)
        for key in plain.OF_WANDB:
            texts.pop(key, None)
        try:
            time = float(stamp)
            step = int(told) if step is None and told is not None else step
            numbers = self._rows.numbers(texts)
        except ValueError:  # texts and media, or no JSON
            return False
        time = time if 0 < time < 1e11 else 0.0
        self._rows.add(self._to.step_of(step), time, numbers)
        self._to.happened(time)
        return True

    def _on_history(self, body: Any) -> None:
        self._rows.write()
        to = self._to
        tree: Tree = {}
        numbers: list[tuple[Series, float]] = []
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
                    numbers.append((self._series_of(key), float(text)))
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
        series = self._series.get(key)
        if series is None:
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
            own = item.type == item.WANDB and item.path in OF_WANDB_ALONE
            of_a_row = item.path.startswith("media/") and item.policy == item.NOW and "_summary_" not in item.path
            if not own and not of_a_row:
                self._to.saved[item.path] = self._files

    def _on_artifact(self, body: Any) -> None:
        for entry in body.manifest.contents:
            if entry.path.endswith("table.json") or entry.path.startswith("media/"):
                self._to.of_artifacts[body.client_id, entry.path] = entry.local_path or entry.ref, entry.digest
        if body.type not in OF_TABLES:
            self._to.artifacts.append((body.name, body.digest, False))
            ran_in = self._log.parent.absolute().parent.parent
            self._to.contents[body.name, body.digest, False] = _listed(body.manifest, ran_in)

    def _on_use_artifact(self, body: Any) -> None:
        self._to.artifacts.append((body.name or body.id, "", True))


class _Rows:
    """Rows of numbers under the same keys, which are added column by column."""

    def __init__(self, series_of: Callable[[str], Series]) -> None:
        self._series_of = series_of
        self._keys: list[str] = []
        self._held: set[str] = set()
        self._steps, self._times = array("q"), array("d")
        self._numbers: list[list[float]] = []

    def numbers(self, texts: dict[str, str]) -> list[float]:
        """The numbers of a row in the order of the keys. Raises ValueError where one is none."""
        if texts.keys() != self._held:
            self.write()
            self._keys, self._held = list(texts), set(texts)
        return list(map(float, map(texts.__getitem__, self._keys)))

    def add(self, step: int, time: float, numbers: list[float]) -> None:
        """Adds a row whose numbers are those that `numbers` was asked for last."""
        self._steps.append(step)
        self._times.append(time)
        self._numbers.append(numbers)
        if len(self._numbers) >= _ROWS:
            self.write()

    def write(self) -> None:
        """Brings what is held into the series."""
        if not self._numbers:
            return
        for key, column in zip(self._keys, zip(*self._numbers, strict=True), strict=bool(self._keys)):
            series = self._series_of(key)
            series.steps.extend(self._steps)
            series.times.extend(self._times)
            series.values.extend(column)
        self._steps, self._times, self._numbers = array("q"), array("d"), []


def _listed(manifest: Any, ran_in: FilePath) -> dict[str, Content] | str:
    """The files of an artifact that are no references; or why their list, a file of its own, says nothing."""
    held = {}
    try:
        for entry in manifest.contents:
            if not entry.ref:
                extra = {item.key: json.loads(item.value_json) for item in getattr(entry, "extra", ())}
                said = {"digest": entry.digest, "size": entry.size, "extra": extra, "local_path": entry.local_path}
                held[entry.path] = Content.of(said, ran_in)
        apart = getattr(manifest, "manifest_file_path", "")
        lines = gzip.decompress(FilePath(apart).read_bytes()).decode().splitlines() if apart else ()
        for line in map(json.loads, lines):
            if not isinstance(line["path"], str):
                raise TypeError("a path that is no text")
            if not line.get("ref"):
                held[line["path"]] = Content.of(line, ran_in)
    except FileNotFoundError:
        return "the list of its files is not on this machine"
    except (OSError, EOFError, zlib.error, ValueError, LookupError, TypeError, RecursionError):
        return "the list of its files is damaged"
    return held
