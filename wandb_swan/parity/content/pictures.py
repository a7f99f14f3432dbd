"""Pictures, pixel by pixel."""

from __future__ import annotations

import io
import math
import struct
from pathlib import Path
from typing import Any

from ...swan import limits
from .verdict import BROKEN_SOURCE, BROKEN_STORED, NO_PILLOW, SAME_BYTES, Verdict, same_bytes

_FORMATS = ("PNG", "JPEG", "MPO", "BMP", "DIB", "GIF", "WEBP", "TIFF", "PPM", "TGA", "ICO", "JPEG2000", "AVIF")
"""What is decoded; some of Pillow's other formats start programs (EPS) or open other files."""
_COPIED = (b"\x89PNG", b"\xff\xd8\xff", b"BM")
_WIDE = frozenset({"I", "F", "I;16", "I;16B", "I;16L", "I;16N"})
_CELL = 16
_CELL_TOLERANCE = 12
_MEAN_TOLERANCE = 2.0
"""Of 255: how far the colours of a JPEG may be from the original's, averaged over 16 x 16 pixels; over all."""
_LEAST_BYTES = 1 << 20
"""A JPEG that was scaled down has more: at the next size, 1.4 times as wide, it had over 10 MB."""


def picture(source: Path, stored: Path) -> Verdict:
    """A picture without boxes and masks."""
    if same_bytes(source, stored):
        return SAME_BYTES
    if not pillow_is_there():
        return NO_PILLOW
    content = source.read_bytes()
    original = decoded(content)
    if original is None:
        return BROKEN_SOURCE
    return compare_pictures(original, stored, size=len(content), copied=content.startswith(_COPIED))


def compare_pictures(original: Any, stored: Path, *, size: int, copied: bool) -> Verdict:
    """A decoded picture and SwanLab's file.

    `size` in bytes, `copied`: SwanLab takes its format as it is.
    """
    content = stored.read_bytes()
    held = decoded(content)
    if held is None:
        return BROKEN_STORED
    ways = _orientation(original), _orientation(held)
    found = _compare_upright(upright(original), upright(held), content, size=size, copied=copied)
    if found.same or ways[0] == ways[1]:
        return found
    return Verdict(False, f"orientation {ways[0]} (EXIF) in wandb, {ways[1]} in SwanLab")


def _compare_upright(original: Any, held: Any, content: bytes, *, size: int, copied: bool) -> Verdict:
    channels = 2 if original.mode in _WIDE else len(original.getbands())
    raw = original.width * original.height * channels  # bytes: as PNG it is no larger, but for a little
    may_be_cut = size > limits.MEDIA_BYTES or (not copied and raw > 0.9 * limits.MEDIA_BYTES)
    if may_be_cut and content.startswith(b"\xff\xd8\xff"):
        return _smaller(original, held, len(content))
    if original.size != held.size:
        return Verdict(False, f"{_measure(original)} pixels in wandb, {_measure(held)} in SwanLab")
    different = differing(original, held)
    if different:
        return Verdict(False, f"{different} of {original.width * original.height} pixels differ")
    return Verdict(True, "same pixels")


def pillow_is_there() -> bool:
    try:
        import PIL.Image  # noqa: F401
    except ImportError:
        return False
    return True


def decoded(content: bytes) -> Any | None:
    """The first frame of a picture, None if it is broken."""
    from PIL import Image

    Image.init()
    try:
        with Image.open(io.BytesIO(content), formats=[name for name in _FORMATS if name in Image.OPEN]) as opened:
            opened.load()
            return opened.copy()
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError, OverflowError, struct.error):
        return None
    except (Image.DecompressionBombError, NotImplementedError):
        return None


def _orientation(picture: Any) -> int:
    """Which way up a picture is shown, as EXIF numbers it: 1 is as it is."""
    try:
        found = picture.getexif().get(0x0112, 1)
    except (OSError, ValueError, SyntaxError, KeyError, TypeError, struct.error):
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def upright(picture: Any) -> Any:
    """The picture as it is shown. What is encoded again is turned, and what is copied has its EXIF still."""
    from PIL import ImageOps

    return ImageOps.exif_transpose(picture) if _orientation(picture) != 1 else picture


def differing(one: Any, other: Any) -> int:
    """How many pixels of two pictures of one size differ, all that a PNG can keep of them considered."""
    from PIL import ImageChops

    if one.mode in _WIDE or other.mode in _WIDE:
        return _differing_wide(one, other)
    one, other = _common(one), _common(other)
    if one.tobytes() == other.tobytes():
        return 0
    red, green, blue, alpha = ImageChops.difference(one, other).split()
    any_of = ImageChops.lighter(ImageChops.lighter(red, green), ImageChops.lighter(blue, alpha))
    histogram: list[int] = any_of.histogram()
    return sum(histogram[1:])


def _differing_wide(one: Any, other: Any) -> int:
    """Pixels of more than 8 bits. A PNG keeps 16: what has fractions, or is out of range, is scaled to 8 there."""
    if not _fits_16_bits(one):
        return _differing_scaled(one, other) if other.mode not in _WIDE else _count(one, other, "F")
    return _count(one, other, "I")


def _fits_16_bits(picture: Any) -> bool:
    if picture.mode not in ("I", "F"):
        return True
    low, high = picture.getextrema()
    whole = picture.mode == "I" or picture.tobytes() == picture.convert("I").convert("F").tobytes()
    return bool(whole and low >= 0 and high <= 65535)


def _differing_scaled(one: Any, other: Any) -> int:
    """Pixels that are more than a rounding away from the scale of the least number (0) to the greatest one (255)."""
    from PIL import ImageChops

    bands = ImageChops.difference(_scaled(one).convert("RGB"), other.convert("RGB")).split()
    red, green, blue = bands
    histogram: list[int] = ImageChops.lighter(red, ImageChops.lighter(green, blue)).histogram()
    return sum(histogram[2:])


def _scaled(picture: Any) -> Any:
    """A picture of 32 bits a pixel in 8. What is no number is black."""
    low, high = picture.getextrema()
    if not (math.isfinite(low) and math.isfinite(high)):
        finite = [value for value in memoryview(picture.tobytes()).cast("f") if math.isfinite(value)]
        low, high = (min(finite), max(finite)) if finite else (0.0, 0.0)
    if low == high:
        return picture.point(lambda value: value * 0.0).convert("L")
    factor = 255 / (high - low)
    return picture.point(lambda value: value * factor + (0.5 - low * factor)).convert("L")


def _count(one: Any, other: Any, mode: str) -> int:
    ours, theirs = (
        memoryview((part if part.mode in _WIDE else part.convert("L")).convert(mode).tobytes()).cast(
            "i" if mode == "I" else "f"
        )
        for part in (one, other)
    )
    return sum(mine != its for mine, its in zip(ours, theirs, strict=True))


def _common(picture: Any) -> Any:
    if picture.mode == "RGBA":
        return picture
    if "A" in picture.mode or "a" in picture.mode or "transparency" in picture.info or picture.mode == "P":
        return picture.convert("RGBA")
    return picture.convert("RGB").convert("RGBA")


def flat(picture: Any) -> Any:
    """The picture in RGB, as it is seen on white."""
    from PIL import Image

    if not _fits_16_bits(picture):
        return _scaled(picture).convert("RGB")
    if picture.mode in ("I", "F") and picture.getextrema()[1] <= 255:
        return picture.convert("L").convert("RGB")
    if picture.mode in _WIDE:  # Pillow 13 makes all above 255 white
        return picture.convert("I").point(lambda value: value * (1 / 256)).convert("L").convert("RGB")
    seen = _common(picture)
    white = Image.new("RGB", seen.size, (255, 255, 255))
    white.paste(seen, mask=seen.getchannel("A"))
    return white


def _smaller(original: Any, held: Any, size: int) -> Verdict:
    """A JPEG of a picture that is over SwanLab's 10 MB: the same sides, scaled, and the same colours all over."""
    width, height = original.size
    if held.width > width or abs(held.width * height - held.height * width) > (width + height) / 2:
        return Verdict(False, f"{_measure(original)} pixels in wandb, {_measure(held)} in SwanLab")
    if held.width < width and size < _LEAST_BYTES:
        return Verdict(False, f"{_measure(held)} of {_measure(original)} pixels: fewer than fit SwanLab's 10 MB")
    most, mean, cell = cell_differences(flat(original), flat(held), _CELL)
    if most > _CELL_TOLERANCE or mean > _MEAN_TOLERANCE:
        across, down = cell
        return Verdict(
            False, f"other colours: {mean:.1f} of 255 on average, {most} around {across:.0%}, {down:.0%} of the picture"
        )
    return Verdict(True, f"same picture, smaller: {_measure(held)} of {_measure(original)} pixels, as JPEG")


def cell_differences(original: Any, held: Any, cell: int) -> tuple[int, float, tuple[float, float]]:
    """The largest and the mean difference of colour of two RGB pictures, averaged over cells of the second one.

    Last, where the largest one is, as parts of the width and the height.
    """
    from PIL import Image, ImageChops

    grid = (max(1, held.width // cell), max(1, held.height // cell))
    ours, theirs = (part.resize(grid, Image.Resampling.BOX) for part in (original, held))
    bands = ImageChops.difference(ours, theirs).split()
    cells = bytes(max(colours) for colours in zip(*(band.tobytes() for band in bands), strict=True))
    most = max(cells)
    down, across = divmod(cells.index(most), grid[0])
    return most, sum(cells) / len(cells), ((across + 0.5) / grid[0], (down + 0.5) / grid[1])


def _measure(picture: Any) -> str:
    return f"{picture.width} x {picture.height}"
