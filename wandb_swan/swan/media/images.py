"""Pictures in formats and sizes that SwanLab shows."""

from __future__ import annotations

import io
import math
import struct
from typing import TYPE_CHECKING, Any

from .. import limits
from ..files import UnusableError

if TYPE_CHECKING:
    from .item import Item

_MAGIC = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpg", b"BM": "bmp"}
_FORMATS = ("PNG", "JPEG", "MPO", "BMP", "DIB", "GIF", "WEBP", "TIFF", "PPM", "TGA", "ICO", "JPEG2000", "AVIF")
"""What is decoded. Some of Pillow's other formats start programs (EPS), or open whatever is inside (IPTC)."""
_BITS_PER_SAMPLE = 258
"""A tag of TIFF."""
_SHALLOW = "a picture of {} bits a channel is shown in 8"
BROKEN = (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError, OverflowError, struct.error)
"""What Pillow raises for broken files."""


def showable(content: bytes, item: Item) -> tuple[bytes, str]:
    """The picture in a format and size that SwanLab takes, and the format: as it is where that is possible.

    Raises:
        UnusableError: the file is broken or no picture, or Pillow is needed and not installed.
    """
    file_type = _known_type(content)
    try:
        import PIL  # noqa: F401
    except ImportError:
        if file_type and len(content) <= limits.MEDIA_BYTES:
            return content, file_type
        raise UnusableError("Pillow is not installed: a picture is kept as a run file", keep=item.file) from None
    picture = decoded(content, item)
    try:
        if file_type is None:
            picture = narrowed(upright(picture), item)
            content, file_type = as_png(picture), "png"
        if len(content) > limits.MEDIA_BYTES:
            content, file_type = _shrunk(upright(picture), content, item), "jpg"
    except BROKEN as error:
        raise UnusableError("the picture is broken", f"{item.file}: {error}") from error
    return content, file_type


def decoded(content: bytes, item: Item) -> Any:
    """The first frame of a picture, as Pillow decodes it.

    Raises:
        UnusableError: it is broken, or of a format that is not decoded here.
    """
    from PIL import Image, UnidentifiedImageError

    Image.init()
    try:
        picture = Image.open(io.BytesIO(content), formats=[name for name in _FORMATS if name in Image.OPEN])
        picture.load()
        frames = getattr(picture, "n_frames", 1)
        bits = max(getattr(picture, "tag_v2", {}).get(_BITS_PER_SAMPLE, (8,)))
    except (*BROKEN, NotImplementedError, Image.DecompressionBombError) as error:
        if isinstance(error, UnidentifiedImageError) and _known_type(content) is None:
            raise UnusableError(
                "a picture of an unknown format: kept as a run file", str(content[:16]), item.file
            ) from error
        raise UnusableError("the picture is broken", f"{item.file}: {error}") from error
    if frames > 1:
        item.lose("SwanLab shows the first frame of an animated picture", f"{frames} frames")
    if bits > 8 and not picture.mode.startswith(("I", "F")):
        item.lose(_SHALLOW.format(bits), picture.mode)
    return picture


def _known_type(content: bytes) -> str | None:
    return next((name for magic, name in _MAGIC.items() if content.startswith(magic)), None)


def upright(picture: Any) -> Any:
    """The picture as it is shown: turned as its EXIF says, which is gone where it is encoded again."""
    from PIL import ImageOps

    try:
        return ImageOps.exif_transpose(picture)
    except (*BROKEN, ArithmeticError):  # broken EXIF
        return picture


def as_png(picture: Any) -> bytes:
    if picture.mode.startswith("I;16"):
        picture = _in_16_bits(picture)
    elif picture.mode not in {"1", "L", "LA", "P", "RGB", "RGBA"}:
        picture = picture.convert("RGBA" if _has_alpha(picture) else "RGB")
    return _encoded(picture, "png")


def flat(picture: Any) -> Any:
    """The picture in RGB or grey, as it is seen on white."""
    from PIL import Image

    if not _has_alpha(picture):
        return picture if picture.mode in ("L", "RGB") else picture.convert("RGB")
    bare = picture.convert("RGBA")
    white = Image.new("RGB", picture.size, (255, 255, 255))
    white.paste(bare, mask=bare.getchannel("A"))
    return white


def _has_alpha(picture: Any) -> bool:
    return picture.mode in ("LA", "PA", "RGBA", "RGBa") or "transparency" in picture.info


def _encoded(picture: Any, file_type: str, **options: Any) -> bytes:
    encoded = io.BytesIO()
    picture.save(encoded, format=file_type, **options)
    return encoded.getvalue()


def _shrunk(picture: Any, original: bytes, item: Item) -> bytes:
    """The picture as JPEG, scaled down as far as it must be."""
    whole = flat(in_8_bits(picture, item, original))
    scale = 1.0
    while True:
        width, height = (max(1, round(side * scale)) for side in whole.size)
        small = whole if scale == 1 else whole.resize((width, height))
        content = _encoded(small, "jpeg", quality=90)
        if len(content) <= limits.MEDIA_BYTES:
            detail = f"{len(original)} of {limits.MEDIA_BYTES} bytes; JPEG of {width} x {height} of {whole.size} kept"
            item.lose("a picture was cut to SwanLab's 10 MB", detail)
            return content
        scale *= 0.7


# -- more than 8 bits --------------------------------------------------------------------------------------------------


def narrowed(picture: Any, item: Item) -> Any:
    """A picture of 32 bits a pixel in 8 or 16 that hold its numbers; else in 8, from its least to its greatest."""
    if picture.mode not in ("I", "F"):
        return picture
    low, high = picture.getextrema()
    whole = picture.mode == "I" or picture.tobytes() == picture.convert("I").convert("F").tobytes()
    if whole and low >= 0 and high <= 65535:
        return picture.convert("L") if high <= 255 else _in_16_bits(picture)
    if not (math.isfinite(low) and math.isfinite(high)):
        finite = [number for number in memoryview(picture.tobytes()).cast("f") if math.isfinite(number)]
        low, high = min(finite, default=0.0), max(finite, default=0.0)
    item.lose("a picture of 32 bits a pixel is shown in 8", f"{low:g} is black, {high:g} white")
    scale = 255 / (high - low) if high > low else 0.0
    return picture.point(lambda value: value * scale + (0.5 - low * scale)).convert("L")


def in_8_bits(picture: Any, item: Item, content: bytes) -> Any:
    """A picture without more than 8 bits a channel. `content` is its file."""
    picture = narrowed(picture, item)
    if not picture.mode.startswith("I;16"):
        if content.startswith(b"\x89PNG") and content[24:25] == b"\x10":  # Pillow has decoded it in 8
            item.lose(_SHALLOW.format(16), picture.mode)
        return picture
    item.lose("a picture of 16 bits a pixel is shown in 8", "the upper 8 kept")
    return picture.convert("I").point(lambda value: value * (1 / 256)).convert("L")


def _in_16_bits(picture: Any) -> Any:
    """In the one mode of 16 bits that a PNG has."""
    return picture if picture.mode == "I;16" else picture.convert("I").convert("I;16")
