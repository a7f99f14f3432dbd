"""Boxes and masks, in layers, drawn onto their pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import limits
from ..files import UnusableError
from . import drawing, images
from .drawing import COLOURS, Entry
from .fonts import Letters, letters_for

if TYPE_CHECKING:
    from .item import Item

__all__ = ["COLOURS", "Layers"]

_READABLE = 256
"""Pixels: a smaller picture is enlarged before text is drawn onto it."""
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

    def text(self, box: Any) -> _Text:
        """What is said of a box, with its scores."""
        number, scores = box.get("class_id"), box.get("scores")
        more = ""
        for name, score in scores.items() if isinstance(scores, dict) else ():
            more += f" {name} {score:.3g}" if isinstance(score, int | float) else f" {name} {score}"
        caption = box.get("box_caption")
        if caption:
            return _Text(self.name, _line_of(f"{caption}{more}"), "")
        return _Text(self.name, _line_of(self.label(number) + more), _line_of(f"class {number}{more}"))

    def seen(self, mask: Any) -> list[int]:
        """The classes of a mask, but for the background."""
        nothing = self.labels.get("0", "").strip().lower() in _BACKGROUND
        return [number for number, count in enumerate(mask.histogram()) if count and not (number == 0 and nothing)]


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

        A colour stands for a class in a layer; layers come in the order of their names. The first layer of masks is
        areas, others are contours; the boxes of the first are lines, of others dashes.

        Raises:
            UnusableError: the picture is broken.
        """
        from PIL import Image, ImageDraw

        picture = images.upright(images.decoded(content, self._item))
        try:
            picture = images.flat(images.in_8_bits(picture, self._item, content)).convert("RGB")
        except images.BROKEN as error:
            raise UnusableError("the picture is broken", f"{self._item.file}: {error}") from error
        factor = max(1, math.ceil(_READABLE / max(picture.size)))
        picture = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
        scale = drawing.scale_of(picture.size)
        layers = sorted(self._layers, key=lambda layer: layer.name)  # wandb's core writes them in any order
        masks = [layer for layer in layers if layer.mask is not None]
        boxes = [layer for layer in layers if layer.mask is None]
        names = sorted({layer.name for layer in layers})
        legend = _Legend(names)
        for at, layer in enumerate(masks):
            mask = layer.mask.resize(picture.size, Image.Resampling.NEAREST)
            colours = {number: drawing.colour_of(names.index(layer.name), number) for number in layer.seen(mask)}
            if at == 0:
                drawing.fill(picture, mask, colours)
            else:
                drawing.contour(picture, mask, colours, 2 * scale)
            for number, colour in colours.items():
                legend.add(layer, number, colour, "area" if at == 0 else "line")
        draw = ImageDraw.Draw(picture)
        labels: list[tuple[drawing.Corners, _Text, drawing.Colour, bool]] = []
        for at, layer in enumerate(boxes):
            placed = [(box, corners) for box in layer.boxes if (corners := _corners(box, picture.size, factor))]
            for box, corners in placed:
                number = box.get("class_id")
                colour = drawing.colour_of(names.index(layer.name), number)
                drawing.frame(draw, corners, colour, scale, dashed=at > 0)
                legend.add(layer, number, colour, "line" if at == 0 else "dashes")
                labels.append((corners, layer.text(box), colour, at > 0))
            if len(placed) < len(layer.boxes):
                detail = f"layer {layer.name}: {len(placed)} of {len(layer.boxes)} drawn"
                self._item.lose("boxes without a place are not drawn", detail)
        needed = len(names) > 1 or bool(masks)
        letters = self._letters([*(text for _, text, _, _ in labels), *(legend.texts() if needed else ())], 12 * scale)
        for corners, text, colour, below in labels:
            drawing.label(picture, corners, text.readable(letters), colour, letters.font, scale=scale, below=below)
        strip = legend.readable(letters) if needed else []
        return images.as_png(drawing.with_legend(picture, strip, letters.font, scale))

    def _letters(self, texts: list[_Text], size: int) -> Letters:
        letters = letters_for((text.text for text in texts), size)
        for text in dict.fromkeys(texts):
            if not letters.has(text.text):
                detail = f"layer {text.layer}: {text.text}"
                self._item.lose("letters of boxes or masks are not in the font", detail)
        return letters


class _Text(NamedTuple):
    """A text to draw."""

    layer: str
    text: str
    plain: str
    """What stands for it where no font has its letters; "": a question mark for each of them."""

    def readable(self, letters: Letters) -> str:
        if letters.has(self.text):
            return self.text
        return self.plain or "".join("?" if letter in letters.lacking else letter for letter in self.text)


class _Legend:
    """The classes that are drawn, by layer."""

    def __init__(self, names: list[str]) -> None:
        self._names = {name: _Text(name, _line_of(name), f"layer {number}") for number, name in enumerate(names, 1)}
        self._entries: dict[str, dict[_Text, Entry]] = {}

    def add(self, layer: _Layer, number: Any, colour: drawing.Colour, form: str) -> None:
        text = _Text(layer.name, layer.label(number), f"class {_line_of(number)}")
        self._entries.setdefault(layer.name, {}).setdefault(text, Entry(text.text, colour, form))

    def texts(self) -> list[_Text]:
        return [text for name, entries in self._entries.items() for text in (self._names[name], *entries)]

    def readable(self, letters: Letters) -> list[tuple[str, list[Entry]]]:
        return [
            (
                self._names[name].readable(letters),
                [Entry(text.readable(letters), entry.colour, entry.form) for text, entry in entries.items()],
            )
            for name, entries in self._entries.items()
        ]


def _line_of(value: Any) -> str:
    """A text to draw: on one line, which is all that Pillow measures."""
    return limits.clean_text(str(value)).replace("\n", " ")


def _classes(mask: Any) -> tuple[Any, int]:
    """A mask as grey picture, whose greys are the classes, and the highest class."""
    from PIL import Image

    if mask.mode == "P":
        return Image.frombytes("L", mask.size, mask.tobytes()), 255
    if not mask.mode.startswith("I"):
        return mask.convert("L"), 255
    whole = mask.convert("I")
    return whole.convert("L"), whole.getextrema()[1]


def _corners(box: Any, size: tuple[int, int], factor: int) -> drawing.Corners | None:
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
    left, right = sorted(round(max(-9.0, min(number, size[0] + 9.0))) for number in corners[::2])
    top, bottom = sorted(round(max(-9.0, min(number, size[1] + 9.0))) for number in corners[1::2])
    return left, top, right, bottom
