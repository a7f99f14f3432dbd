"""Pictures: formats that SwanLab shows, boxes and masks drawn onto them."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...stream.events import Tree
from .. import limits
from ..files import UnusableError

if TYPE_CHECKING:
    from .item import Item

_MAGIC = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpg", b"BM": "bmp"}

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


def showable(content: bytes, item: Item) -> tuple[bytes, str]:
    """The picture in a format and size that SwanLab takes, and the format: as it is where that is possible.

    Raises:
        UnusableError: the file is broken, or Pillow is needed and not installed.
    """
    file_type = next((name for magic, name in _MAGIC.items() if content.startswith(magic)), None)
    try:
        from PIL import Image
    except ImportError:
        if file_type and len(content) <= limits.MEDIA_BYTES:
            return content, file_type
        raise UnusableError("Pillow is not installed: a picture is kept as a run file", keep=item.file) from None
    try:
        with Image.open(io.BytesIO(content)) as picture:
            picture.load()
            frames = getattr(picture, "n_frames", 1)
            if frames > 1:
                item.lose("SwanLab shows the first frame of an animated picture", f"{frames} frames")
            if file_type is None:
                content, file_type = _encoded(picture, "png"), "png"
            if len(content) > limits.MEDIA_BYTES:
                content, file_type = _shrunk(picture, len(content), item), "jpg"
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UnusableError("the picture is broken", f"{item.file}: {error}") from error
    return content, file_type


def _encoded(picture: Any, file_type: str, **options: Any) -> bytes:
    from PIL import Image

    if file_type == "png" and picture.mode not in {"1", "L", "LA", "P", "RGB", "RGBA", "I;16"}:
        picture = picture.convert("RGBA" if "A" in picture.getbands() else "RGB")
    if file_type == "jpeg" and picture.mode not in {"L", "RGB"}:
        flat = Image.new("RGB", picture.size, (255, 255, 255))
        bare = picture.convert("RGBA")
        flat.paste(bare, mask=bare.getchannel("A"))
        picture = flat
    encoded = io.BytesIO()
    picture.save(encoded, format=file_type, **options)
    return encoded.getvalue()


def _shrunk(picture: Any, size: int, item: Item) -> bytes:
    """The picture as JPEG, scaled down as far as it must be."""
    scale = 1.0
    while True:
        width, height = (max(1, round(side * scale)) for side in picture.size)
        small = picture if scale == 1 else picture.convert("RGB").resize((width, height))
        content = _encoded(small, "jpeg", quality=90)
        if len(content) <= limits.MEDIA_BYTES:
            detail = f"{size} of {limits.MEDIA_BYTES} bytes; JPEG of {width} x {height} of {picture.size} kept"
            item.lose("a picture was cut to SwanLab's 10 MB", detail)
            return content
        scale *= 0.7


# -- boxes and masks ---------------------------------------------------------------------------------------------------


@dataclass
class _Layer:
    """One layer of boxes or one of masks; wandb's names: `predictions`, `ground_truth`."""

    name: str
    labels: Mapping[str, str]
    boxes: list[Tree] = field(default_factory=list)
    mask: bytes | None = None

    def label(self, number: Any) -> str:
        return limits.clean_text(str(self.labels.get(str(number), f"class {number}")))


class Layers:
    """The boxes and masks of one picture; false if there are none to draw. A layer that is broken is left out."""

    def __init__(self, item: Item) -> None:
        self._item = item
        self._layers: list[_Layer] = []
        boxes, masks = item.value.get("boxes"), item.value.get("masks")
        if not (boxes or masks):
            return
        try:
            import PIL  # noqa: F401
        except ImportError:
            item.lose("Pillow is not installed: boxes and masks are not drawn", "")
            return
        for name, value in masks.items() if isinstance(masks, dict) else ():
            self._add(name, value, self._mask)
        for name, value in boxes.items() if isinstance(boxes, dict) else ():
            self._add(name, value, self._boxes)

    def __bool__(self) -> bool:
        return bool(self._layers)

    def _add(self, name: str, value: Any, read: Any) -> None:
        try:
            self._layers.append(read(name, value.get("path") if isinstance(value, dict) else None))
        except UnusableError as error:
            self._item.lose(f"boxes or masks: {error.reason}", f"layer {name}: {error.detail}")

    def _mask(self, name: str, path: Any) -> _Layer:
        from PIL import Image

        content = self._item.files.read(path)
        try:
            with Image.open(io.BytesIO(content)) as mask:
                mask.load()
        except (OSError, ValueError, SyntaxError) as error:
            raise UnusableError("the file is broken", f"{path}: {error}") from error
        return _Layer(name, self._item.mask_labels.get((self._item.path[-1], name), {}), mask=content)

    def _boxes(self, name: str, path: Any) -> _Layer:
        content = self._item.files.json(path)
        if not isinstance(content, dict) or not isinstance(content.get("box_data"), list):
            raise UnusableError("the file is broken", str(path))
        labels = content.get("class_labels")
        boxes = [box for box in content["box_data"] if isinstance(box, dict) and isinstance(box.get("position"), dict)]
        return _Layer(name, labels if isinstance(labels, dict) else {}, boxes=boxes)

    def draw(self, content: bytes) -> bytes:
        """The picture with everything drawn onto it, as PNG; small pictures are enlarged so that text can be read.

        Raises:
            UnusableError: the picture is broken.
        """
        from PIL import Image, ImageDraw, ImageFont

        try:
            with Image.open(io.BytesIO(content)) as source:
                picture = source.convert("RGB")
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise UnusableError("the picture is broken", f"{self._item.file}: {error}") from error
        factor = max(1, math.ceil(_READABLE / max(picture.size)))
        picture = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
        font = ImageFont.load_default(size=12)
        legend: dict[str, dict[str, tuple[int, int, int]]] = {}
        several = len({layer.name for layer in self._layers}) > 1
        for layer in self._layers:
            if layer.mask is not None:
                seen = _blend(picture, layer)
            else:
                seen = _outline(ImageDraw.Draw(picture), picture.size, factor, layer, font, several=several)
            if seen and (several or layer.mask is not None):
                entries = legend.setdefault(limits.clean_text(layer.name), {})
                entries.update({layer.label(number): _colour(number) for number in seen})
        return _encoded(_with_legend(picture, legend, font), "png")


def _colour(number: Any) -> tuple[int, int, int]:
    return COLOURS[number % len(COLOURS)] if isinstance(number, int) else COLOURS[0]


def _blend(picture: Any, layer: _Layer) -> list[Any]:
    """Colours every class of a mask but the background; returns the classes."""
    from PIL import Image

    with Image.open(io.BytesIO(layer.mask or b"")) as source:
        mask = source.convert("L").resize(picture.size, Image.Resampling.NEAREST)
    seen = [
        number
        for number, count in enumerate(mask.histogram())
        if count and not (number == 0 and layer.labels.get("0", "").strip().lower() in _BACKGROUND)
    ]
    for number in seen:
        opacity = [115 if value == number else 0 for value in range(256)]
        picture.paste(_colour(number), (0, 0, *picture.size), mask.point(opacity))
    return seen


def _outline(draw: Any, size: tuple[int, int], factor: int, layer: _Layer, font: Any, *, several: bool) -> list[Any]:
    """Draws the boxes of a layer with their labels and scores; returns their classes."""
    seen = []
    for box in layer.boxes:
        corners = _corners(box, size, factor)
        if corners is None:
            continue
        number = box.get("class_id")
        seen.append(number)
        colour = _colour(number)
        draw.rectangle(corners, outline=colour, width=2)
        text = limits.clean_text(str(box.get("box_caption") or layer.label(number)))
        scores = box.get("scores")
        for name, score in scores.items() if isinstance(scores, dict) else ():
            text += f" {name} {score:.3g}" if isinstance(score, int | float) else ""
        text = f"{layer.name}: {text}" if several else text
        x, y = max(0, corners[0]), max(0, corners[1] - _LINE)
        draw.rectangle((x, y, x + draw.textlength(text, font=font) + 4, y + _LINE), fill=colour)
        draw.text((x + 2, y + 1), text, font=font, fill=_ink(colour))
    return sorted(set(seen), key=str)


def _corners(box: Tree, size: tuple[int, int], factor: int) -> tuple[float, float, float, float] | None:
    """Left, top, right, bottom in pixels of the enlarged picture. wandb's positions are fractions unless `pixel`."""
    at = box["position"]
    try:
        if "middle" in at:
            (x, y), width, height = at["middle"], at["width"], at["height"]
            left, top, right, bottom = x - width / 2, y - height / 2, x + width / 2, y + height / 2
        else:
            left, top, right, bottom = at["minX"], at["minY"], at["maxX"], at["maxY"]
        across, down = (factor, factor) if box.get("domain") == "pixel" else size
        corners = (float(left) * across, float(top) * down, float(right) * across, float(bottom) * down)
    except (KeyError, TypeError, ValueError):
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
