"""What a picture with boxes and masks has to look like, pixel by pixel but for letters: written a second time."""

from __future__ import annotations

import colorsys
import math
import zlib
from pathlib import Path
from typing import Any

from .texts import json_of

_CLASSES = (
    0xE6194B, 0x3CB44B, 0x0082C8, 0xF58230, 0x911EB4, 0x46F0F0,
    0xF032E6, 0xD2F53C, 0xFABED4, 0x008080, 0xAA6E28, 0xFFE119,
)  # fmt: skip
_TOWARDS = ((255, 0), (255, 45), (0, 50), (255, 20), (0, 25), (255, 70), (0, 70))
"""Of a layer: white or black, and how many hundredths of the way its colours go there."""
_NO_CLASS = frozenset({"", "background", "bg", "void", "none", "unlabeled", "class_0"})
"""Names of class 0 of a mask under which it is nothing that was seen."""
_ENLARGED, _USUAL, _LEGEND = 256, 800, 160
"""Pixels: up to which a picture is enlarged; of one seen as it is; of the narrowest legend."""

Colour = tuple[int, ...]


class Unreadable(Exception):
    """What is drawn, or onto what, is of a kind that is not read here."""


class Painting:
    """A picture as it has to be, layer by layer: masks first, then boxes."""

    def __init__(self, original: Any, names: list[str]) -> None:
        """`names`: those of the layers, of boxes before those of masks. Raises Unreadable."""
        from PIL import Image

        times = max(1, -(-_ENLARGED // max(original.size)))
        self._size = (original.width * times, original.height * times)
        self._times = times
        self._scale = max(1, round(max(self._size) / _USUAL))
        self._names = names
        self._picture = _on_white(original).resize(self._size, Image.Resampling.NEAREST)
        self._seen: dict[Colour, str] = {}
        self._bands: list[tuple[int, Colour]] = []
        """Where labels are: their first row, and their colour."""
        self._masks = False

    def mask(self, name: str, mask: Any, labels: Any, *, contour: bool) -> None:
        """Paints the classes of a mask. Raises Unreadable."""
        from PIL import Image, ImageChops

        if mask is None or mask.mode not in ("L", "P", "1"):
            raise Unreadable
        self._masks = True
        grey = Image.frombytes("L", mask.size, mask.tobytes()) if mask.mode == "P" else mask.convert("L")
        grey = grey.resize(self._size, Image.Resampling.NEAREST)
        for number, count in enumerate(grey.histogram()):
            if not count or (number == 0 and str(labels.get("0", "")).strip().lower() in _NO_CLASS):
                continue
            colour = self._colour(name, number)
            area = grey.point([255 if value == number else 0 for value in range(256)])
            if not contour:
                parts = [round((value * 140 + part * 115) / 255) for part in colour for value in range(256)]
                self._picture.paste(self._picture.point(parts), (0, 0), area)
                continue
            inner = area
            for far in (1, 2 * self._scale):
                for to in ((far, 0), (-far, 0), (0, far), (0, -far)):
                    moved = Image.new("L", self._size, 0 if number else 255)
                    moved.paste(area, to)
                    inner = ImageChops.darker(inner, moved)
            self._picture.paste(colour, (0, 0, *self._size), ImageChops.subtract(area, inner))

    def boxes(self, name: str, file: Path | None, *, dashed: bool) -> None:
        """Paints the outlines of boxes, and notes where their labels are. Raises Unreadable."""
        try:
            boxes = json_of(file)["box_data"] if file is not None else None
        except (ValueError, KeyError, TypeError, OSError):
            boxes = None
        if not isinstance(boxes, list):
            raise Unreadable
        thick, line = 2 * self._scale, 16 * self._scale
        for box in boxes:
            place = self._place(box)
            if place is None:
                continue
            colour = self._colour(name, box.get("class_id"))
            (left, right), (top, bottom) = place
            for start, stop, across in ((left, right, True), (top, bottom, False)):
                for at in range(start, stop + 1):
                    if dashed and (at - start) % (10 * self._scale) >= 6 * self._scale:
                        continue
                    near, far = (top, bottom) if across else (left, right)
                    for one, other in ((near, min(near + thick - 1, far)), (max(far - thick + 1, near), far)):
                        spot = (at, one, at + 1, other + 1) if across else (one, at, other + 1, at + 1)
                        self._picture.paste(colour, spot)
            row = min(bottom + 1, self._size[1] - line) if dashed else top - line
            self._bands.append((max(0, row), colour))

    def differs(self, held: Any) -> str:
        """What is otherwise in SwanLab's picture, or ""."""
        from PIL import ImageChops

        width, height = self._size
        legend = len(self._names) > 1 or self._masks
        legend = legend and bool(self._seen)
        wanted = (max(width, _LEGEND * self._scale) if legend else width, height)
        if held.width != wanted[0] or (held.height <= height if legend else held.height != height):
            more = " and a legend" if legend else ""
            return f"{wanted[0]} x {height} pixels{more} in wandb, {held.width} x {held.height} in SwanLab"
        held = held.convert("RGB")
        red, green, blue = ImageChops.difference(self._picture, held.crop((0, 0, width, height))).split()
        changed = ImageChops.lighter(red, ImageChops.lighter(green, blue)).point([0] + [255] * 255)
        for row, colour in self._bands:
            self._forgive_letters(changed, held, row, colour)
        count = sum(changed.histogram()[1:])
        if count:
            return f"{count} of {width * height} pixels differ"
        if legend:
            strip = held.crop((0, height, *held.size))
            there = {colour: count for count, colour in strip.getcolors(strip.width * strip.height)}
            odd = [number for colour, number in there.items() if colour not in self._seen and len({*colour}) > 1]
            if odd:  # letters are grey
                return f"{sum(odd)} of {strip.width * strip.height} pixels differ, in the legend"
            lacking = [text for colour, text in self._seen.items() if colour not in there]
            if lacking:
                return f"the legend does not have {lacking[0][:80]}"
        return ""

    def _forgive_letters(self, changed: Any, held: Any, row: int, colour: Colour) -> None:
        """Takes out of `changed` what may be a label: its colour, that of its letters, and what lies between both."""
        width, height = self._size
        box = changed.crop((0, row, width, min(height, row + 16 * self._scale))).getbbox()
        if box is None:
            return
        ink = 0 if sum(colour) > 380 else 255
        marks, pixels = changed.load(), held.load()
        for y in range(row + box[1], row + box[3]):
            for x in range(box[0], box[2]):
                if marks[x, y] and _between(pixels[x, y], colour, ink):
                    marks[x, y] = 0

    def _colour(self, name: str, number: Any) -> Colour:
        layer = self._names.index(name)
        if not isinstance(number, int):
            number = 0 if number is None else zlib.crc32(str(number).encode("utf-8", "replace"))
        number %= 1 << 20
        if number < len(_CLASSES):
            base = [_CLASSES[number] >> shift & 255 for shift in (16, 8, 0)]
        else:
            share = colorsys.hls_to_rgb(number * 0.618034 % 1, 0.35 + number * 7 % 5 * 0.06, 0.85)
            base = [round(part * 255) for part in share]
        end, hundredths = _TOWARDS[layer % len(_TOWARDS)]
        colour = tuple(round(part + (end - part) * (hundredths / 100)) for part in base)
        self._seen.setdefault(colour, f"class {number} of {name}")
        return colour

    def _place(self, box: Any) -> tuple[tuple[int, int], tuple[int, int]] | None:
        """From left to right and from top to bottom, in pixels; None for a box without a place."""
        try:
            at, pixel = box["position"], box.get("domain") == "pixel"
            if "middle" in at:
                (x, y), wide, high = at["middle"], at["width"], at["height"]
                ends = ((x - wide / 2, x + wide / 2), (y - high / 2, y + high / 2))
            else:
                ends = ((at["minX"], at["maxX"]), (at["minY"], at["maxY"]))
            found = []
            for side, both in zip(self._size, ends, strict=True):
                one, other = (float(end) * (self._times if pixel else side) for end in both)
                if not (math.isfinite(one) and math.isfinite(other)):
                    return None
                one, other = (round(max(-9.0, min(end, side + 9.0))) for end in (one, other))
                found.append((min(one, other), max(one, other)))
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError):
            return None
        return found[0], found[1]


def _on_white(original: Any) -> Any:
    from PIL import Image

    if original.mode in ("1", "L", "RGB", "P") and "transparency" not in original.info:
        return original.convert("RGB")
    if original.mode not in ("LA", "RGBA", "P", "L", "RGB"):
        raise Unreadable
    whole = original.convert("RGBA")
    white = Image.new("RGB", original.size, "white")
    white.paste(whole, (0, 0), whole.getchannel("A"))
    return white


def _between(pixel: Colour, colour: Colour, ink: int) -> bool:
    """Whether a pixel is a mixture of a label's colour and that of its letters."""
    far = max(range(3), key=lambda at: abs(ink - colour[at]))
    share = (pixel[far] - colour[far]) / (ink - colour[far])
    mixed = [part + share * (ink - part) for part in colour]
    return -0.02 < share < 1.02 and all(abs(one - other) <= 2 for one, other in zip(mixed, pixel, strict=True))
