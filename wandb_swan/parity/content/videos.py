"""Videos, frame by frame."""

from __future__ import annotations

import importlib
import math
import shutil
from contextlib import closing
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from .pictures import differing, pillow_is_there
from .scenes import other_bytes
from .verdict import BROKEN_SOURCE, BROKEN_STORED, NO_PILLOW, SAME_BYTES, Verdict, counted, over_limit, same_bytes

_BOUNDS = ((640, 150), (480, 150), (320, 100), (240, 60), (160, 30))
"""Pixels of the longer side and frames, at most; the next pair where a GIF would be over SwanLab's limit."""
_FASTEST = 50
"""Frames a second, at most."""
_DECODED = 20_000
_CELL = 8
_MEAN_TOLERANCE = 5.0
_CELL_TOLERANCE = 48
_CELLS_OVER = 0.03
"""Of 255: how far the colours of a palette of 256 may be from the video's, averaged over 8 x 8 pixels: over all, and
with how many exceptions."""
_CLEARLY = 10
"""Of 255: where two frames of a video are so far from each other, a GIF's frame tells which of them it is."""
_FAILURES = (OSError, RuntimeError, ValueError, TypeError, IndexError, AssertionError, StopIteration, SyntaxError)


class _Gif(NamedTuple):
    """A GIF as it plays: frames that stay for long are there once, and told by how long they stay."""

    frames: list[Any]
    hundredths: list[int]


def video(source: Path, stored: Path) -> Verdict:
    """A video: a GIF as it is, any other format as a GIF, with fewer and smaller frames where it must be."""
    if same_bytes(source, stored):
        return SAME_BYTES
    if not pillow_is_there():
        return NO_PILLOW
    with source.open("rb") as file:
        head = file.read(12)
    if head[:4] == b"GIF8" and not over_limit(source):
        return _gifs(source, stored)
    if not (head[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip")
            or head[:4] in (b"\x1a\x45\xdf\xa3", b"OggS", b"GIF8")
            or (head[:4] == b"RIFF" and head[8:] == b"AVI ")):  # fmt: skip
        return Verdict(None, "a format of videos that is not read here")  # a play list may name any file
    try:
        ffmpeg = importlib.import_module("imageio_ffmpeg")
    except ImportError:
        return Verdict(None, "imageio_ffmpeg is not installed")
    held = _gif(stored)
    if held is None:
        return BROKEN_STORED
    try:
        with TemporaryDirectory(prefix="wandb-swan-") as folder:
            copy = Path(folder) / "video"  # to ffmpeg a name with %d is many files
            shutil.copyfile(source, copy)
            return _compare_frames(ffmpeg, copy, held)
    except _FAILURES:
        return Verdict(None, "ffmpeg cannot decode the source file")


def _gif(path: Path) -> _Gif | None:
    from PIL import Image, ImageSequence

    frames, hundredths = [], []
    try:
        with Image.open(path, formats=["GIF"]) as opened:
            for frame in ImageSequence.Iterator(opened):
                frames.append(frame.convert("RGBA"))
                hundredths.append(round(frame.info.get("duration", 0) / 10))
    except (*_FAILURES, EOFError, KeyError, Image.DecompressionBombError):
        return None
    return _Gif(frames, hundredths)


def _gifs(source: Path, stored: Path) -> Verdict:
    """Two GIFs that should be one file."""
    ours, theirs = _gif(source), _gif(stored)
    if ours is None:
        return other_bytes(source.read_bytes(), stored.read_bytes())  # what no one can decode is copied as well
    if theirs is None:
        return BROKEN_STORED
    if len(ours.frames) != len(theirs.frames):
        return counted("frames", len(ours.frames), len(theirs.frames))
    for index, (one, other) in enumerate(zip(ours.frames, theirs.frames, strict=True)):
        if one.size != other.size:
            return Verdict(False, f"frame {index}: {one.size} pixels in wandb, {other.size} in SwanLab")
        different = differing(one, other)
        if different:
            return Verdict(False, f"frame {index}: {different} of {one.width * one.height} pixels differ")
        if ours.hundredths[index] != theirs.hundredths[index]:
            return counted(f"hundredths of a second of frame {index}", ours.hundredths[index], theirs.hundredths[index])
    return Verdict(True, "same frames")


# -- a video and its GIF -----------------------------------------------------------------------------------------------


def _compare_frames(ffmpeg: Any, source: Path, held: _Gif) -> Verdict:
    total, seconds = ffmpeg.count_frames_and_secs(str(source))
    rate = total / seconds if total and seconds else 10.0
    stride = max(math.ceil(total / _BOUNDS[0][1]), math.ceil(rate / _FASTEST))
    size, frames = _frames(ffmpeg, source, stride)
    if not frames:
        return BROKEN_SOURCE
    told: Verdict | None = None
    for side, most in _BOUNDS:
        skip = math.ceil(len(frames) / most)
        chosen = frames[::skip]
        fitted = _fitted(_fitted(size, _BOUNDS[0][0]), side)
        there = _as_played(held, 1000 * stride * skip / rate)
        if held.frames[0].size != fitted:
            told = told or Verdict(False, f"{fitted} pixels of {size} in wandb, {held.frames[0].size} in SwanLab")
        elif there is None or len(there) != len(chosen):
            told = told or counted("frames", len(chosen), len(held.frames if there is None else there))
        else:
            return _each([frame.resize(fitted) for frame in chosen], held, there)
    return told or BROKEN_STORED


def _frames(ffmpeg: Any, source: Path, stride: int) -> tuple[tuple[int, int], list[Any]]:
    from PIL import Image

    frames = []
    with closing(ffmpeg.read_frames(str(source))) as reader:
        width, height = next(reader)["size"]
        small = _fitted((width, height), _BOUNDS[0][0])
        for content in islice(reader, 0, _DECODED, stride):
            frames.append(Image.frombytes("RGB", (width, height), content).resize(small))
    return (width, height), frames


def _fitted(size: tuple[int, int], side: int) -> tuple[int, int]:
    """A size within a square, as Pillow's `thumbnail` finds it."""
    from PIL import Image

    probe = Image.new("1", size)
    probe.thumbnail((side, side))
    return probe.size


def _as_played(held: _Gif, milliseconds: float) -> list[int] | None:
    """For each frame of the video the number of the GIF's frame; None if the times make no sense.

    Pillow writes frames that are the same once, to stay for as long as all of them. A GIF has hundredths of a second.
    """
    order: list[int] = []
    for index, hundredths in enumerate(held.hundredths):
        times = round(hundredths * 10 / milliseconds)
        if times < 1 or abs(times * milliseconds - hundredths * 10) > 10.01:  # both ends are rounded
            return None
        order += [index] * times
    return order


def _each(wanted: list[Any], held: _Gif, order: list[int]) -> Verdict:
    """Every frame is near to the video's, and to no other frame of it nearer, where the two are not the same."""
    from PIL import ImageStat

    cells = [_cells(frame) for frame in wanted]
    theirs = [_cells(frame.convert("RGB")) for frame in held.frames]
    for at, index in enumerate(order):
        there = theirs[index]
        own = _apart(cells[at], there)
        mean = ImageStat.Stat(own).mean[0]
        bright = sum(own.histogram()[_CELL_TOLERANCE:])
        if mean > _MEAN_TOLERANCE or bright > max(1, own.width * own.height * _CELLS_OVER):
            return Verdict(False, f"frame {at}: other colours, {mean:.1f} of 255 on average, {bright} places far off")
        for other, frame in enumerate(cells):
            apart = _apart(frame, there)
            if ImageStat.Stat(apart).mean[0] < mean:
                where = _apart(frame, cells[at]).point([0] * _CLEARLY + [255] * (256 - _CLEARLY))
                if where.getbbox() and 2 * ImageStat.Stat(apart, where).mean[0] < ImageStat.Stat(own, where).mean[0]:
                    return Verdict(False, f"frame {at}: is frame {other} of wandb's")
    return Verdict(True, "same frames")


def _cells(frame: Any) -> Any:
    """The colours of a frame, averaged over 8 x 8 pixels."""
    from PIL import Image

    grid = (max(1, frame.width // _CELL), max(1, frame.height // _CELL))
    return frame.resize(grid, Image.Resampling.BOX)


def _apart(one: Any, other: Any) -> Any:
    """How far the colours of two pictures are from each other, pixel by pixel, as a grey picture."""
    from PIL import ImageChops

    red, green, blue = ImageChops.difference(one, other).split()
    return ImageChops.lighter(red, ImageChops.lighter(green, blue))
