"""The kinds of media: one small function for each `_type` of wandb, which makes SwanLab's object of it."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable
from typing import Any

import swanlab

from .. import limits
from ..files import UnusableError
from ..sdk.ready_media import ready
from . import charts, plotly_page, tables
from .item import Item, as_list


def _image(item: Item) -> Any:
    from . import images

    content = item.files.read(item.file)
    layers = images.Layers(item)
    if layers:
        try:
            content = layers.draw(content)
        except UnusableError:
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
        raise UnusableError(
            "a sound that cannot be made WAV: kept as a run file", str(error), keep=item.file
        ) from error


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
        raise UnusableError("over SwanLab's 10 MB: kept as a run file", str(error), keep=item.file) from error
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
    page = plotly_page.figure_page(item.files.json(item.file), inline=item.plotly_inline)
    _bounded(page.encode(), item)
    return swanlab.Html(page, caption=item.caption)


def _object3d(item: Item) -> Any:
    if item.file.lower().endswith(".pts.json"):
        return _point_cloud(item)
    content = item.files.read(item.file)
    if item.suffix != ".glb":
        raise UnusableError("SwanLab shows no 3D model of this format: kept as a run file", item.suffix, keep=item.file)
    return _ready(swanlab.Object3D, item, content, file_type="glb")


def _point_cloud(item: Item) -> Any:
    scene = item.files.json(item.file)
    scene = scene if isinstance(scene, dict) else {"points": scene}
    points = as_list(scene.get("points"))
    boxes = [
        {"color": [255, 255, 255], "label": "", **box}
        for box in as_list(scene.get("boxes"))
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
        raise UnusableError("numpy is not installed: a point cloud is kept as a run file", keep=item.file) from error


def _molecule(item: Item) -> Any:
    content = item.files.read(item.file)
    if item.suffix == ".pdb":
        return _ready(swanlab.Molecule, item, content)
    try:
        return swanlab.Molecule(item.files.find(item.file), caption=item.caption)
    except Exception as error:  # rdkit is not there, or the format is not SwanLab's
        raise UnusableError(
            "SwanLab cannot read this molecule: kept as a run file", str(error), keep=item.file
        ) from error


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
        raise UnusableError("the data of a joined table is not on this machine: kept as text", as_text=True)
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
        raise UnusableError("over SwanLab's 10 MB: kept as a run file", detail, keep=item.file)


def _ready(kind: Any, item: Item, content: bytes, **attributes: Any) -> Any:
    _bounded(content, item)
    return ready(kind, content, caption=item.caption, **attributes)
