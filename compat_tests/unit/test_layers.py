"""Layers of boxes and masks that are drawn onto one picture can be told apart, and read."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from PIL import Image, ImageDraw

from wandb_swan.parity.content import compare
from wandb_swan.stream.events import MaskLabels
from wandb_swan.swan.files import RunFiles
from wandb_swan.swan.media import fonts
from wandb_swan.swan.media.drawing import colour_of
from wandb_swan.swan.media.reader import MediaReader

NAMES = {"0": "background", "1": "cat", "2": "dog"}
BOX = {"position": {"minX": 0.2, "minY": 0.3, "maxX": 0.7, "maxY": 0.8}, "class_id": 1}
NOT_IN_THE_FONT = "letters of boxes or masks are not in the font"


class Drawing:
    """A run of pictures with layers."""

    def __init__(self, folder: Path) -> None:
        self.files, self.stored = folder / "files", folder / "stored.png"
        self.files.mkdir()
        self.lost: list[tuple[str, str]] = []
        self.reader = MediaReader(RunFiles(self.files))
        self.labels: dict[tuple[str, str], dict[str, str]] = {}

    def draw(
        self,
        size: tuple[int, int] = (300, 200),
        *,
        boxes: dict[str, list[Any]] | None = None,
        masks: dict[str, Any] | None = None,
        names: dict[str, str] = NAMES,
    ) -> Any:
        """The pixels of the picture, which is grey, after it was compared with what wandb has."""
        Image.new("RGB", size, (90, 90, 90)).save(self.files / "a.png")
        value: dict[str, Any] = {"_type": "image-file", "path": "a.png"}
        for name, found in (boxes or {}).items():
            (self.files / f"{name}.json").write_text(json.dumps({"box_data": found, "class_labels": names}))
            value.setdefault("boxes", {})[name] = {"path": f"{name}.json"}
        for name, mask in (masks or {}).items():
            Image.fromarray(mask).save(self.files / f"{name}.png")
            value.setdefault("masks", {})[name] = {"path": f"{name}.png"}
            self.labels["key", name] = names
            self.reader.labels(MaskLabels(key="key", layer=name, labels=names))
        ((_, media),) = self.reader.read(("key",), value, lambda *lost: self.lost.append(lost))
        self.stored.write_bytes(media.buffer.getvalue())
        found = compare(value, self.files, self.stored, "image", labels=self.labels, path=("key",))
        assert found == (True, "same pixels, drawn again")
        return np.asarray(Image.open(io.BytesIO(self.stored.read_bytes())).convert("RGB"))


@pytest.fixture
def drawing(tmp_path: Path) -> Drawing:
    return Drawing(tmp_path)


def mask(size: tuple[int, int], left: int, right: int, number: int = 1) -> Any:
    classes = np.zeros(size[::-1], dtype=np.uint8)
    classes[size[1] // 4 : size[1] // 2, left:right] = number
    return classes


def shows(pixels: Any, colour: tuple[int, ...]) -> int:
    return int((pixels == colour).all(-1).sum())


def test_one_class_in_two_layers_has_two_colours() -> None:
    colours = {(layer, number): colour_of(layer, number) for layer in range(7) for number in [*range(12), -1, "cat"]}
    assert len(set(colours.values())) == len(colours)
    for (one, first), (other, second) in itertools.combinations(colours.items(), 2):
        if one[1] == other[1] and max(one[0], other[0]) < 3:
            assert sum(abs(a - b) for a, b in zip(first, second, strict=True)) >= 40, (one, other)
    assert len({colour_of(layer, number) for layer in (0, 1) for number in range(256)}) == 512
    assert colour_of(0, 10**400) == colour_of(0, 10**400) and colour_of(9, None)


def test_boxes_of_two_layers(drawing: Drawing) -> None:
    other = {**BOX, "position": {key: at + 0.1 for key, at in BOX["position"].items()}}  # type: ignore[attr-defined]
    pixels = drawing.draw(boxes={"predictions": [BOX], "reference": [other]})
    first, second = colour_of(0, 1), colour_of(1, 1)
    assert all(shows(pixels[:200], colour) > 100 and shows(pixels[200:], colour) > 10 for colour in (first, second))
    assert (pixels[60, 60:211] == first).all(), "a line"
    dashes = (pixels[80, 213:240] == second).all(-1)
    assert dashes.any() and not dashes.all(), "dashes"
    assert pixels.shape == (200 + 36, 300, 3), "the legend is below"


def test_masks_of_two_layers(drawing: Drawing) -> None:
    size = (300, 200)
    pixels = drawing.draw(masks={"predictions": mask(size, 50, 150), "reference": mask(size, 100, 250)})
    assert (pixels[75, 200] == 90).all(), "the second layer does not hide what it covers"
    assert tuple(pixels[75, 249]) == tuple(pixels[50, 200]) == colour_of(1, 1), "it has a contour"
    area = [round((90 * 140 + part * 115) / 255) for part in colour_of(0, 1)]
    assert pixels[75, 60].tolist() == pixels[75, 120].tolist() == area, "the first is an area"
    assert shows(pixels[200:], colour_of(0, 1)) > 50 and shows(pixels[200:], colour_of(1, 1)) > 50


def test_the_order_of_layers_may_be_another_in_the_cloud(drawing: Drawing) -> None:
    size = (300, 200)
    drawing.draw(masks={"predictions": mask(size, 50, 150), "reference": mask(size, 100, 250)})
    value: dict[str, Any] = {"_type": "image-file", "path": "a.png"}
    value["masks"] = {name: {"path": f"{name}.png"} for name in ("reference", "predictions")}
    found = compare(value, drawing.files, drawing.stored, "image", labels=drawing.labels, path=("key",))
    assert found == (True, "same pixels, drawn again")
    value["masks"] = {"reference": {"path": "predictions.png"}, "predictions": {"path": "reference.png"}}
    assert not compare(value, drawing.files, drawing.stored, "image", labels=drawing.labels, path=("key",)).same


def test_boxes_of_one_layer_and_masks_of_another(drawing: Drawing) -> None:
    pixels = drawing.draw(boxes={"predictions": [BOX]}, masks={"reference": mask((300, 200), 50, 150)})
    assert shows(pixels[:200], colour_of(0, 1)) > 100
    area = [round((90 * 140 + part * 115) / 255) for part in colour_of(1, 1)]
    assert pixels[58, 55].tolist() == area
    pixels = drawing.draw(boxes={"one": [BOX]}, masks={"one": mask((300, 200), 50, 150, 2)})
    assert shows(pixels[200:], colour_of(0, 2)) and shows(pixels[200:], colour_of(0, 1)), "one layer, both in its line"


@pytest.mark.parametrize("size", [(30, 20), (8, 200), (200, 8), (2400, 1600), (1, 1)])
def test_pictures_of_all_sizes(drawing: Drawing, size: tuple[int, int]) -> None:
    """Small ones are enlarged; on large ones, which are seen smaller than they are, lines and letters are larger."""
    factor, scale = max(1, -(-256 // max(size))), max(1, round(max(size) / 800))
    masks = {"predictions": mask(size, 0, size[0] // 2), "reference": mask(size, size[0] // 3, size[0])}
    pixels = drawing.draw(size, boxes={"predictions": [BOX], "reference": [BOX, {**BOX, "class_id": 2}]}, masks=masks)
    assert pixels.shape[1] == max(size[0] * factor, 160 * scale)
    assert (pixels[size[1] * factor :] == colour_of(1, 2)).all(-1).sum() > 30 * scale**2


def test_no_legend_where_labels_say_all(drawing: Drawing) -> None:
    assert drawing.draw(boxes={"predictions": [BOX]}).shape == (200, 300, 3)
    assert drawing.draw(boxes={"predictions": [], "reference": []}).shape == (200, 300, 3)


def test_odd_classes(drawing: Drawing) -> None:
    odd = [{**BOX, "class_id": number} for number in ("cat", None, -3, 10**30, 1.5, True, "\ud800")]
    drawing.draw(boxes={"a": odd, "b": odd, "c": odd})
    assert not drawing.lost


# -- letters -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The one folder in which fonts are."""
    found = tmp_path / "fonts" / "deeper"
    found.mkdir(parents=True)
    monkeypatch.setattr(fonts, "_folders", lambda: [found.parent])
    for kept in (fonts._files, fonts._with):
        kept.cache_clear()
    yield found
    for kept in (fonts._files, fonts._with):
        kept.cache_clear()


def make_font(file: Path, letters: str) -> None:
    """A font in which each of the letters is a triangle."""
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    names = {letter: f"uni{ord(letter):04X}" for letter in letters}
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    pen.lineTo((800, 0))
    pen.lineTo((400, 800))
    pen.closePath()
    triangle, empty = pen.glyph(), TTGlyphPen(None).glyph()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", *names.values()])
    builder.setupCharacterMap({ord(letter): name for letter, name in names.items()})
    builder.setupGlyf({".notdef": empty, **{name: triangle for name in names.values()}})
    builder.setupHorizontalMetrics({name: (900, 0) for name in [".notdef", *names.values()]})
    builder.setupHorizontalHeader(ascent=850, descent=-150)
    builder.setupNameTable({"familyName": file.stem, "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(file)


ASCII = "".join(map(chr, range(32, 127)))


def test_letters_come_from_a_font_of_this_machine(drawing: Drawing, folder: Path) -> None:
    make_font(folder / "Some.ttf", ASCII)
    make_font(folder / "NotoSansCJK-Regular.ttc.otf", ASCII + "猫狗真实预测")
    (folder / "broken.ttf").write_bytes(b"no font")
    make_font(folder / "LastResort.otf", ASCII + "".join(map(chr, range(0x4E00, 0x9FFF))))
    names = {"0": "background", "1": "猫", "2": "狗"}
    drawing.draw(boxes={"预测": [BOX], "真实": [{**BOX, "class_id": 2}]}, names=names)
    assert not drawing.lost
    assert fonts.letters_for(["猫"], 12).font.path == str(folder / "NotoSansCJK-Regular.ttc.otf")
    assert fonts.letters_for(["cat"], 12).font.getname()[0] == "Aileron", "Pillow's own where it has all"


def test_a_font_that_has_some_of_the_letters_is_better_than_none(folder: Path) -> None:
    make_font(folder / "some.ttf", ASCII + "猫")
    letters = fonts.letters_for(["猫龘"], 12)
    assert letters.has("猫 x") and not letters.has("龘")


def test_without_a_font_there_are_numbers_and_a_word(
    drawing: Drawing, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    monkeypatch.setattr(ImageDraw.ImageDraw, "text", lambda self, at, text, **more: written.append(text))
    names = {"0": "background", "1": "猫", "2": "狗"}
    drawing.draw(
        boxes={"预测": [{**BOX, "scores": {"iou": 0.5}}, {**BOX, "box_caption": "猫 a"}], "b": [BOX]}, names=names
    )
    assert written[:3] == ["class 1", "class 1 iou 0.5", "? a"]
    assert written[3:7] == ["b:", "class 1", "layer 2:", "class 1"]
    told = [detail for reason, detail in drawing.lost if reason == NOT_IN_THE_FONT]
    assert told == ["layer b: 猫", "layer 预测: 猫 iou 0.5", "layer 预测: 猫 a", "layer 预测: 预测", "layer 预测: 猫"]


def test_matplotlib_brings_greek_and_cyrillic() -> None:
    assert any(path.is_relative_to(Path(matplotlib.get_data_path())) for path in fonts._folders())
    letters = fonts.letters_for(["Жираф αβγ é"], 12)
    assert not letters.lacking
