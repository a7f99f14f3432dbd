"""Compares a media item of wandb's with SwanLab's by content, and believes nothing of the code that converted it.

What a converted item has to be is written down here a second time, from wandb's and SwanLab's formats.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from . import bins, layers, pages, pictures, scenes, sounds, tables, texts, videos
from .tables import TableSoFar
from .verdict import NO_SOURCE, Verdict, located, sha256_of

__all__ = ["KINDS", "TableSoFar", "Verdict", "compare", "located"]

KINDS = {
    "image-file": ("image",),
    "audio-file": ("audio",),
    "video-file": ("image", "video"),  # SwanLab 0.10 shows a GIF as a picture
    "html-file": ("html",),
    "plotly-file": ("html",),
    "object3D-file": ("object3d",),
    "molecule-file": ("molecule",),
    "table-file": ("echarts",),
    "incremental-table-file": ("echarts",),
    "joined-table": ("echarts",),
    "partitioned-table": ("echarts",),
    "histogram": ("echarts",),
}
"""`_type` of wandb's item -> SwanLab's kinds of column, the usual one first."""

_OF_FILES: dict[str, Callable[[Path, Path], Verdict]] = {
    "audio-file": sounds.sound,
    "video-file": videos.video,
    "html-file": pages.html,
    "plotly-file": pages.plotly,
    "object3D-file": scenes.shape,
    "molecule-file": scenes.molecule,
}


def compare(
    value: dict[str, Any],
    files: Path | None,
    stored: Path,
    kind: str,
    *,
    sha256: str = "",
    charted: bool = False,
    beside: Path | None = None,
    beside_sha256: str = "",
    table: TableSoFar | None = None,
    labels: Mapping[tuple[str, str], Mapping[str, str]] = {},
    path: tuple[str, ...] = (),
    rows: tables.Rows | None = None,
    keys: tables.Keys = lambda column: (),
) -> Verdict:
    """Says whether SwanLab has one item of wandb's as it was logged. Raises nothing for a broken or hostile one.

    Args:
        value: wandb's item: a dict with `_type`.
        files: The wandb run's files folder; nothing outside of it is read. None: it is not known.
        stored: SwanLab's file.
        kind: SwanLab's kind of the metric's column, in lower case.
        sha256: The digest that SwanLab has noted of its file, if any.
        charted: Whether W&B draws a chart of the table.
        beside: SwanLab's file of a whole table, of which `stored` is a chart.
        beside_sha256: The digest that SwanLab has noted of it, if any.
        table: The rows so far of the growing tables of a run, which come in the order of their steps.
        labels: The class names of masks, by (last part of the metric's key, layer).
        path: The metric's key path.
        rows: Of a table, its rows with the media that its artifact has of them, if that was found.
        keys: Of a table, the SwanLab keys under which the media of a column may be.
    """
    try:
        for file, digest in ((stored, sha256), (beside, beside_sha256)):
            if file and not file.is_file():
                return Verdict(False, "the file is gone")
            if file and digest and sha256_of(file) != digest:
                return Verdict(False, "its file is not the one that SwanLab wrote (SHA-256)")
        told, source = str(value.get("_type")), located(files, value.get("path"))
        if kind == "echarts" and ((source and told in tables.IN_RUN) or (rows and told in tables.IN_ARTIFACT)):
            charted = charted and told == "table-file"
            found = tables.table(
                value, source, stored, table, path, charted=charted, beside=beside, rows=rows, keys=keys
            )
        else:
            found = _compared(value, files, stored, kind, labels=labels, path=path)
        if found.same is False and _was_changed(value, files):
            return Verdict(None, "the source file is not the one that was logged")
        if found.same and _is_shared(value, files, stored) and _was_changed(value, files):
            return Verdict(False, "the file that SwanLab shares with wandb is not the one that was logged (SHA-256)")
        return found
    except OSError as error:
        return Verdict(None, f"a file cannot be read: {error.strerror or type(error).__name__}")
    except RecursionError:
        return Verdict(None, "nested too deeply")
    except MemoryError:
        return Verdict(None, "too large for this machine's memory")


def _compared(
    value: dict[str, Any],
    files: Path | None,
    stored: Path,
    kind: str,
    *,
    labels: Mapping[tuple[str, str], Mapping[str, str]],
    path: tuple[str, ...],
) -> Verdict:
    told = value.get("_type")
    wanted = KINDS.get(told) if isinstance(told, str) else None
    if kind == "text":
        return texts.record(value, stored)
    if wanted is None or not isinstance(told, str):
        return Verdict(None, f"the kind {str(told)[:60]!r} is not known here")
    if kind not in wanted:
        return Verdict(False, f"SwanLab has it as {kind}, not as {wanted[0]}")
    if told == "histogram":
        return bins.histogram(value, stored)
    if told in tables.IN_ARTIFACT:
        return Verdict(None, "the artifact with the data of the table is not on this machine")
    source = located(files, value.get("path"))
    if source is None or files is None:
        return NO_SOURCE
    if told == "image-file":
        if value.get("boxes") or value.get("masks"):
            return layers.drawn(value, files, source, stored, labels=labels, path=path)
        return pictures.picture(source, stored)
    return _OF_FILES[told](source, stored)


def _is_shared(value: dict[str, Any], files: Path | None, stored: Path) -> bool:
    """Whether SwanLab's file is a link to wandb's: what they hold is the same then, whatever it is."""
    source = located(files, value.get("path"))
    return source is not None and source.samefile(stored)


def _was_changed(value: dict[str, Any], files: Path | None) -> bool:
    """Whether the source file has another digest than the record tells: then it says nothing of SwanLab's."""
    told, source = value.get("sha256"), located(files, value.get("path"))
    return isinstance(told, str) and len(told) == 64 and source is not None and sha256_of(source) != told.lower()
