"""What a source says of a run, in the form that SwanLab should have it."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path as FilePath
from typing import NamedTuple

from typing_extensions import assert_never

from ..sources.reference import Source
from ..stream.config import apply
from ..stream.events import (
    Alert,
    Artifact,
    ChartDefined,
    ConfigChanged,
    ConsoleLine,
    Event,
    FileSaved,
    HistoryRow,
    MaskLabels,
    MetricDefined,
    Path,
    RowDropped,
    RunChanged,
    RunFinished,
    RunPreempting,
    RunStarted,
    SummaryChanged,
    SystemStats,
    Tree,
    UnknownRecord,
)
from ..stream.series import Series
from ..stream.values import Leaf, Numbering, number_of
from ..swan import limits


class Item(NamedTuple):
    """One media item as SwanLab should have it."""

    digest: str
    """SHA-256 of its content, as hexadecimal digits, or its beginning; "" where SwanLab gets it in another form."""
    caption: str


_COPIED = {
    "image-file": frozenset({".png", ".jpg", ".jpeg", ".bmp"}),
    "audio-file": frozenset({".wav"}),
    "video-file": frozenset({".gif"}),
    "object3D-file": frozenset({".glb"}),
    "molecule-file": frozenset({".pdb"}),
}
"""Kind of media -> suffixes of files that come to SwanLab byte for byte."""


def expected_item(value: Tree) -> Item:
    """What SwanLab should have of one media item of wandb's."""
    kind, path = value.get("_type"), str(value.get("path") or "")
    digest = value.get("sha256") or _name_digest(path)
    size, caption = value.get("size"), value.get("caption")
    drawn = bool(value.get("boxes") or value.get("masks"))
    copied = not drawn and FilePath(path).suffix.lower() in _COPIED.get(str(kind), ())
    fits = not isinstance(size, int) or size <= limits.MEDIA_BYTES
    return Item(
        digest=digest if copied and fits and isinstance(digest, str) else "",
        caption=limits.clean_text(str(caption)) if caption not in (None, "", False) else "",
    )


def _name_digest(path: str) -> str:
    """The beginning of a file's SHA-256, which wandb from 0.12.11 on puts into its name: `<key>_<step>_<20 digits>`."""
    found = re.search(r"_([0-9a-f]{20})\.\w+$", path)
    return found[1] if found else ""


class ExpectedRun:
    """What a source says of a run, in the form that SwanLab should have it."""

    def __init__(self) -> None:
        self.scalars: dict[Path, Series] = {}
        self.system: dict[Path, Series] = {}
        self.texts: dict[Path, dict[int, bytes]] = {}
        """Path -> step -> SHA-256 of the text."""
        self.media: dict[Path, dict[int, tuple[Item, ...]]] = {}
        """Path -> step -> items."""
        self.config: Tree = {}
        self.lines = 0
        self.started: RunStarted | None = None
        self.finished: RunFinished | None = None
        self.short: tuple[str, ...] = ()
        """What the source says that it has and has not given."""
        self._samples = 0
        self._charts: dict[str, str] = {}
        self._numbering = Numbering()

    @classmethod
    def of(cls, source: Source) -> ExpectedRun:
        run = cls()
        for event in source.events():
            run.take(event)
        run.short = tuple(source.short)
        return run

    def take(self, event: Event) -> None:
        """Adds one event."""
        match event:
            case HistoryRow():
                step = self._numbering.of_row(event.step)
                if 0 <= step <= limits.LAST_STEP:
                    self._numbering.reached(step)
                    self._row(event.leaves, step, event.timestamp)
            case ConfigChanged():
                apply(self.config, event)
            case ConsoleLine():
                self.lines += 1
            case SystemStats():
                for key, value in event.values.items():
                    number = number_of(value)
                    if number is not None:
                        self.system.setdefault(("system", key), Series()).add(self._samples, number, event.timestamp)
                self._samples += 1
            case Alert():
                text = limits.clean_text(event.spelled)
                digest = hashlib.sha256(text.encode()).hexdigest()
                self.media.setdefault(("alerts",), {})[self._numbering.of_alert()] = (Item(digest, ""),)
                self.lines += 1
            case ChartDefined():
                self._charts[event.table_key] = event.key
            case RunStarted():
                self.started = event
            case RunFinished():
                self.finished = event
            case RunChanged() | SummaryChanged() | RunPreempting() | UnknownRecord() | RowDropped():
                pass  # not compared: SwanLab has them as metadata under `wandb_run`, or has no place for them
            case Artifact() | FileSaved() | MaskLabels() | MetricDefined():
                pass  # not compared: files, and how values are shown
            case _:
                assert_never(event)

    def _row(self, leaves: list[Leaf], step: int, time: float) -> None:
        for path, _, number, text, media in leaves:
            if number is not None:
                series = self.scalars.get(path)
                if series is None:
                    series = self.scalars[path] = Series()
                series.add(step, number, time)
            elif text is not None:
                digest = hashlib.sha256(limits.clean_text(text).encode()).digest()
                self.texts.setdefault(path, {})[step] = digest
            elif media:
                chart = self._charts.get(".".join(path))
                of_path = self.media.setdefault((chart,) if chart else path, {})
                of_path[step] = (*of_path.get(step, ()), *map(expected_item, media))
