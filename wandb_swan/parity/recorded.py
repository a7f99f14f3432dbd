"""What wandb recorded of one run, read plainly: every key, step and value, nothing left out for SwanLab's sake."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path as FilePath
from typing import Any, NamedTuple

from ..stream.nested import Path, Tree
from ..stream.series import Series
from ..swan.limits import clean_text
from . import plain

OF_TABLES = frozenset({"run_table", "wandb-run-incremental-table"})
"""Types of the artifacts that wandb makes of a run's tables; they are no artifacts of the user's."""


BEGIN = 300
"""Characters of a text that are kept."""


class Text(NamedTuple):
    """A text, or any other value that is neither number nor media, as its JSON."""

    digest: bytes
    is_json: bool
    time: float
    begin: str = ""
    """Its first characters, for a reader of the comparison."""

    @classmethod
    def of(cls, value: Any, time: float = 0.0) -> Text:
        if isinstance(value, str):
            return cls(text_digest(value), False, time, value[:BEGIN])
        return cls(json_digest(value), True, time, json.dumps(value, ensure_ascii=False)[:BEGIN])


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


class Content(NamedTuple):
    """A file of an artifact, as its manifest has it."""

    digest: str
    """In base64."""
    size: int | None
    algorithm: str
    """MD5, or XXH128."""
    local: str = ""
    """Where it was when it was logged."""

    @classmethod
    def of(cls, entry: Any, ran_in: FilePath | None = None) -> Content:
        """What the JSON of a manifest says of it, whatever stands there; relative paths are those in `ran_in`."""
        entry = entry if isinstance(entry, dict) else {}
        size, extra, local = entry.get("size"), entry.get("extra"), entry.get("local_path")
        return cls(
            str(entry.get("digest") or ""),
            size if isinstance(size, int) and size >= 0 else None,
            str((extra.get("alg") if isinstance(extra, dict) else None) or "MD5").upper(),
            str(ran_in / str(local)) if ran_in is not None and local else "",
        )


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
        self.contents: dict[tuple[str, str, bool], dict[str, Content] | str] = {}
        """Name, digest, whether used of an artifact -> path in it -> what its manifest says, of files alone.

        Or why that is not known."""
        self.contents_asked = False
        """Whether the source was asked for them because files were to be brought."""
        self.of_artifacts: dict[tuple[str, str], tuple[str, str]] = {}
        """(client id, path in the artifact) -> path on disk or URI, MD5: tables, and the media in their cells."""
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
                items = plain.media_items(value, path[-1], step)
                text = Text.of(value, time)
            except (ValueError, RecursionError) as error:
                self.not_understood[".".join(path), type(error).__name__] += 1
                continue
            is_list = isinstance(value, dict) and bool(items) and value.get("_type") != "images"
            counted = value.get("count") if is_list else None
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

    @property
    def is_cut(self) -> bool:
        """Whether the source has no end: a killed run's log. SwanLab may have more, which came after it."""
        return self.exit_code is None and not self.ended

    def numbers_last(self, path: Path) -> float | None:
        series = self.scalars.get(path)
        return series.values[-1] if series else None

    def chart_of(self, path: Path) -> Path | None:
        """The key under which SwanLab shows the table at `path`, if a chart is made of it."""
        table = ".".join(path)
        for key, query in self._charts:
            if f'"value": {json.dumps(table)}' in query if '"tableKey"' in query else table == f"{key}_table":
                return (key,)
        own = self.config.get("_wandb")
        panels = own.get("viz") if isinstance(own, dict) else None  # `wandb.visualize`: shown under the table's key
        return path if isinstance(panels, dict) and table in panels else None

    @cached_property
    def _charts(self) -> list[tuple[str, str]]:
        """The key and the JSON of every chart, of a config that is complete."""
        own = self.config.get("_wandb")
        charts = own.get("visualize") if isinstance(own, dict) else None
        return [(str(key), json.dumps(panel)) for key, panel in charts.items()] if isinstance(charts, dict) else []

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
