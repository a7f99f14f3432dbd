"""Boxes and masks, drawn onto their pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .. import limits
from ..files import UnusableError
from . import images

if TYPE_CHECKING:
    from .item import Item

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
"""Colour of a class: its number modulo their count."""

_READABLE = 256
"""Pixels: a smaller picture is enlarged before text is drawn onto it."""
_LINE = 16
_BACKGROUND = frozenset({"", "background", "bg", "void", "none", "unlabeled", "class_0"})


@dataclass
class _Layer:
    """One layer of boxes or one of masks; wandb's names: `predictions`, `ground_truth`."""

    name: str
    labels: Mapping[str, str]
    boxes: list[Any] = field(default_factory=list)
    mask: Any = None
    """A grey picture."""

    def label(self, number: Any) -> str:
        return _line_of(self.labels.get(str(number), f"class {number}"))


class Layers:
    """The boxes and masks of one picture; false if there are none to draw. A layer that is broken is left out."""

    def __init__(self, item: Item) -> None:
        self._item = item
        self._layers: list[_Layer] = []
        boxes, masks = self._layers_of("boxes"), self._layers_of("masks")
        if not (boxes or masks):
            return
        try:
            import PIL  # noqa: F401
        except ImportError:
            item.lose("Pillow is not installed: boxes and masks are not drawn", "")
            return
        for name, value in masks.items():
            self._add(name, value, self._mask)
        for name, value in boxes.items():
            self._add(name, value, self._boxes)

    def __bool__(self) -> bool:
        return bool(self._layers)

    def _layers_of(self, key: str) -> dict[str, Any]:
        found = self._item.value.get(key)
        if isinstance(found, dict):
            return found
        if found is not None and found != []:
            self._item.lose("boxes or masks of an unknown form are not drawn", f"{key}: {str(found)[:100]}")
        return {}

    def _add(self, name: str, value: Any, read: Any) -> None:
        try:
            self._layers.append(read(name, value.get("path") if isinstance(value, dict) else None))
        except UnusableError as error:
            self._item.lose(f"boxes or masks: {error.reason}", f"layer {name}: {error.detail}")

    def _mask(self, name: str, path: Any) -> _Layer:
        content = self._item.files.read(path)
        try:
            mask, highest = _classes(images.decoded(content, self._item))
        except (UnusableError, *images.BROKEN) as error:
            raise UnusableError("the file is broken", f"{path}: {error}") from error
        if highest > 255:
            self._item.lose("classes of a mask above 255 are drawn as one", f"layer {name}: up to {highest}")
        return _Layer(name, self._item.mask_labels.get((self._item.path[-1], name), {}), mask=mask)

    def _boxes(self, name: str, path: Any) -> _Layer:
        content = self._item.files.json(path)
        if not isinstance(content, dict) or not isinstance(content.get("box_data"), list):
            raise UnusableError("the file is broken", str(path))
        labels = content.get("class_labels")
        return _Layer(name, labels if isinstance(labels, dict) else {}, boxes=content["box_data"])

    def draw(self, content: bytes) -> bytes:
        """The picture with everything drawn onto it, as PNG; small pictures are enlarged so that text can be read.

        Raises:
            UnusableError: the picture is broken.
        """
        from PIL import Image, ImageDraw, ImageFont

        picture = images.upright(images.decoded(content, self._item))
        try:
            picture = images.flat(images.in_8_bits(picture, self._item, content)).convert("RGB")
        except images.BROKEN as error:
            raise UnusableError("the picture is broken", f"{self._item.file}: {error}") from error
        factor = max(1, math.ceil(_READABLE / max(picture.size)))
        picture = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
        font = ImageFont.load_default(size=12)
        legend: dict[str, dict[str, tuple[int, int, int]]] = {}
        several = len({layer.name for layer in self._layers}) > 1
        for layer in self._layers:
            texts: list[str] = []
            if layer.mask is not None:
                seen = _blend(picture, layer)
            else:
                draw = ImageDraw.Draw(picture)
                seen, texts, drawn = _outline(draw, picture.size, factor, layer, font, several=several)
                if drawn < len(layer.boxes):
                    detail = f"layer {layer.name}: {drawn} of {len(layer.boxes)} drawn"
                    self._item.lose("boxes without a place are not drawn", detail)
            if seen and (several or layer.mask is not None):
                entries = legend.setdefault(_line_of(layer.name), {})
                entries.update({layer.label(number): _colour(number) for number in seen})
                texts += [layer.name, *map(layer.label, seen)]
            for text in dict.fromkeys(texts):
                if _lacks_letters(font, text):
                    self._item.lose("letters of boxes or masks are not in the font", f"layer {layer.name}: {text}")
        return images.as_png(_with_legend(picture, legend, font))


def _line_of(value: Any) -> str:
    """A text to draw: on one line, which is all that Pillow measures."""
    return limits.clean_text(str(value)).replace("\n", " ")


def _lacks_letters(font: Any, text: str) -> bool:
    """Whether the font has its sign for what it lacks instead of a letter."""
    lacking = bytes(font.getmask("\U0010ffff"))  # Pillow's own font has ASCII alone
    return any(bytes(font.getmask(letter)) == lacking for letter in set(text) if not letter.isascii())


def _classes(mask: Any) -> tuple[Any, int]:
    """A mask as grey picture, whose greys are the classes, and the highest class."""
    from PIL import Image

    if mask.mode == "P":
        return Image.frombytes("L", mask.size, mask.tobytes()), 255
    if not mask.mode.startswith("I"):
        return mask.convert("L"), 255
    whole = mask.convert("I")
    return whole.convert("L"), whole.getextrema()[1]


def _colour(number: Any) -> tuple[int, int, int]:
    return COLOURS[number % len(COLOURS)] if isinstance(number, int) else COLOURS[0]


def _blend(picture: Any, layer: _Layer) -> list[Any]:
    """Colours every class of a mask but the background; returns the classes."""
    from PIL import Image

    mask = layer.mask.resize(picture.size, Image.Resampling.NEAREST)
    seen = [
        number
        for number, count in enumerate(mask.histogram())
        if count and not (number == 0 and layer.labels.get("0", "").strip().lower() in _BACKGROUND)
    ]
    for number in seen:
        opacity = [115 if value == number else 0 for value in range(256)]
        picture.paste(_colour(number), (0, 0, *picture.size), mask.point(opacity))
    return seen


def _outline(
    draw: Any, size: tuple[int, int], factor: int, layer: _Layer, font: Any, *, several: bool
) -> tuple[list[Any], list[str], int]:
    """Draws the boxes of a layer with their labels and scores; returns their classes, their texts and their number."""
    seen, texts = [], []
    for box in layer.boxes:
        corners = _corners(box, size, factor)
        if corners is None:
            continue
        number = box.get("class_id")
        seen.append(number)
        colour = _colour(number)
        draw.rectangle(corners, outline=colour, width=2)
        text = str(box.get("box_caption") or layer.label(number))
        scores = box.get("scores")
        for name, score in scores.items() if isinstance(scores, dict) else ():
            text += f" {name} {score:.3g}" if isinstance(score, int | float) else f" {name} {score}"
        text = _line_of(f"{layer.name}: {text}" if several else text)
        texts.append(text)
        x, y = max(0, corners[0]), max(0, corners[1] - _LINE)
        draw.rectangle((x, y, x + draw.textlength(text, font=font) + 4, y + _LINE), fill=colour)
        draw.text((x + 2, y + 1), text, font=font, fill=_ink(colour))
    return sorted(set(seen), key=str), texts, len(seen)


def _corners(box: Any, size: tuple[int, int], factor: int) -> tuple[float, float, float, float] | None:
    """Left, top, right, bottom in pixels of the enlarged picture. wandb's positions are fractions unless `pixel`."""
    try:
        at = box["position"]
        if "middle" in at:
            (x, y), width, height = at["middle"], at["width"], at["height"]
            left, top, right, bottom = x - width / 2, y - height / 2, x + width / 2, y + height / 2
        else:
            left, top, right, bottom = at["minX"], at["minY"], at["maxX"], at["maxY"]
        across, down = (factor, factor) if box.get("domain") == "pixel" else size
        corners = (float(left) * across, float(top) * down, float(right) * across, float(bottom) * down)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    if not all(math.isfinite(number) for number in corners):
        return None
    left, right = sorted(max(-9.0, min(number, size[0] + 9.0)) for number in corners[::2])
    top, bottom = sorted(max(-9.0, min(number, size[1] + 9.0)) for number in corners[1::2])
    return left, top, right, bottom


def _ink(colour: tuple[int, int, int]) -> tuple[int, int, int]:
    return (0, 0, 0) if sum(colour) > 380 else (255, 255, 255)


def _with_legend(picture: Any, legend: dict[str, dict[str, tuple[int, int, int]]], font: Any) -> Any:
    """The picture with a strip below it that names layers and classes, a line or more for each layer."""
    from PIL import Image, ImageDraw

    if not legend:
        return picture
    entries: list[tuple[int, int, str, tuple[int, int, int] | None]] = []
    y = 2
    for name, labels in legend.items():
        x = 4
        for text, colour in [(f"{name}:", None), *labels.items()]:
            width = int(font.getlength(text)) + (24 if colour else 8)
            if x + width > picture.width and x > 4:
                x, y = 4, y + _LINE
            entries.append((x, y, text, colour))
            x += width
        y += _LINE
    whole = Image.new("RGB", (picture.width, picture.height + y + 2), (255, 255, 255))
    whole.paste(picture, (0, 0))
    draw = ImageDraw.Draw(whole)
    for x, y, text, colour in entries:
        top = y + picture.height
        if colour:
            draw.rectangle((x, top + 3, x + 10, top + 13), fill=colour)
        draw.text((x + 14 if colour else x, top), text, font=font, fill=(0, 0, 0))
    return whole
