"""How layers of boxes and masks look: colours by layer and class, lines, areas, labels, and the legend below.

`parity/content/painting.py` says a second time how all but the letters looks, and holds pictures against that.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from typing import Any, NamedTuple
from zlib import crc32

COLOURS = (
    (230, 25, 75),
    (60, 180, 75),
    (0, 130, 200),
    (245, 130, 48),
    (145, 30, 180),
    (70, 240, 240),
    (240, 50, 230),
    (210, 245, 60),
    (250, 190, 212),
    (0, 128, 128),
    (170, 110, 40),
    (255, 225, 25),
)
"""Colours of the first classes, in the first layer; others follow the golden angle."""
_SHADES = (0.0, 0.45, -0.5, 0.2, -0.25, 0.7, -0.7)
"""How a layer changes the colour of a class: towards white, or towards black."""
OPACITY = 115
"""Of 255, of the classes of a mask."""
NARROWEST = 160
"""Pixels: a legend is not squeezed into less, however narrow the picture is."""

Colour = tuple[int, int, int]
Corners = tuple[int, int, int, int]


def colour_of(layer: int, number: Any) -> Colour:
    """The colour of a class in a layer: its hue tells the class, its shade the layer, whatever else is there."""
    if not isinstance(number, int):
        number = crc32(str(number).encode("utf-8", "replace")) if number is not None else 0
    number %= 1 << 20
    if number < len(COLOURS):
        base = COLOURS[number]
    else:
        red, green, blue = colorsys.hls_to_rgb(number * 0.618034 % 1, 0.35 + number * 7 % 5 * 0.06, 0.85)
        base = (round(red * 255), round(green * 255), round(blue * 255))
    shade = _SHADES[layer % len(_SHADES)]
    end = 255 if shade > 0 else 0
    red, green, blue = (round(part + (end - part) * abs(shade)) for part in base)
    return red, green, blue


def scale_of(size: tuple[int, int]) -> int:
    """How many times as thick and large lines and letters are: a large picture is seen smaller than it is."""
    return max(1, round(max(size) / 800))


def fill(picture: Any, mask: Any, colours: dict[int, Colour]) -> None:
    """Colours the classes of a mask, half transparent."""
    _paste(picture, mask, colours, mask.point([OPACITY if number in colours else 0 for number in range(256)]))


def contour(picture: Any, mask: Any, colours: dict[int, Colour], width: int) -> None:
    """Colours the margin of each class of a mask, inside of it, `width` pixels wide."""
    from PIL import ImageChops

    seen = mask.point([255 if number in colours else 0 for number in range(256)])
    across, down = mask.size
    margin = mask.point([0] * 256)
    for far in {1, width}:
        for x, y in ((far, 0), (-far, 0), (0, far), (0, -far)):
            other = mask.crop((x, y, across + x, down + y))  # 0 beyond the picture
            differs = ImageChops.difference(mask, other).point([0] + [255] * 255)
            margin = ImageChops.lighter(margin, differs)
    _paste(picture, mask, colours, ImageChops.darker(margin, seen))


def _paste(picture: Any, mask: Any, colours: dict[int, Colour], opacity: Any) -> None:
    from PIL import Image

    flat = Image.frombytes("P", mask.size, mask.tobytes())
    flat.putpalette([part for number in range(256) for part in colours.get(number, (0, 0, 0))])
    picture.paste(flat.convert("RGB"), (0, 0), opacity)


def frame(draw: Any, corners: Corners, colour: Colour, scale: int, *, dashed: bool) -> None:
    """The outline of a box, inside of its corners."""
    left, top, right, bottom = corners
    width = 2 * scale
    dash, period = (6 * scale, 10 * scale) if dashed else (max(right - left, bottom - top) + 1,) * 2
    for x in range(left, right + 1, period):
        end = min(x + dash - 1, right)
        draw.rectangle((x, top, end, min(top + width - 1, bottom)), fill=colour)
        draw.rectangle((x, max(bottom - width + 1, top), end, bottom), fill=colour)
    for y in range(top, bottom + 1, period):
        end = min(y + dash - 1, bottom)
        draw.rectangle((left, y, min(left + width - 1, right), end), fill=colour)
        draw.rectangle((max(right - width + 1, left), y, right, end), fill=colour)


def label(picture: Any, corners: Corners, text: str, colour: Colour, font: Any, *, scale: int, below: bool) -> None:
    """A text at a box: above it, or `below`; inside of the picture."""
    from PIL import Image, ImageDraw

    line = 16 * scale
    width = min(picture.width, int(font.getlength(text)) + 4 * scale)
    tile = Image.new("RGB", (width, line), colour)  # out of which no letter stands
    ImageDraw.Draw(tile).text((2 * scale, line // 2), text, font=font, fill=_ink(colour), anchor="lm")
    x = min(corners[0], picture.width - tile.width)
    y = min(corners[3] + 1, picture.height - line) if below else corners[1] - line
    picture.paste(tile, (max(0, x), max(0, y)))


def _ink(colour: Colour) -> Colour:
    return (0, 0, 0) if sum(colour) > 380 else (255, 255, 255)


class Entry(NamedTuple):
    """One class of a layer in a legend."""

    text: str
    colour: Colour
    form: str
    """How it is drawn: `area`, `line` or `dashes`."""


def with_legend(picture: Any, layers: Sequence[tuple[str, Sequence[Entry]]], font: Any, scale: int) -> Any:
    """The picture with a strip below it that names layers and classes, a line or more for each layer."""
    from PIL import Image, ImageDraw

    if not layers:
        return picture
    line, room = 16 * scale, max(picture.width, NARROWEST * scale)
    placed: list[tuple[int, int, str, Entry | None]] = []
    y = 2 * scale
    for name, entries in layers:
        x = 4 * scale
        for text, entry in [(f"{name}:", None), *((entry.text, entry) for entry in entries)]:
            width = int(font.getlength(text)) + (28 if entry else 8) * scale
            if x + width > room and x > 4 * scale:
                x, y = 12 * scale, y + line
            placed.append((x, y, text, entry))
            x += width
        y += line
    strip = Image.new("RGB", (room, y + 2 * scale), (255, 255, 255))
    draw = ImageDraw.Draw(strip)
    for x, y, text, entry in placed:
        if entry is not None:
            _swatch(draw, x, y + 3 * scale, entry, scale)
        draw.text((x + 19 * scale if entry else x, y + line // 2), text, font=font, fill=(0, 0, 0), anchor="lm")
    whole = Image.new("RGB", (room, picture.height + strip.height), (255, 255, 255))
    whole.paste(picture, (0, 0))
    whole.paste(strip, (0, picture.height))
    return whole


def _swatch(draw: Any, x: int, y: int, entry: Entry, scale: int) -> None:
    corners = (x, y, x + 15 * scale, y + 10 * scale)
    if entry.form == "area":
        draw.rectangle(corners, fill=entry.colour)
    else:
        frame(draw, corners, entry.colour, scale, dashed=entry.form == "dashes")
