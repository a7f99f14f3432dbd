"""What the page is told of a comparison: the verdicts, and both sides of a metric or a part, beside each other."""

from __future__ import annotations

import difflib
import json
import math
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from ..exceptions import WandbSwanError
from ..parity.content import located
from ..parity.content.verdict import same_value
from ..parity.pairing import NotCompared, Pair
from ..parity.parts import console_lines, visible
from ..parity.recorded import Media
from ..parity.report import MetricParity, verdict
from ..parity.stored import StoredRun
from ..stream.nested import Path as NestedPath
from ..stream.nested import Tree
from ..stream.series import Series
from ..swan.limits import clean_text
from .points import curve
from .runs import ViewedRun

_STEP = re.compile(r"step (-?\d+)")
STEPS = 200
"""Steps of a media metric that are shown beside each other, those that differ first."""
ROWS = 1_000
"""Rows of a table, and lines of a console, that are shown beside each other."""


class _Recorded:
    """wandb's side of a pair, by the names that the comparison has for its metrics."""

    def __init__(self, pair: Pair) -> None:
        self._recorded = pair.recorded

    @cached_property
    def series(self) -> dict[tuple[bool, str], Series]:
        """(Whether it is a system metric, name) -> points."""
        held = ((False, self._recorded.scalars), (True, self._recorded.system))
        return {(system, _name(path)): series for system, by_path in held for path, series in by_path.items()}

    @cached_property
    def paths(self) -> dict[str, NestedPath]:
        """Name -> path, of texts and media; the table of a chart goes by the chart's name, too."""
        recorded = self._recorded
        charts = {_name(chart): path for path in recorded.media if (chart := recorded.chart_of(path))}
        return {**charts, **{_name(path): path for path in (*recorded.media, *recorded.texts)}}


def _name(path: NestedPath) -> str:
    return clean_text(".".join(path))


class Comparisons:
    """Comparisons as they come, and what they were made of."""

    def __init__(self, runs: Mapping[str, ViewedRun]) -> None:
        """`runs`: those that the page shows, so that it can lead from one to the other."""
        self._names = {run.folder.resolve(): name for name, run in runs.items()}
        self._pairs: list[Pair] = []
        self._recorded: dict[int, _Recorded] = {}
        self._left_out: list[NotCompared] = []
        self._reading = False
        self._problem = ""

    def take(self, results: Iterable[Pair | NotCompared]) -> Comparisons:
        """Takes them all. Raises what `results` raises."""
        for result in results:
            if isinstance(result, Pair):
                self._pairs.append(result)
            else:
                self._left_out.append(result)
        return self

    def take_meanwhile(self, results: Iterable[Pair | NotCompared]) -> Comparisons:
        """Takes them in a thread of its own."""

        def work() -> None:
            try:
                self.take(results)
            except (WandbSwanError, OSError) as error:
                self._problem = str(error)
            finally:
                self._reading = False

        self._reading = True
        threading.Thread(target=work, name="wandb_swan compares", daemon=True).start()
        return self

    def overview(self) -> dict[str, Any]:
        """Every verdict, so far."""
        return {
            "reading": self._reading,
            "problem": self._problem,
            "pairs": [self._pair(pair) for pair in list(self._pairs)],
            "left_out": [{"what": found.what, "reason": found.reason} for found in list(self._left_out)],
        }

    def _pair(self, pair: Pair) -> dict[str, Any]:
        parity = pair.parity
        folder = Path(parity.swanlab)
        return {
            **parity.model_dump(mode="json", exclude={"metrics"}),
            "metrics": [
                {**metric.model_dump(mode="json"), "identical": metric.identical, "verdict": verdict(metric)}
                for metric in parity.metrics
            ],
            "run": self._names.get(folder.resolve(), "") if isinstance(pair.stored, StoredRun) else "",
            "identical": parity.identical,
            "verdict": parity.verdict,
            "points": parity.points,
            "unseen": parity.unseen,
        }

    def side_by_side(self, pair: int, what: str, begin: float | None = None, end: float | None = None) -> Any:
        """Both sides of the `what`th metric (a number), or of a part (its name). Raises WandbSwanError for another."""
        try:
            found = self._pairs[pair]
            if what == "console":
                return _console(found)
            metric = found.parity.metrics[int(what)]
        except (IndexError, ValueError) as error:
            raise WandbSwanError(f"there is no comparison of {what}") from error
        recorded = self._recorded.setdefault(pair, _Recorded(found))
        if metric.kind in ("scalar", "system"):
            ours = recorded.series.get((metric.kind == "system", metric.metric))
            return _curves(ours, found.stored.scalars.get(metric.swanlab_key), begin, end)
        return {"steps": list(_Items(found, metric, recorded.paths.get(metric.metric)).steps())}

    def file(self, pair: int, side: str, path: str) -> Path | None:
        """A media file of either side (wandb, swanlab), by the path that `side_by_side` told; None: there is none."""
        if not 0 <= pair < len(self._pairs):
            return None
        if side == "swanlab":
            return located(Path(self._pairs[pair].parity.swanlab), path)
        folders = {media.files for by in self._pairs[pair].recorded.media.values() for media in by.values()}
        return next(filter(None, (located(folder, path) for folder in folders)), None)


def _curves(ours: Series | None, theirs: Series | None, begin: float | None, end: float | None) -> dict[str, Any]:
    found: dict[str, Any] = {"wandb": None, "swanlab": None, "difference": None}
    if ours is not None:
        found["wandb"] = curve(ours, begin=begin, end=end).shape()
    if theirs is not None:
        found["swanlab"] = curve(theirs, begin=begin, end=end).shape()
    if ours is not None and theirs is not None:
        found["difference"] = curve(_difference(ours, theirs), begin=begin, end=end).shape()
    return found


def _difference(ours: Series, theirs: Series) -> Series:
    """SwanLab's values less wandb's, at the steps that both have; 0 where both are the same NaN or infinity."""
    values = dict(zip(theirs.steps, theirs.values, strict=True))
    found = Series()
    for step, one in zip(ours.steps, ours.values, strict=True):
        other = values.get(step)
        if other is not None:
            alike = one == other or (math.isnan(one) and math.isnan(other))
            found.add(step, 0.0 if alike else other - one, 0.0)
    return found


def _console(pair: Pair) -> dict[str, Any]:
    """The lines that differ, with a few around them."""
    recorded, stored, _ = pair
    ours = [line.text for line in console_lines(recorded)]
    theirs = [visible(text) for text, _ in stored.lines] if isinstance(stored, StoredRun) else []
    if ours == theirs:
        return {"lines": []}
    lines = difflib.unified_diff(ours, theirs, "wandb", "SwanLab", lineterm="", n=3)
    return {"lines": [line for _, line in zip(range(ROWS), lines, strict=False)]}


class _Items:
    """The items of a media or text metric on both sides."""

    def __init__(self, pair: Pair, metric: MetricParity, path: NestedPath | None) -> None:
        """`path`: where wandb has them."""
        self._recorded, self._stored = pair.recorded, pair.stored
        self._metric = metric
        self._path = path

    def steps(self) -> Iterator[dict[str, Any]]:
        texts = self._recorded.texts.get(self._path, {}) if self._path else {}
        media = self._recorded.media.get(self._path, {}) if self._path else {}
        stored = self._stored
        held = stored.media.get(self._metric.swanlab_key, {}) if isinstance(stored, StoredRun) else {}
        every = sorted({*held, *(texts if self._metric.kind == "text" else media)})
        named = {int(found[1]) for text in self._metric.examples if (found := _STEP.match(text))}
        first = [step for step in every if step in named or step not in held]
        rest = [step for step in every if step not in first]
        for step in sorted([*first, *rest][:STEPS]):
            ours: list[dict[str, Any]] = []
            if self._metric.kind == "text" and step in texts:
                ours = [{"kind": "text", "text": texts[step].begin, "caption": ""}]
            elif step in media:
                ours = [self._ours(item, media[step]) for item in media[step].items]
            theirs = [self._theirs(item) for item in held.get(step, [])]
            for one, other in zip(ours, theirs, strict=False):
                _mark(one, other)
            yield {"step": step, "wandb": ours, "swanlab": theirs, "differs": step in named}

    def _ours(self, item: Tree, media: Media) -> dict[str, Any]:
        kind = str(item.get("_type", "")).removesuffix("-file")
        shaped: dict[str, Any] = {"kind": kind, "caption": str(item.get("caption") or "")}
        path = item.get("path")
        file = located(media.files, path)
        if kind == "histogram":
            return {**shaped, "text": json.dumps({"bins": item.get("bins"), "values": item.get("values")})}
        if file is None:
            return {**shaped, "missing": True}
        if kind.endswith("table"):
            return {**shaped, **_table(_json_of(file), "columns", "data")}
        return {**shaped, "file": str(path)}

    def _theirs(self, item: Any) -> dict[str, Any]:
        assert isinstance(self._stored, StoredRun)
        kind = self._stored.kinds.get(self._metric.swanlab_key, "")
        file = self._stored.file_of(self._metric.swanlab_key, item)
        shaped: dict[str, Any] = {"kind": kind, "caption": str(item.caption).strip()}
        try:
            inside = file.resolve().is_relative_to(self._stored.dir.resolve()) and file.is_file()
            if not inside:
                return {**shaped, "missing": True}
            if kind == "echarts":
                held = _json_of(file)
                if isinstance(held, dict) and held.get("_swanLab") == "table":
                    fields = [column.get("field") for column in held.get("colDefs") or []]
                    rows = [[row.get(field) for field in fields] for row in held.get("rowData") or []]
                    return {**shaped, **_table({"columns": fields, "data": rows}, "columns", "data")}
            if kind in ("echarts", "text"):
                return {**shaped, "text": file.read_bytes().decode("utf-8", "replace")}
        except (OSError, ValueError):
            return {**shaped, "missing": True}
        return {**shaped, "file": file.relative_to(self._stored.dir).as_posix()}


def _json_of(file: Path) -> Any:
    try:
        return json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None


def _table(held: Any, columns: str, rows: str) -> dict[str, Any]:
    if not isinstance(held, dict):
        return {"missing": True}
    data = [row for row in held.get(rows) or [] if isinstance(row, list)]
    return {"columns": [str(name) for name in held.get(columns) or []], "rows": data[:ROWS], "of": len(data)}


def _mark(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Says which cells of two tables differ (but for media in them, which SwanLab names), and whether two texts do."""
    if "rows" in one and "rows" in other:
        marks = [
            [number, column]
            for number, (ours, theirs) in enumerate(zip(one["rows"], other["rows"], strict=False))
            for column, (cell, kept) in enumerate(zip(ours, theirs, strict=False))
            if not isinstance(cell, dict | list) and not isinstance(kept, dict | list) and not same_value(cell, kept)
        ]
        one["marks"] = other["marks"] = marks
    elif one["kind"] == other["kind"] == "text":
        one["marks"] = other["marks"] = (
            clean_text(one["text"]) != clean_text(other["text"])[: len(clean_text(one["text"]))]
        )
