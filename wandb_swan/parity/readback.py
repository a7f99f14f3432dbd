"""What a SwanLab store has to hold, gathered as it is written, and read back from the disk when the run is closed.

SwanLab swallows errors and drops values without a word; a folder can be removed while a run goes on. Only what was read
back lets a journal go. Counts and checksums are kept, no values: memory grows by some bytes a step at most.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ..exceptions import WandbSwanError
from ..stream.state import State
from ..swan import limits
from ..swan.sdk.store import kind_of, records, state_name, state_on_disk
from ..yaml_file import load_yaml
from .stored import config_json

Steps: Any
try:
    from pyroaring import BitMap64 as Steps
except ImportError:  # SwanLab 0.10 asks for it; another may do without
    Steps = set

_BITS = struct.Struct("<d").pack


@dataclass
class Points:
    """The points of one metric: SwanLab keeps the first value of a step."""

    steps: Any = field(default_factory=Steps)
    checksum: int = 0

    def add(self, step: int, value: Hashable) -> None:
        if step not in self.steps:
            self.steps.add(step)
            self.checksum += hash((step, value))

    def add_number(self, step: int, number: float) -> None:
        """Every bit counts: to Python -1.0 and -2.0 have the same hash."""
        self.add(step, _BITS(number) if number == number else b"NaN")  # noqa: PLR0124  (NaN is unequal to itself)


class Expected:
    """What was handed to SwanLab."""

    def __init__(self) -> None:
        self.scalars: dict[str, Points] = {}
        self.media: dict[str, Points] = {}
        """By key; a value is the texts of a step, or how many items it has."""
        self.config: dict[str, Any] = {}
        """The whole config as it was written last, the reserved key included."""
        self.files: set[str] = set()
        """Saved files, relative to the run's `files` folder."""
        self.lines = 0
        self.lines_checksum = 0

    def scalar(self, key: str, step: int, number: float) -> None:
        points = self.scalars.get(key)
        if points is None:
            points = self.scalars[key] = Points()
        points.add_number(step, number)

    def row(self, keys: Sequence[str], step: int, numbers: Sequence[float]) -> None:
        for key, number in zip(keys, numbers, strict=True):
            self.scalar(key, step, number)

    def items(self, key: str, step: int, content: Hashable) -> None:
        self.media.setdefault(key, Points()).add(step, content)

    def line(self, text: str) -> None:
        self.lines += 1
        self.lines_checksum = hash((self.lines_checksum, text))

    def missing(self, run_dir: Path, state: State) -> str | None:
        """Reads a closed run folder, which has to have ended in `state`; says what it lacks, or None.

        Media are read from their files, and held against the digests that SwanLab has noted.
        """
        found = Expected()
        ended = ""
        broken: list[str] = []
        try:
            for record in records(run_dir):
                kind = record.WhichOneof("record_type")
                if kind == "scalar":
                    point = record.scalar
                    found.scalar(point.key, point.step, point.value.number)
                elif kind == "media":
                    found.items(record.media.key, record.media.step, _content(run_dir, record.media, broken))
                elif kind == "log" and found.lines < self.lines:  # SwanLab adds a run's error as a last line
                    found.line(record.log.line)
                elif kind == "finish":
                    ended = state_name(record.finish.state)
            config = load_yaml((run_dir / "files" / "config.yaml").read_text("utf-8"))
        except (WandbSwanError, OSError, yaml.YAMLError) as error:
            return f"the SwanLab run cannot be read back: {' '.join(str(error).split())}"
        if ended != state_on_disk(state):
            return f"the SwanLab run {run_dir.name} has {f'the state {ended}' if ended else 'no end'} on disk"
        if not isinstance(config, dict):
            return f"the config of the SwanLab run {run_dir.name} is not on disk"
        there = {limits.config_text(str(key)): item for key, item in config.items() if isinstance(item, dict)}
        faults = [
            f"not the value of {key} in its config"
            for key, value in self.config.items()
            if not _same(value, there.get(limits.config_text(key), {}).get("value"))
        ]
        faults += [f"not the file {path}" for path in self.files if not os.path.lexists(run_dir / "files" / path)]
        faults += [*broken, *_lacking(self.scalars, found.scalars), *_lacking(self.media, found.media)]
        if (self.lines, self.lines_checksum) != (found.lines, found.lines_checksum):
            faults.append(f"{found.lines} of {self.lines} console lines as they were")
        if faults:
            more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
            return f"on disk, the SwanLab run {run_dir.name} has {', '.join(faults[:3])}{more}"
        return None


def _same(written: Any, found: Any) -> bool:
    """Whether a config value is the one that was written, as YAML brings it back."""
    return config_json(written) == config_json(found)


def _content(run_dir: Path, media: Any, broken: list[str]) -> Hashable:
    """The texts of a step, or how many items it has; what is not on disk as SwanLab noted it goes to `broken`."""
    kind = kind_of(media.type)
    texts = []
    for item in media.value.items:
        try:
            data = (run_dir / "media" / kind / item.filename).read_bytes()
        except OSError:
            broken.append(f"not the file {item.filename} of {media.key}")
            continue
        if item.sha256 and hashlib.sha256(data).hexdigest() != item.sha256:
            broken.append(f"not the bytes of {item.filename} of {media.key}")
        if kind == "text":
            texts.append(data.decode("utf-8", "replace"))
    return tuple(texts) if kind == "text" else len(media.value.items)


def _lacking(expected: dict[str, Points], found: dict[str, Points]) -> Iterator[str]:
    for key, points in expected.items():
        there = found.get(key, Points())
        whole, kept = len(points.steps), len(points.steps & there.steps)
        if kept < whole:
            yield f"{kept} of {whole} values of {key}"
        elif points.checksum != there.checksum:
            yield f"other values of {key}"
