"""Writes the values of one run into SwanLab: numbers, texts, media, console lines; what it does not take is counted."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any, Protocol

import swanlab

from ..stream.events import ConsoleLine, Path, Tree
from ..stream.nested import spelled
from ..stream.state import State
from ..stream.values import number_of
from . import limits
from .chart_axes import ChartAxes
from .files import UnusableError
from .limits import KeyNames
from .losses import Losses
from .media.reader import MediaReader
from .sdk.writer import Writer

log = logging.getLogger("wandb_swan")


class Check(Protocol):
    """What a SwanLab store has to hold, gathered as it is written, and held against it at the end."""

    config: dict[str, Any]
    files: set[str]

    def scalar(self, key: str, step: int, number: float) -> None: ...

    def row(self, keys: Sequence[str], step: int, numbers: Sequence[float]) -> None: ...

    def items(self, key: str, step: int, content: Hashable) -> None: ...

    def line(self, text: str) -> None: ...

    def missing(self, run_dir: FilePath, state: State) -> str | None: ...


class Values:
    """The values of one run."""

    def __init__(
        self,
        writer: Writer,
        *,
        names: KeyNames,
        axes: ChartAxes,
        media_reader: MediaReader,
        losses: Losses,
        counts: Counter[str],
        online: bool,
        check: Check | None,
        keep_file: Callable[[Path, str], None],
    ) -> None:
        """`counts` gets what was written, by kind; `keep_file` saves a file that SwanLab shows no other way."""
        self._writer = writer
        self._names = names
        self._axes = axes
        self._media_reader = media_reader
        self._losses = losses
        self._counts = counts
        self._online = online
        self._check = check
        self._keep_file = keep_file
        self._row_names: dict[str, str] = {}
        """wandb's key of a number that is not nested -> SwanLab's."""

    def scalar(self, path: Path, number: float, step: int, timestamp: float) -> None:
        """Writes a number; `timestamp` in seconds since the epoch, as in all of these, 0.0 means now."""
        key = self._scalar_key(path)
        if self._online:
            self._lose_infinity(path, number, step)
        self._writer.scalar(key, step, timestamp, number)
        if self._check is not None:
            self._check.scalar(key, step, number)
        self._counts["scalars"] += 1

    def _scalar_key(self, path: Path) -> str:
        """SwanLab's key of a metric, whose column is declared before its first value."""
        key = self._names.get(path, "scalar")
        if key is None:
            key = self._names.name(path, "scalar")
            self._axes.declare(path, key, self._writer)
        return key

    def row(self, values: Mapping[str, float | int], step: int, timestamp: float) -> None:
        """Writes a row of numbers under keys that are not nested, all at once."""
        keys, numbers = self._row_keys(values), _doubles(values.values())
        if self._online and not all(map(math.isfinite, numbers)):
            for name, number in zip(values, numbers, strict=True):
                self._lose_infinity((name,), number, step)
        self._writer.row(keys, step, timestamp, numbers)
        if self._check is not None:
            self._check.row(keys, step, numbers)
        self._counts["scalars"] += len(keys)

    def rows(
        self,
        names: Sequence[str],
        steps: Sequence[int],
        timestamps: Sequence[float],
        columns: Sequence[Sequence[float]],
    ) -> None:
        """Writes rows under the same keys, at rising steps; a column has the numbers of one key."""
        if self._online or self._check is not None:  # each value is looked at
            for step, timestamp, *numbers in zip(steps, timestamps, *columns, strict=True):
                self.row(dict(zip(names, numbers, strict=True)), step, timestamp)
            return
        self._writer.rows(self._row_keys(names), steps, timestamps, list(map(_doubles, columns)))
        self._counts["scalars"] += len(names) * len(steps)

    def _row_keys(self, names: Collection[str]) -> list[str]:
        """SwanLab's keys of metrics that are not nested, whose columns are declared before their first values."""
        known = self._row_names
        try:
            return list(map(known.__getitem__, names))
        except KeyError:
            known.update((name, self._scalar_key((name,))) for name in names)
            return list(map(known.__getitem__, names))

    def _lose_infinity(self, path: Path, number: float, step: int) -> None:
        if math.isinf(number):
            self._losses.add(path, "SwanLab's cloud has NaN where an infinity was logged", f"step {step}: {number}")

    def text(self, path: Path, text: str, step: int, timestamp: float) -> None:
        """Writes a text, cut to SwanLab's 10 MB."""
        text = limits.clean_text(text)
        encoded = text.encode()
        if len(encoded) > limits.MEDIA_BYTES:
            text = encoded[: limits.MEDIA_BYTES - 200].decode("utf-8", "ignore")
            text += f"\n… cut: the whole text has {len(encoded)} bytes, SwanLab takes {limits.MEDIA_BYTES}"
            self._losses.add(path, "a text was cut to SwanLab's 10 MB", f"step {step}: {len(encoded)} bytes")
        key = self._names.name(path, "text")
        self._writer.media(key, step, timestamp, [swanlab.Text(text)])
        if self._check is not None:
            self._check.items(key, step, (text,))
        self._counts["texts"] += 1

    def media(self, path: Path, values: Sequence[Tree], step: int, timestamp: float) -> None:
        """Writes a value's media, those of one kind together. What is unusable costs itself alone."""
        found: dict[tuple[Path, str], list[Any]] = {}
        for value in values:
            for where, media in self._read_media(path, value, step, timestamp):
                found.setdefault((where, limits.kind_of(media)), []).append(media)
        for (where, kind), media in found.items():
            if len(media) > limits.MEDIA_ITEMS:
                reason = f"SwanLab takes {limits.MEDIA_ITEMS} items a step: the others are left out"
                self._losses.add(
                    where, reason, f"step {step}: {len(media)} items", count=len(media) - limits.MEDIA_ITEMS
                )
            self.items(where, kind, media[: limits.MEDIA_ITEMS], step, timestamp)

    def _read_media(self, path: Path, value: Tree, step: int, timestamp: float) -> list[tuple[Path, Any]]:
        def lose_at(where: Path, reason: str, detail: str, count: int) -> None:
            self._losses.add(where, reason, f"step {step}: {detail}", count=count)

        def lose(reason: str, detail: str) -> None:
            lose_at(path, reason, detail, 1)

        try:
            return list(self._media_reader.read(path, value, lose, lose_at))
        except UnusableError as error:
            lose(error.reason, error.detail)
            if error.keep:
                self._keep_file(path, error.keep)
            if error.as_text:
                self.text(path, spelled(value), step, timestamp)
        except Exception as error:
            log.warning("%s at step %d", ".".join(path), step, exc_info=True)
            lose(f"cannot be read: {type(error).__name__}", str(error))
        return []

    def items(self, path: Path, kind: str, media: list[Any], step: int, timestamp: float) -> None:
        """Writes SwanLab's objects of one kind under one key."""
        if self._online and any(item.caption for item in media):
            for item in media:  # SwanLab 0.10 sends the captions that are not empty: those after a gap would move up
                item.caption = item.caption or " "
        key = self._names.name(path, kind)
        try:
            kept = self._writer.media(key, step, timestamp, media)
        except (ValueError, TypeError, AttributeError) as error:
            self._losses.add(
                path, f"SwanLab refuses it: {type(error).__name__}", f"step {step}: {error}", count=len(media)
            )
            return
        if kept < len(media):
            reason = "SwanLab takes no item over 10 MB"
            self._losses.add(path, reason, f"step {step}: {kept} of {len(media)} items", count=len(media) - kept)
        if self._check is not None:
            texts = isinstance(media[0], swanlab.Text)
            self._check.items(key, step, tuple(item.content for item in media) if texts else kept)
        self._counts["media"] += kept

    def line(self, event: ConsoleLine) -> None:
        """Writes a console line, in pieces where it is longer than SwanLab's."""
        kept = True
        text = limits.clean_text(event.text)
        for start in range(0, len(text) or 1, limits.CONSOLE_LENGTH):
            piece = text[start : start + limits.CONSOLE_LENGTH]
            kept = self._writer.console(piece, event.timestamp, error=event.stderr)
            if self._check is not None and kept:
                self._check.line(piece)
        self._counts["lines"] += kept


def _doubles(values: Collection[float]) -> list[float]:
    """Numbers as SwanLab has them."""
    try:
        return list(map(float, values))
    except OverflowError:
        return [number for value in values if (number := number_of(value)) is not None]
