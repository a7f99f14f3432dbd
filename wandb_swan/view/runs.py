"""What the page is told of a run: SwanLab's store of it, in the shapes that the browser reads."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from ..exceptions import WandbSwanError
from ..stream.series import Series
from .points import Axis, Curve, curve
from .reading import LARGE, GrowingRun

JSON: TypeAdapter[Any] = TypeAdapter(Any)
"""Anything as JSON; what is not finite as null."""
_OF_US = frozenset({"wandb_run", "wandb_run_"})
_PAGES = frozenset({"text", "echarts"})
"""Kinds whose items are sent as their content, not as an address."""


class ViewedRun:
    """One run folder. It is read when it is first asked for, and on from there when it has grown."""

    def __init__(self, name: str, folder: Path) -> None:
        """`name`: what the page calls it in addresses."""
        self.name = name
        self.folder = folder
        self.problem = ""
        """Why it cannot be shown."""
        self._opening = threading.Lock()
        self._run: GrowingRun | None = None
        self._reader: threading.Thread | None = None

    def whole(self) -> GrowingRun:
        """The run as it is now, all of it. Raises WandbSwanError or OSError where it cannot be read."""
        run = self._opened()
        run.grow()
        return run

    def soon(self) -> GrowingRun:
        """The run, all of it where that takes no time, else as far as it has been read. Raises as `whole`."""
        run = self._opened()
        with self._opening:
            if self._reader is not None and self._reader.is_alive():
                return run
            if run.behind > LARGE:
                self._reader = threading.Thread(target=self._read_on, name="wandb_swan reads a run", daemon=True)
                self._reader.start()
                return run
        return self.whole()

    def _opened(self) -> GrowingRun:
        with self._opening:
            if self._run is None:
                self._run = GrowingRun(self.folder)
            return self._run

    def _read_on(self) -> None:
        try:
            self.whole()
        except (WandbSwanError, OSError, ValueError, RuntimeError) as error:  # BrokenProcessPool is a RuntimeError
            self.problem = str(error)

    def wait(self) -> None:
        """Returns when nobody reads it any more."""
        if self._reader is not None:
            self._reader.join()

    def leave(self) -> None:
        """Ends the reading of it."""
        if self._run is not None:
            self._run.leave = True
        self.wait()

    @property
    def begun(self) -> bool:
        """Whether `head` answers at once."""
        return self._run is not None or bool(self.problem)

    def head(self) -> dict[str, Any]:
        """What a list of runs shows; `problem` says why a run cannot be shown."""
        try:
            if self.problem:
                raise WandbSwanError(self.problem)
            run = self.soon()
        except (WandbSwanError, OSError, ValueError) as error:
            self.problem = str(error)
            return {**self.unread(), "problem": self.problem}
        with run.held():
            return self._head(run)

    def _head(self, run: GrowingRun) -> dict[str, Any]:
        return {
            **self.unread(),
            "run": run.run_id,
            "project": run.project,
            "state": run.state,
            "started": run.started_at,
            "finished": run.finished_at,
            "error": run.error,
            "points": sum(map(len, run.scalars.values())) + sum(map(len, run.media.values())),
            "lines": len(run.lines),
            "read": round(run.read, 3),
            "damage": run.damage,
            **{name: value for name, value in run.description.items() if value},
        }

    def unread(self) -> dict[str, Any]:
        """What is known of a run before it is read."""
        return {"id": self.name, "name": self.folder.name, "folder": str(self.folder), "problem": ""}

    def detail(self) -> dict[str, Any]:
        """All of it but points, media and console lines. Raises as `whole`."""
        stored = self.soon()
        with stored.held():
            return self._detail(stored)

    def _detail(self, stored: GrowingRun) -> dict[str, Any]:
        return {
            **self._head(stored),
            "columns": list(self._columns(stored)),
            "config": {key: value for key, value in stored.config.items() if key not in _OF_US},
            "wandb_run": stored.metadata,
            "summary": dict(self._summary(stored)),
            "files": list(files_of(self.folder)),
            "machine": _json_file(self.folder / "files" / "swanlab-metadata.json"),
        }

    def _columns(self, stored: GrowingRun) -> Iterator[dict[str, Any]]:
        for key, series in {**stored.scalars, **stored.monitored}.items():
            system = key in stored.monitored or key.startswith("system/")
            yield {
                "key": key,
                "name": stored.labels.get(key, key),
                "kind": "scalar",
                "system": system,
                "x": "" if system else stored.x_axes.get(key, ""),
                "points": len(series),
                "first": min(series.steps, default=0),
                "last": max(series.steps, default=0),
                "odd": 0 if math.isfinite(sum(series.values)) else sum(not math.isfinite(v) for v in series.values),
            }
        for key, by_step in stored.media.items():
            yield {
                "key": key,
                "name": stored.labels.get(key, key),
                "kind": stored.kinds.get(key, "text"),
                "system": False,
                "steps": sorted(by_step),
                "points": len(by_step),
            }

    def _summary(self, stored: GrowingRun) -> Iterator[tuple[str, Any]]:
        for key, series in stored.scalars.items():
            if not key.startswith("system/") and len(series):
                last = series.values[max(range(len(series)), key=series.steps.__getitem__)]
                yield key, last if math.isfinite(last) else str(last)
        held = stored.metadata.get("summary")
        if isinstance(held, dict):  # what is no metric's last value
            yield from held.items()

    def points(self, key: str, axis: str, begin: float | None, end: float | None, most: int) -> Curve | None:
        """The curve of a metric; `axis` auto: its own X axis where it has one. None where there is no such metric."""
        stored = self.soon()
        series = stored.scalars.get(key) or stored.monitored.get(key)
        if series is None:
            return None
        against: Series | None = None
        if axis == "auto" or axis not in ("step", "time", "relative"):
            name = stored.x_axes.get(key, "") if axis == "auto" else axis
            against = stored.scalars.get(name) if name and name != key else None
        known: Axis = "time" if axis == "time" else "relative" if axis == "relative" else "step"
        with stored.held():
            return curve(series, known, against, begin, end, most, stored.started_at)

    def media(self, key: str) -> dict[str, Any]:
        """The items of a media metric at every step. Texts, tables and charts come with their content."""
        stored = self.soon()
        kind = stored.kinds.get(key, "text")
        steps = []
        with stored.held():
            held = sorted(stored.media.get(key, {}).items())
        for step, items in held:
            steps.append(
                {"step": step, "time": stored.times.get((key, step)), "items": list(map(self._item(kind), items))}
            )
        return {"kind": kind, "steps": steps}

    def _item(self, kind: str) -> Any:
        def shape(item: Any) -> dict[str, Any]:
            path = f"media/{kind}/{item.filename}"
            shaped = {"file": path, "caption": item.caption.strip(), "size": item.size}
            file = self.file(path)
            if file is None:
                return {**shaped, "missing": True}
            if kind in _PAGES:
                shaped["text"] = file.read_bytes().decode("utf-8", "replace")
            return shaped

        return shape

    def console(self, begin: int, most: int) -> dict[str, Any]:
        """Console lines from the `begin`th on: text, whether it went to stderr, seconds since the epoch."""
        stored = self.soon()
        with stored.held():
            total = len(stored.lines)
            lines, times = stored.lines[begin : begin + most], stored.line_times[begin : begin + most]
        return {
            "total": total,
            "lines": [[text, err, at] for (text, err), at in zip(lines, times, strict=True)],
        }

    def file(self, path: str) -> Path | None:
        """A file of the run folder; None where there is none, or where the name leaves the folder."""
        if "\0" in path:
            return None
        try:
            file = (self.folder / path).resolve()
            inside = file.is_relative_to(self.folder.resolve()) and file.is_file()
        except (OSError, ValueError, RuntimeError):
            return None
        return file if inside else None


def found(places: Sequence[Path]) -> dict[str, ViewedRun]:
    """The runs of run folders and log directories, the latest first.

    Raises:
        WandbSwanError: a place holds none.
    """
    folders: list[Path] = []
    for place in places:
        here = (
            [place] if any(place.glob("run-*.swanlab")) else [log.parent for log in place.glob("run-*/run-*.swanlab")]
        )
        if not here:
            raise WandbSwanError(
                f"{place} holds no SwanLab run; give SwanLab's log directory (swanlog) or a run folder"
            )
        folders += [folder for folder in sorted(set(here), reverse=True) if folder not in folders]
    return named(folders)


def named(folders: Sequence[Path]) -> dict[str, ViewedRun]:
    """Run folders by the names that they have in the page's addresses."""
    return {f"r{number}": ViewedRun(f"r{number}", folder) for number, folder in enumerate(dict.fromkeys(folders))}


def files_of(folder: Path) -> Iterator[dict[str, Any]]:
    """The run files that SwanLab has: path from the run folder, size in bytes."""
    for path in sorted((folder / "files").rglob("*")):
        try:
            if path.is_file():
                yield {"path": path.relative_to(folder).as_posix(), "size": path.stat().st_size}
        except OSError:
            continue


def _json_file(file: Path) -> Mapping[str, Any]:
    try:
        held = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return held if isinstance(held, dict) else {}
