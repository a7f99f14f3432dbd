"""The kinds of media: one small function for each `_type` of wandb, which makes SwanLab's object of it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import swanlab

from ...stream.events import Path
from .. import limits
from ..files import Files, RunFiles, UnusableError
from ..sdk.ready_media import made_from, ready
from . import cells, charts, plotly_page, tables
from .echarts import echarts
from .item import Item


def _image(item: Item) -> Any:
    from . import images, layers

    content = item.files.read(item.file)
    drawn = layers.Layers(item)
    if drawn:
        try:
            content = drawn.draw(content)
        except UnusableError:
            raise
        except Exception as error:  # a font that is not there, a box that makes no sense
            item.lose("boxes and masks cannot be drawn", f"{type(error).__name__}: {error}")
    content, file_type = images.showable(content, item)
    return _ready(swanlab.Image, item, content, file_type=file_type)


def _audio(item: Item) -> Any:
    from . import sounds

    content = item.files.read(item.file)
    if not sounds.is_wave(content):
        content = sounds.as_wave(content, item)
    if len(content) > limits.MEDIA_BYTES:
        content = sounds.cut(content, item)
    return _ready(swanlab.Audio, item, content, sample_rate=int.from_bytes(content[24:28], "little"))


def _video(item: Item) -> Any:
    content = item.files.read(item.file)
    if content[:6] not in (b"GIF87a", b"GIF89a") or len(content) > limits.MEDIA_BYTES:
        from . import video

        content = video.gif(content, item)
    return _ready(swanlab.Video, item, content, format="gif")


def _html(item: Item) -> Any:
    content = item.files.read(item.file)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        item.lose("a page that is no valid UTF-8 has lost letters", str(error))
        text = content.decode("utf-8", "replace")
    return _page(text, item)


def _page(text: str, item: Item) -> Any:
    """A page as a stream: SwanLab takes a text that is the path of a page for that page."""
    _bounded(text.encode(), item)
    return swanlab.Html(io.StringIO(text, newline=""), caption=item.caption)


def _plotly(item: Item) -> Any:
    return _page(plotly_page.figure_page(item.files.json(item.file), inline=item.plotly_inline), item)


def _object3d(item: Item) -> Any:
    if item.file.lower().endswith(".pts.json"):
        return _point_cloud(item)
    content = item.files.read(item.file)
    if item.suffix != ".glb":
        raise UnusableError("SwanLab shows no 3D model of this format: kept as a run file", item.suffix, keep=item.file)
    return _ready(swanlab.Object3D, item, content, file_type="glb")


def _point_cloud(item: Item) -> Any:
    from . import point_clouds

    scene = point_clouds.scene(item.files.json(item.file), item)
    try:
        return swanlab.Object3D(scene, caption=item.caption)
    except ImportError as error:
        raise UnusableError("numpy is not installed: a point cloud is kept as a run file", keep=item.file) from error


def _molecule(item: Item) -> Any:
    content = item.files.read(item.file)
    if item.suffix == ".pdb":
        return _ready(swanlab.Molecule, item, content)
    from . import molecules

    try:
        return swanlab.Molecule(molecules.read(content, item), caption=item.caption)
    except Exception as error:  # rdkit is not there, or the format is not SwanLab's
        raise UnusableError(
            "SwanLab cannot read this molecule: kept as a run file", str(error), keep=item.file
        ) from error


def _table(item: Item) -> Any:
    grows = item.value.get("_type") == "incremental-table-file"
    total = item.value.get("nrows")
    table = tables.Table.parse(item.files.json(item.file), None if grows else total)
    if not grows:
        table = item.tables.logged(item.file, table, total)
    staged = item.staged.json(item.value.get("artifact_path"))
    files: Files | None = None
    if staged is not None:
        files = staged[1]
        table = table.with_media(staged[0], cells.holds_media)
    elif any(map(cells.holds_media, table.rows)):
        files = item.files
    first_row = max(0, total - len(table.rows)) if grows and isinstance(total, int) else 0
    table = cells.Cells(item, converted).take(table, files, first_row)
    if grows:
        table = item.tables.grown(item.path, table, item.value)
    chart = _chart(table, item) if item.chart is not None else None
    return chart or echarts(tables.echart(table, item.lose), item.caption)


def _chart(table: tables.Table, item: Item) -> Any | None:
    """The chart of a table; None, and counted, if there is none to draw."""
    assert item.chart is not None
    try:
        drawn = charts.plot(item.chart, table)
        media = echarts(drawn, item.caption) if drawn is not None else None
    except Exception as error:  # cells of a kind that no chart has
        item.lose("a chart that cannot be drawn: its table is shown", f"{item.chart.spec}: {error!r}")
        return None
    if media is None:
        item.lose("a chart that is not known: its table is shown", item.chart.spec)
        return None
    size = len(media.json_content.encode())
    if size > limits.MEDIA_BYTES:
        detail = f"{item.chart.spec}: {size} of {limits.MEDIA_BYTES} bytes"
        item.lose("a chart over SwanLab's 10 MB: its table is shown", detail)
        return None
    charts.tell(item.chart, table, drawn, item.lose)
    if not charts.shows_all(item.chart, table):
        item.beside = echarts(tables.echart(table, item.lose), item.caption)
    return media


def _joined_table(item: Item) -> Any:
    uri = item.value.get("artifact_path")
    joined = item.staged.json(uri)
    content = joined[0] if joined is not None and isinstance(joined[0], dict) else {}
    parts = [part for name in ("table1", "table2") if (part := item.staged.json(uri, content.get(name))) is not None]
    if len(parts) < 2:
        raise UnusableError("the data of a joined table is not on this machine: kept as text", as_text=True)
    left, right = (tables.Table.parse(part) for part, _ in parts)
    table = tables.joined(left, right, content.get("join_key"))
    files = [parts[0][1]] * len(left.columns) + [parts[1][1]] * len(right.columns)
    table = cells.Cells(item, converted).take(table, files)
    return echarts(tables.echart(table, item.lose), item.caption)


def _partitioned_table(item: Item) -> Any:
    uri = item.value.get("artifact_path")
    whole = item.staged.json(uri)
    content = whole[0] if whole is not None and isinstance(whole[0], dict) else {}
    parts = [item.staged.json(uri, path) for path in item.staged.below(uri, content.get("parts_path"))]
    if not parts or None in parts:
        raise UnusableError("the data of a partitioned table is not on this machine: kept as text", as_text=True)
    taken = cells.Cells(item, converted)
    every: list[tables.Table] = []
    rows = 0
    for part, files in filter(None, parts):
        every.append(taken.take(tables.Table.parse(part), files, rows))
        rows += len(every[-1].rows)
    return echarts(tables.echart(tables.stacked(every), item.lose), item.caption)


def _histogram(item: Item) -> Any:
    drawn = charts.histogram(item.value)
    charts.tell_infinities(drawn, item.lose)
    return swanlab.ECharts(drawn, caption=item.caption)


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
    "partitioned-table": _partitioned_table,
    "histogram": _histogram,
}


def converted(item: Item) -> Iterator[tuple[Path, Any]]:
    """SwanLab's media for one item, each with its key path.

    Raises:
        UnusableError: SwanLab cannot have it.
    """
    kind = item.value.get("_type")
    convert = KINDS.get(kind) if isinstance(kind, str) else None
    if convert is None:
        raise UnusableError(f"unknown kind {str(kind)[:60]!r}: kept as text", keep=item.file, as_text=True)
    media = convert(item)
    if item.links and item.file and isinstance(item.files, RunFiles):
        with suppress(UnusableError):
            made_from(media, item.files.find(item.file))
    yield (item.path if item.chart is None else (item.chart.key,)), media
    if item.beside is not None:
        yield item.path, item.beside
    yield from item.of_cells
    if item.keep_original and kind == "image-file" and (item.value.get("boxes") or item.value.get("masks")):
        bare = {key: part for key, part in item.value.items() if key not in ("boxes", "masks")}
        yield from converted(replace(item, path=(*item.path, "original"), value=bare))


# -- SwanLab's objects -------------------------------------------------------------------------------------------------


def _bounded(content: bytes, item: Item) -> None:
    if len(content) > limits.MEDIA_BYTES:
        detail = f"{len(content)} of {limits.MEDIA_BYTES} bytes"
        raise UnusableError("over SwanLab's 10 MB: kept as a run file", detail, keep=item.file)


def _ready(kind: Any, item: Item, content: bytes, **attributes: Any) -> Any:
    _bounded(content, item)
    return ready(kind, content, caption=item.caption, **attributes)
