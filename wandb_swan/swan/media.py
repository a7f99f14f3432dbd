"""wandb's media become SwanLab's: one small function for each kind, chosen by `_type`."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import swanlab

from ..stream.events import ChartDefined, MaskLabels, Path, Tree
from . import charts, limits, plotly, tables
from .runfiles import RunFiles, Staged, Unusable

Lose = Callable[[str, str], None]
"""Takes a reason and a detail: part of a value that SwanLab does not get."""


@dataclass
class Item:
    """One media item on its way: what wandb recorded of it, and what its kind needs to know of the run."""

    path: Path
    value: Tree
    files: RunFiles
    lose: Lose
    plotly_inline: bool = False
    keep_original: bool = False
    mask_labels: Mapping[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    chart: ChartDefined | None = None
    tables: tables.Increments = field(default_factory=tables.Increments)
    staged: Staged = field(default_factory=Staged)

    @property
    def file(self) -> str:
        """The path of its file, relative to the run's files folder."""
        path = self.value.get("path")
        return path if isinstance(path, str) else ""

    @property
    def caption(self) -> str | None:
        caption = self.value.get("caption")
        return limits.clean_text(str(caption)) if caption not in (None, "", False) else None

    @property
    def suffix(self) -> str:
        return FilePath(self.file).suffix.lower()


class MediaReader:
    """Reads the media of one run."""

    def __init__(self, files: RunFiles, *, plotly_inline: bool = False, keep_original: bool = False) -> None:
        self._files = files
        self._plotly_inline = plotly_inline
        self._keep_original = keep_original
        self._mask_labels: dict[tuple[str, str], dict[str, str]] = {}
        self._charts: dict[str, ChartDefined] = {}
        self._increments = tables.Increments()
        self.staged = Staged()

    def labels(self, event: MaskLabels) -> None:
        """From now on the masks of this layer have these class names."""
        self._mask_labels[event.key, event.layer] = event.labels

    def chart(self, event: ChartDefined) -> None:
        """From now on the table under `event.table_key` is this chart."""
        self._charts[event.table_key] = event

    def read(self, path: Path, value: Tree, lose: Lose) -> Iterator[tuple[Path, Any]]:
        """SwanLab's media for one item, each with its key path: a chart's table is at the chart's own key.

        Raises:
            Unusable: SwanLab cannot have it.
        """
        kind = value.get("_type")
        convert = KINDS.get(kind) if isinstance(kind, str) else None
        if convert is None:
            reason, file = f"unknown kind {str(kind)[:60]!r}: kept as text", value.get("path")
            raise Unusable(reason, keep=file if isinstance(file, str) else "", as_text=True)
        chart = self._charts.get(".".join(path)) if kind == "table-file" else None
        item = Item(
            path=path,
            value=value,
            files=self._files,
            lose=lose,
            plotly_inline=self._plotly_inline,
            keep_original=self._keep_original,
            mask_labels=self._mask_labels,
            chart=chart,
            tables=self._increments,
            staged=self.staged,
        )
        yield (path if chart is None else (chart.key,)), convert(item)
        if self._keep_original and kind == "image-file" and (value.get("boxes") or value.get("masks")):
            bare = {key: part for key, part in value.items() if key not in ("boxes", "masks")}
            yield from self.read((*path, "original"), bare, lose)


def items(value: Any) -> list[Tree]:
    """The single media items of a row's value, in order.

    wandb's lists have a form of their own for each kind (`seq_to_json` of its data types), or are plain lists.
    """
    if isinstance(value, list):
        found = [part for part in value if isinstance(part, dict) and "_type" in part]
        return [item for part in found for item in items(part)]
    if not isinstance(value, dict) or "_type" not in value:
        return []
    kind = value["_type"]
    single = SEQUENCES.get(kind) if isinstance(kind, str) else None
    if single is None:
        return [value]
    field_name, item_kind = single
    parts = value.get(field_name)
    if not isinstance(parts, list):
        return [value]
    captions, boxes, masks = (_list(value.get(name)) for name in ("captions", "all_boxes", "all_masks"))
    singles = []
    for index, part in enumerate(parts):
        item = dict(part) if isinstance(part, dict) else {"path": part}
        item["_type"] = item_kind
        for name, given in (("caption", captions), ("boxes", boxes), ("masks", masks)):
            if index < len(given) and given[index]:
                item[name] = given[index]
        singles.append(item)
    return singles


SEQUENCES: dict[str, tuple[str, str]] = {
    "images/separated": ("filenames", "image-file"),
    "audio": ("audio", "audio-file"),
    "videos": ("videos", "video-file"),
    "html": ("html", "html-file"),
    "object3D": ("objects", "object3D-file"),
    "molecule": ("filenames", "molecule-file"),
}
"""`_type` of a list -> the field that holds its items, `_type` of one item."""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


# -- kinds -------------------------------------------------------------------------------------------------------------


def _image(item: Item) -> Any:
    from . import images

    content = item.files.read(item.file)
    layers = images.Layers(item)
    if layers:
        try:
            content = layers.draw(content)
        except Unusable:
            raise
        except Exception as error:  # a font that is not there, a box that makes no sense
            item.lose("boxes and masks cannot be drawn", f"{type(error).__name__}: {error}")
    content, file_type = images.showable(content, item)
    return _ready(swanlab.Image, item, content, file_type=file_type)


def _audio(item: Item) -> Any:
    content = item.files.read(item.file)
    if content[:4] == b"RIFF" and content[8:12] == b"WAVE":
        if len(content) > limits.MEDIA_BYTES:
            content = _cut_wave(content, item)
        return _ready(swanlab.Audio, item, content, sample_rate=int.from_bytes(content[24:28], "little"))
    try:
        return swanlab.Audio(str(item.files.find(item.file)), caption=item.caption)
    except Exception as error:  # soundfile is not there, or does not know the format
        raise Unusable("a sound that cannot be made WAV: kept as a run file", str(error), keep=item.file) from error


def _cut_wave(content: bytes, item: Item) -> bytes:
    """The first seconds, as many as fit."""
    import wave

    try:
        with wave.open(io.BytesIO(content)) as source:
            params = source.getparams()
            frames = (limits.MEDIA_BYTES - 1000) // (params.sampwidth * params.nchannels)
            cut = io.BytesIO()
            with wave.open(cut, "wb") as target:
                target.setparams(params)
                target.writeframes(source.readframes(frames))
    except (wave.Error, EOFError) as error:
        raise Unusable("over SwanLab's 10 MB: kept as a run file", str(error), keep=item.file) from error
    seconds = (frames / params.framerate, params.nframes / params.framerate)
    item.lose("a sound was cut to SwanLab's 10 MB", "{:.1f} of {:.1f} seconds kept".format(*seconds))
    return cut.getvalue()


def _video(item: Item) -> Any:
    content = item.files.read(item.file)
    if content[:6] not in (b"GIF87a", b"GIF89a") or len(content) > limits.MEDIA_BYTES:
        from . import video

        content = video.gif(item.files.find(item.file), item)
    return _ready(swanlab.Video, item, content, format="gif")


def _html(item: Item) -> Any:
    content = item.files.read(item.file)
    _bounded(content, item)
    return swanlab.Html(limits.clean_text(content.decode("utf-8", "replace")), caption=item.caption)


def _plotly(item: Item) -> Any:
    page = plotly.page(item.files.json(item.file), inline=item.plotly_inline)
    _bounded(page.encode(), item)
    return swanlab.Html(page, caption=item.caption)


def _object3d(item: Item) -> Any:
    if item.file.lower().endswith(".pts.json"):
        return _point_cloud(item)
    content = item.files.read(item.file)
    if item.suffix != ".glb":
        raise Unusable("SwanLab shows no 3D model of this format: kept as a run file", item.suffix, keep=item.file)
    return _ready(swanlab.Object3D, item, content, file_type="glb")


def _point_cloud(item: Item) -> Any:
    scene = item.files.json(item.file)
    scene = scene if isinstance(scene, dict) else {"points": scene}
    points = _list(scene.get("points"))
    boxes = [
        {"color": [255, 255, 255], "label": "", **box}
        for box in _list(scene.get("boxes"))
        if isinstance(box, dict) and isinstance(box.get("corners"), list)
    ]
    if scene.get("vectors"):
        item.lose("SwanLab shows no vectors in a point cloud", f"{len(scene['vectors'])} left out")
    width = len(points[0]) if points else 3
    numbers = [[float(number) for number in point] for point in points]
    points = [point for point in numbers if len(point) == width and all(map(math.isfinite, point))]
    if len(points) < len(numbers):
        item.lose("points without a place were left out of a point cloud", f"{len(points)} of {len(numbers)} kept")
    room = max(1, (limits.MEDIA_BYTES - len(json.dumps(boxes)) - 1000) // 140)  # six numbers as JSON, at their longest
    if len(points) > room:
        stride = -(-len(points) // room)
        item.lose("a point cloud was thinned to SwanLab's 10 MB", f"every {stride}. of {len(points)} points kept")
        points = points[::stride]
    if not points:  # boxes alone: SwanLab wants a point
        points = [list(corner) for box in boxes for corner in box["corners"]] or [[0.0, 0.0, 0.0]]
    try:
        return swanlab.Object3D({"points": points, "boxes": boxes}, caption=item.caption)
    except ImportError as error:
        raise Unusable("numpy is not installed: a point cloud is kept as a run file", keep=item.file) from error


def _molecule(item: Item) -> Any:
    content = item.files.read(item.file)
    if item.suffix == ".pdb":
        return _ready(swanlab.Molecule, item, content)
    try:
        return swanlab.Molecule(item.files.find(item.file), caption=item.caption)
    except Exception as error:  # rdkit is not there, or the format is not SwanLab's
        raise Unusable("SwanLab cannot read this molecule: kept as a run file", str(error), keep=item.file) from error


def _table(item: Item) -> Any:
    grows = item.value.get("_type") == "incremental-table-file"
    table = tables.Table.parse(item.files.json(item.file), None if grows else item.value.get("nrows"))
    staged = item.staged.json(item.value.get("artifact_path"))
    if staged is not None:
        table = table.with_media(staged)
    if grows:
        table = item.tables.grown(item.path, table, item.value)
    if item.chart is not None:
        chart = charts.plot(item.chart, table)
        if chart is not None:
            media = swanlab.ECharts(chart, caption=item.caption)
            if len(media.json_content.encode()) <= limits.MEDIA_BYTES:
                return media
        item.lose("a chart that is not known: its table is shown", item.chart.spec)
    return swanlab.ECharts(tables.echart(table, item.lose), caption=item.caption)


def _joined_table(item: Item) -> Any:
    uri = item.value.get("artifact_path")
    joined = item.staged.json(uri)
    parts = [item.staged.json(uri, joined.get(name)) for name in ("table1", "table2")] if joined else []
    if not parts or None in parts:
        raise Unusable("the data of a joined table is not on this machine: kept as text", as_text=True)
    table = tables.joined(tables.Table.parse(parts[0]), tables.Table.parse(parts[1]), joined.get("join_key"))
    return swanlab.ECharts(tables.echart(table, item.lose), caption=item.caption)


def _histogram(item: Item) -> Any:
    return swanlab.ECharts(charts.histogram(item.value), caption=item.caption)


KINDS: dict[str, Callable[[Item], Any]] = {
    "image-file": _image,
    "audio-file": _audio,
    "video-file": _video,
    "html-file": _html,
    "plotly-file": _plotly,
    "object3D-file": _object3d,
    "molecule-file": _molecule,
    "table-file": _table,
    "incremental-table-file": _table,
    "joined-table": _joined_table,
    "histogram": _histogram,
}


# -- SwanLab's objects -------------------------------------------------------------------------------------------------


def _bounded(content: bytes, item: Item) -> None:
    if len(content) > limits.MEDIA_BYTES:
        detail = f"{len(content)} of {limits.MEDIA_BYTES} bytes"
        raise Unusable("over SwanLab's 10 MB: kept as a run file", detail, keep=item.file)


def _ready(kind: Any, item: Item, content: bytes, **attributes: Any) -> Any:
    """A SwanLab media object around bytes that need no conversion.

    SwanLab's constructors decode and encode again: JPEG to PNG, 16-bit sound through floats, which is slow, needs
    Pillow or soundfile, and changes samples. So they are passed by (SwanLab 0.10: `transforms/*`, `_unwrap` names the
    attributes).
    """
    _bounded(content, item)
    media = kind.__new__(kind)
    for name, value in {"buffer": io.BytesIO(content), "caption": item.caption, **attributes}.items():
        setattr(media, name, value)
    return media
