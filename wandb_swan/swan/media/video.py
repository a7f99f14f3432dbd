"""Videos as GIF, the one format that SwanLab plays."""

from __future__ import annotations

import importlib
import io
import math
from contextlib import closing
from itertools import islice, pairwise
from pathlib import Path as FilePath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import limits
from ..files import UnusableError

if TYPE_CHECKING:
    from .item import Item

_BOUNDS = ((640, 150), (480, 150), (320, 100), (240, 60), (160, 30))
"""Pixels of the longer side and frames, at most; the next pair is tried where a GIF is over SwanLab's limit."""
_DECODED = 20_000
_FASTEST = 50
"""Frames a second: browsers slow down a GIF that is faster."""


class _Decoded(NamedTuple):
    """Frames of a video, every one of `stride`, which has `total` of them in `size` pixels, `rate` a second."""

    frames: list[Any]
    size: tuple[int, ...]
    total: int
    rate: float
    stride: int
    has_sound: bool


def gif(content: bytes, item: Item) -> bytes:
    """A video file as GIF, with fewer and smaller frames where it must be.

    Raises:
        UnusableError: the `media` extra is not installed, or the video cannot be decoded.
    """
    try:
        ffmpeg: Any = importlib.import_module("imageio_ffmpeg")
        import PIL  # noqa: F401
    except ImportError:
        reason = "a video that is no GIF needs wandb-swan[media]: kept as a run file"
        raise UnusableError(reason, keep=item.file) from None
    if not _is_video(content):
        raise UnusableError("a format of videos that is not read: kept as a run file", str(content[:12]), item.file)
    try:
        with TemporaryDirectory(prefix="wandb-swan-") as folder:
            copy = FilePath(folder) / "video"
            copy.write_bytes(content)
            found = _decoded(ffmpeg, copy)
    except Exception as error:  # whatever ffmpeg says of a broken file
        raise UnusableError(
            "a video that cannot be decoded: kept as a run file", str(error)[-300:], item.file
        ) from error
    if found.has_sound:
        item.lose("SwanLab's videos have no sound", "its pictures are kept")
    for side, most in _BOUNDS:
        skip = math.ceil(len(found.frames) / most)
        chosen = [frame.copy() for frame in found.frames[::skip]]
        for frame in chosen:
            frame.thumbnail((side, side))
        encoded = _encode(chosen, 100 * found.stride * skip / found.rate) if chosen else b""
        if 0 < len(encoded) <= limits.MEDIA_BYTES:
            if len(chosen) < found.total or chosen[0].size != found.size:
                kept = f"{len(chosen)} of about {found.total} frames, {chosen[0].size} of {found.size} pixels"
                item.lose("a video was cut to what fits a GIF", kept)
            return encoded
    raise UnusableError("over SwanLab's 10 MB: kept as a run file", f"{len(found.frames)} frames", keep=item.file)


def _is_video(content: bytes) -> bool:
    """MP4 or MOV, Matroska or WebM, Ogg, GIF, AVI: anything else may be a play list, which names other files."""
    return (
        content[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip")
        or content[:4] in (b"\x1a\x45\xdf\xa3", b"OggS", b"GIF8")
        or (content[:4] == b"RIFF" and content[8:12] == b"AVI ")
    )


def _decoded(ffmpeg: Any, path: FilePath) -> _Decoded:
    """Frames of a video. To ffmpeg a file's name may mean other files, as %d does: the name has to be ours."""
    from PIL import Image

    frames = []
    with closing(ffmpeg.read_frames(str(path))) as reader:
        told = next(reader)
        size = tuple(told["size"])
        total, seconds = ffmpeg.count_frames_and_secs(str(path))  # the rate that ffmpeg tells is 0 for some files
        rate = total / seconds if total and seconds else 10.0
        stride = max(math.ceil(total / _BOUNDS[0][1]), math.ceil(rate / _FASTEST))
        for frame in islice(reader, 0, _DECODED, stride):
            picture = Image.frombytes("RGB", size, frame)
            picture.thumbnail((_BOUNDS[0][0], _BOUNDS[0][0]))
            frames.append(picture)
    total = max(total, (len(frames) - 1) * stride + 1)
    return _Decoded(frames, size, total, rate, stride, has_sound="audio_codec" in told)


def _encode(frames: list[Any], hundredths: float) -> bytes:
    """A GIF whose frames begin at the hundredths of a second that are nearest to theirs."""
    encoded = io.BytesIO()
    starts = [round(index * hundredths) for index in range(len(frames) + 1)]
    times = [10 * (end - start) for start, end in pairwise(starts)]
    frames[0].save(encoded, "GIF", save_all=True, append_images=frames[1:], duration=times, loop=0)
    return encoded.getvalue()
