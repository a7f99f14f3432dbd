"""Videos as GIF, the one format that SwanLab plays."""

from __future__ import annotations

import importlib
import io
import math
from itertools import islice
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from .. import limits
from ..files import UnusableError

if TYPE_CHECKING:
    from .item import Item

_BOUNDS = ((480, 150), (320, 100), (240, 60), (160, 30))
"""Pixels of the longer side and frames, at most; the next pair is tried where a GIF is over SwanLab's limit."""
_DECODED = 20_000
_FASTEST = 50
"""Frames a second: browsers slow down a GIF that is faster."""


def gif(path: FilePath, item: Item) -> bytes:
    """A video file as GIF, with fewer and smaller frames where it must be.

    Raises:
        UnusableError: the `media` extra is not installed, or the video cannot be decoded.
    """
    try:
        ffmpeg: Any = importlib.import_module("imageio_ffmpeg")
        from PIL import Image
    except ImportError:
        reason = "a video that is no GIF needs wandb-swan[media]: kept as a run file"
        raise UnusableError(reason, keep=item.file) from None
    frames: list[Any] = []
    reader = ffmpeg.read_frames(str(path))
    try:
        size = tuple(next(reader)["size"])
        total, seconds = ffmpeg.count_frames_and_secs(str(path))  # the rate that ffmpeg tells is 0 for some files
        rate = total / seconds if total and seconds else 10.0
        stride = max(math.ceil(total / _BOUNDS[0][1]), math.ceil(rate / _FASTEST))
        for frame in islice(reader, 0, _DECODED, stride):
            picture = Image.frombytes("RGB", size, frame)
            picture.thumbnail((_BOUNDS[0][0], _BOUNDS[0][0]))
            frames.append(picture)
    except Exception as error:  # whatever ffmpeg says of a broken file
        raise UnusableError(
            "a video that cannot be decoded: kept as a run file", str(error)[-300:], item.file
        ) from error
    finally:
        reader.close()
    for side, most in _BOUNDS:
        skip = math.ceil(len(frames) / most)
        chosen = [frame.copy() for frame in frames[::skip]]
        for frame in chosen:
            frame.thumbnail((side, side))
        content = _encode(chosen, 1000 * stride * skip / rate) if chosen else b""
        if 0 < len(content) <= limits.MEDIA_BYTES:
            if len(chosen) < total or chosen[0].size != size:
                kept = f"{len(chosen)} of about {total} frames, {chosen[0].size} of {size} pixels"
                item.lose("a video was cut to what fits a GIF", kept)
            return content
    raise UnusableError("over SwanLab's 10 MB: kept as a run file", f"{len(frames)} frames", keep=item.file)


def _encode(frames: list[Any], milliseconds: float) -> bytes:
    encoded = io.BytesIO()
    rest = frames[1:]
    frames[0].save(encoded, "GIF", save_all=True, append_images=rest, duration=round(milliseconds), loop=0)
    return encoded.getvalue()
