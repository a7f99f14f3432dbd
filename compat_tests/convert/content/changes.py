"""Changes of an item in SwanLab's store, each the smallest of its sort, and what is then said."""

from __future__ import annotations

import io
import json
import wave
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, ImageSequence

from wandb_swan.swan.media.drawing import colour_of

Change = Callable[[bytes], bytes]


def pixel(at: tuple[int, int] = (3, 4), mode: str = "") -> Change:
    """One pixel is otherwise, by one step of one channel where the format keeps all of them."""

    def change(content: bytes) -> bytes:
        with Image.open(io.BytesIO(content)) as opened:
            picture = opened.convert(mode) if mode else opened.copy()
        value = picture.getpixel(at)
        other = (value[0] ^ 1, *value[1:]) if isinstance(value, tuple) else int(value or 0) ^ 1
        picture.putpixel(at, other)
        saved = io.BytesIO()
        picture.save(saved, "PNG")
        return saved.getvalue()

    return change


def repainted(content: bytes, change: Callable[[Any], Any]) -> bytes:
    with Image.open(io.BytesIO(content)) as picture:
        pixels = np.array(picture)
    saved = io.BytesIO()
    Image.fromarray(change(pixels)).save(saved, "PNG")
    return saved.getvalue()


def cropped(content: bytes, height: int) -> bytes:
    return repainted(content, lambda pixels: pixels[:height])


def swapped_layers(content: bytes) -> bytes:
    """A class of the one layer has the colour of the other, and the other way round, in the legend as well."""

    def change(pixels: Any) -> Any:
        first, second = ((pixels == colour_of(layer, 1)).all(-1) for layer in (0, 1))
        assert first.sum() > 50 and second.sum() > 50
        pixels[first], pixels[second] = colour_of(1, 1), colour_of(0, 1)
        return pixels

    return repainted(content, change)


def without_a_swatch(content: bytes) -> bytes:
    def change(pixels: Any) -> Any:
        pixels[180:][(pixels[180:] == colour_of(1, 2)).all(-1)] = 255
        return pixels

    return repainted(content, change)


def painted(content: bytes) -> bytes:
    with Image.open(io.BytesIO(content)) as picture:
        picture.paste((255, 0, 0), (400, 500, 440, 540))
        saved = io.BytesIO()
        picture.save(saved, "JPEG", quality=90)
    return saved.getvalue()


def scaled(side: int) -> Change:
    def change(content: bytes) -> bytes:
        with Image.open(io.BytesIO(content)) as picture:
            small = picture.resize((side, side))
        saved = io.BytesIO()
        small.save(saved, "JPEG", quality=90)
        return saved.getvalue()

    return change


def sample(at: int, by: int) -> Change:
    """A 16 bit sample of a WAV file is otherwise."""

    def change(content: bytes) -> bytes:
        out = io.BytesIO()
        with wave.open(io.BytesIO(content)) as source, wave.open(out, "wb") as target:
            target.setparams(source.getparams())
            values = np.frombuffer(source.readframes(source.getnframes()), "<i2").copy()
            values[at * source.getnchannels()] += by
            target.writeframes(values.tobytes())
        return out.getvalue()

    return change


def wave_of(count: int | None = None, rate: int | None = None) -> Change:
    def change(content: bytes) -> bytes:
        out = io.BytesIO()
        with wave.open(io.BytesIO(content)) as source, wave.open(out, "wb") as target:
            target.setparams(source.getparams())
            target.setframerate(rate or source.getframerate())
            target.writeframes(source.readframes(count or source.getnframes()))
        return out.getvalue()

    return change


def frames_as(order: Callable[[list[Any]], list[Any]], **more: Any) -> Change:
    def change(content: bytes) -> bytes:
        with Image.open(io.BytesIO(content)) as opened:
            duration = opened.info["duration"]
            frames = [frame.convert("RGB") for frame in ImageSequence.Iterator(opened)]
        frames = order(frames)
        out = io.BytesIO()
        frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], **{"duration": duration, "loop": 0, **more})
        return out.getvalue()

    return change


def with_a_spot(at: int, part: int = 4) -> Callable[[list[Any]], list[Any]]:
    def change(frames: list[Any]) -> list[Any]:
        frames[at].paste((255, 0, 255), (0, 0, frames[at].width // part, frames[at].height // part))
        return frames

    return change


def swapped(frames: list[Any]) -> list[Any]:
    return [frames[0], frames[2], frames[1], *frames[3:]]


def words(old: str, new: str) -> Change:
    def change(content: bytes) -> bytes:
        assert old.encode() in content
        return content.replace(old.encode(), new.encode(), 1)

    return change


def tree(change: Callable[[Any], Any]) -> Change:
    """Something in JSON is otherwise."""

    def act(content: bytes) -> bytes:
        whole = json.loads(content)
        change(whole)
        return json.dumps(whole).encode()

    return act


def put(*path: Any, value: Any) -> Change:
    def change(whole: Any) -> None:
        for part in path[:-1]:
            whole = whole[part]
        assert json.dumps(whole[path[-1]]) != json.dumps(value)
        whole[path[-1]] = value

    return tree(change)


def drop(*path: Any) -> Change:
    def change(whole: Any) -> None:
        for part in path[:-1]:
            whole = whole[part]
        del whole[path[-1]]

    return tree(change)


def transposed(whole: Any) -> None:
    cells = whole["series"][0]["data"]
    cells[:] = [[down, across, count] for across, down, count in cells]


def moved_name(whole: Any) -> None:
    whole["series"][0]["name"], whole["series"][1]["name"] = whole["series"][1]["name"], whole["series"][0]["name"]


def moved_bin(whole: Any) -> None:
    """An edge is one unit of the last place away."""
    edges = whole["dataset"]["source"]["edge"]
    edges[2] = float(np.nextafter(edges[2], 9))


DATA = ("series", 0, "data")
CHANGES: dict[str, tuple[str, Change, str]] = {
    "a pixel of a PNG": ("png", pixel(), "1 of 600 pixels differ"),
    "a pixel of the second picture": ("many", pixel(), "1 of 600 pixels differ"),
    "a picture of another size": ("png", scaled(9), "30 x 20 pixels in wandb, 9 x 9 in SwanLab"),
    "no picture": ("png", lambda content: b"\x89PNG nothing", "the file in SwanLab is broken"),
    "a torn picture": ("png", lambda content: content[:900], "the file in SwanLab is broken"),
    "a pixel of a JPEG": ("jpg", pixel(), "1 of 600 pixels differ"),
    "a pixel of a BMP": ("bmp", pixel(), "1 of 600 pixels differ"),
    "a pixel of a WebP": ("webp", pixel(), "1 of 600 pixels differ"),
    "a pixel of a GIF": ("gif", pixel(mode="RGB"), "1 of 600 pixels differ"),
    "a pixel of a TIFF": ("tiff", pixel(), "1 of 600 pixels differ"),
    "the last bit of 16": ("deep", pixel(), "1 of 600 pixels differ"),
    "a transparent pixel": ("clear", pixel(mode="RGBA"), "1 of 600 pixels differ"),
    "a part of a large picture": ("large", painted, "other colours:"),
    "a large picture, too small": ("large", scaled(100), "100 x 100 of 1900 x 1900 pixels: fewer than fit"),
    "a pixel of a picture with boxes": ("boxes", pixel((100, 60)), r"1 of \d+ pixels differ"),
    "a pixel of a picture with masks": ("masks", pixel((100, 60)), r"1 of \d+ pixels differ"),
    "a pixel in a legend": ("both", pixel((20, 190)), r"1 of \d+ pixels differ"),
    "a dash of a box": ("layers", pixel((68, 99)), r"1 of \d+ pixels differ"),
    "a gap between dashes": ("layers", pixel((74, 99)), r"1 of \d+ pixels differ"),
    "a contour": ("layers", pixel((162, 140)), r"1 of \d+ pixels differ"),
    "two layers have changed colours": ("layers", swapped_layers, r"\d+ of \d+ pixels differ"),
    "a class is gone from a legend": ("layers", without_a_swatch, "the legend does not have class 2 of reference"),
    "no legend": ("layers", lambda content: cropped(content, 180), "270 x 180 pixels and a legend in wandb, 270 x 180"),
    "a picture that is not drawn on": ("both", lambda content: pixel()(scaled(30)(content)), "30 x 30 in SwanLab"),
    "a sample": ("wav", sample(9, 1), "sample 9: .* in wandb, .* in SwanLab"),
    "a sample of a long sound": ("long", sample(2_000_000, -1), "sample 2000000: "),
    "a long sound cut too short": ("long", wave_of(3_000_000), "6000000 samples in wandb, 3000000 in SwanLab"),
    "a sound cut short": ("wav", wave_of(3999), "4000 samples in wandb, 3999 in SwanLab"),
    "another speed": ("wav", wave_of(rate=16000), "8000 samples a second in wandb, 16000 in SwanLab"),
    "a sample of a FLAC": ("flac", sample(7, 2), "sample 7: "),
    "a sample of an Ogg": ("ogg", sample(3999, 3), "sample 3999: "),
    "an Ogg cut short": ("ogg", wave_of(2000), "4000 samples in wandb, 2000 in SwanLab"),
    "the speed of a FLAC": ("flac", wave_of(rate=16000), "8000 samples a second in wandb"),
    "no sound": ("flac", lambda content: content[:30], "broken"),
    "a spot in a frame of a GIF": ("clip", frames_as(with_a_spot(3)), "frame 0: .* pixels differ|frame 3: "),
    "a frame of a GIF is gone": ("clip", frames_as(lambda frames: frames[:-1]), "6 frames in wandb, 5 in SwanLab"),
    "a spot in a frame of a video": ("mp4", frames_as(with_a_spot(3)), "frame 3: other colours"),
    "two frames have changed places": ("mp4", frames_as(swapped), "frame 1: is frame 2 of wandb's"),
    "two of another video": ("webm", frames_as(swapped), "frame 1: "),
    "a frame of a video is gone": ("mp4", frames_as(lambda frames: frames[1:]), "20 frames in wandb, 19 in SwanLab"),
    "half of the frames": ("webm", frames_as(lambda frames: frames[::2]), "30 frames in wandb, 15 in SwanLab"),
    "a video of another size": (
        "mp4",
        frames_as(lambda frames: [frame.resize((32, 24)) for frame in frames]),
        r"\(64, 48\) pixels of \(64, 48\) in wandb, \(32, 24\) in SwanLab",
    ),
    "a video that stays for less": ("still", frames_as(lambda frames: frames, duration=1000), "30 frames in wandb, 10"),
    "a still of another colour": ("still", frames_as(with_a_spot(0)), "frame 0: other colours"),
    "a word of a page": (
        "html",
        words("bold", "mild"),
        "character 3: 'bold</b> 你' in wandb, 'mild</b> 你' in SwanLab",
    ),
    "a page cut short": ("html", lambda content: content[:8], "character 8: "),
    "a number of a figure": ("plotly", words("2.5", "2.25"), r"data\[0\].x\[1\]: 2.5 in wandb, 2.25 in SwanLab"),
    "a type in a figure": ("plotly", words("[1, ", "[true, "), r"data\[0\].x\[0\]: 1 in wandb, True in SwanLab"),
    "a figure that is not drawn": ("plotly", words("Plotly.newPlot", "void"), "does not draw its figure"),
    "a page without a figure": ("plotly", words("var figure", "var nothing"), "holds no figure"),
    "a point": ("xyz", put("points", 3, 1, value=0.5), "point 3: "),
    "a colour of a point": ("xyz", put("points", 4, 4, value=254.0), "point 4: "),
    "a category": ("xyzc", put("points", 4, 3, value=1.0), "point 4: "),
    "a channel": ("xyzrgb", put("points", 0, 5, value=1.0), "point 0: "),
    "a point is gone": ("xyz", drop("points", 2), "5 points in wandb, 4 in SwanLab"),
    "a corner of a box": (
        "scene",
        put("boxes", 0, "corners", 7, 2, value=2),
        r"box 0.corners\[7\]\[2\]: 1 in wandb, 2",
    ),
    "the label of a box": ("scene", put("boxes", 0, "label", value="cat"), "box 0.label: 'car' in wandb, 'cat' in"),
    "the colour of a box": ("scene", put("boxes", 0, "color", 1, value=9), r"box 0.color\[1\]: 0 in wandb, 9"),
    "a box is gone": ("scene", drop("boxes", 0), "1 boxes in wandb, 0 in SwanLab"),
    "a point of a thinned cloud": ("cloud", put("points", 44_000, 0, value=2.0), "point 88000: "),
    "a cloud that is too thin": (
        "cloud",
        tree(lambda whole: whole.update(points=whole["points"][::2])),
        "90000 points in wandb, 22500 in SwanLab",
    ),
    "a byte of a model": ("glb", lambda content: content[:50] + b"!" + content[51:], "byte 50: 46 in wandb, 33 in"),
    "a model cut short": ("glb", lambda content: content[:-1], "104 bytes in wandb, 103 in SwanLab"),
    "the place of an atom": ("pdb", words("6.134", "6.135"), "line 0: '.*6.134.*' in wandb, '.*6.135"),
    "an atom is gone": ("pdb", lambda content: content.partition(b"\n")[2], "line 0: 'ATOM"),
    "a cell": ("cells", put("rowData", 0, "i", value=2), "cell 0/i: 1 in wandb, 2 in SwanLab"),
    "a text in a cell": ("cells", put("rowData", 1, "s", value="好"), "cell 1/s: '你' in wandb, '好' in SwanLab"),
    "the last bit of a cell": ("cells", put("rowData", 0, "f", value=0.1 + 2e-17), "cell 0/f: 0.1 in wandb, 0.1000"),
    "the sign of a zero": ("cells", put("rowData", 1, "f", value=0.0), "cell 1/f: -0.0 in wandb, 0.0 in SwanLab"),
    "True is not 1": ("cells", put("rowData", 0, "b", value=1), "cell 0/b: True in wandb, 1 in SwanLab"),
    "None is not empty": ("cells", put("rowData", 0, "n\u2024o", value=""), "cell 0/n\u2024o: None in wandb, '' in"),
    "NaN is no 0": ("cells", put("rowData", 0, "odd", value=None), "cell 0/odd: nan in wandb, None in SwanLab"),
    "a list in a cell": ("cells", put("rowData", 0, "list", value="[1, 2]"), r"cell 0/list: \[1, 2.5\] in wandb"),
    "a dict in a cell": ("cells", put("rowData", 0, "dict", value='{"k": [0]}'), "cell 0/dict: "),
    "a picture in a cell": (
        "cells",
        put("rowData", 0, "image", value="html-file a"),
        "cell 0/image: 'image-file, row 0: dark' in wandb, 'html-file a' in SwanLab",
    ),
    "a cell that names the picture of another row": (
        "cells",
        put("rowData", 1, "image", value="cells/image, row 0: dark"),
        "cell 1/image: 'image-file, row 1' in wandb, 'cells/image, row 0: dark' in SwanLab",
    ),
    "a cell that names another key": (
        "cells",
        put("rowData", 1, "image", value="cell/image, row 1"),
        "cell 1/image: 'image-file, row 1' in wandb, 'cell/image, row 1' in SwanLab",
    ),
    "a cell of a joined table": ("joined", put("rowData", 0, "b", value=4), "cell 0/b: 5 in wandb, 4 in SwanLab"),
    "a row of a joined table": ("joined", drop("rowData", 0), "1 rows in wandb, 0 in SwanLab"),
    "a header": ("cells", put("colDefs", 2, "field", value="g"), "column 2: 'f' in wandb, 'g' in SwanLab"),
    "a column is gone": ("cells", drop("colDefs", 8), "9 columns in wandb, 8 in SwanLab"),
    "a cell is gone": ("cells", drop("rowData", 1, "s"), "9 cells of row 1 in wandb, 8 in SwanLab"),
    "a row is gone": ("cells", drop("rowData", 1), "2 rows in wandb, 1 in SwanLab"),
    "a row more": (
        "cells",
        tree(lambda whole: whole["rowData"].append(whole["rowData"][0])),
        "2 rows in wandb, 3 in SwanLab",
    ),
    "a name that is there twice": ("doubled", put("colDefs", 1, "field", value="a"), r"column 1: 'a \(2\)' in wandb"),
    "a row where there is none": ("none", tree(lambda whole: whole["rowData"].append({"a": 1})), "0 rows in wandb, 1"),
    "a cell of a cut table": ("cut", put("rowData", 5000, "n", value=1), "cell 5000/n: 5000 in wandb, 1 in SwanLab"),
    "a cut table that lost rows": (
        "cut",
        tree(lambda whole: whole.update(rowData=whole["rowData"][5000:])),
        "1875 rows of 8000 in SwanLab, which says: 1125 of 8000 left out",
    ),
    "a table that was not to be cut": (
        "cut",
        tree(
            lambda whole: whole.update(
                rowData=[*whole["rowData"][:10], {"text": "… 7990 of 8000 rows are left out here", "n": None}]
            )
        ),
        "8000 rows in wandb, 10 in SwanLab",
    ),
    "a cut table that does not say so": ("cut", drop("rowData", -1), "8000 rows in wandb, 6875 in SwanLab"),
    "a row of a long table": ("short", drop("rowData", 77), "9999 rows of 10500 in SwanLab, which says: 500 of 10500"),
    "an early row of a growing table": ("growing", put("rowData", 1, "a", value=7), "cell 1/a: 0.0 in wandb, 7 in"),
    "a late row of a growing table": ("growing", drop("rowData", 5), "6 rows in wandb, 5 in SwanLab"),
    "a count": ("histogram", put(*DATA, 3, value=0), r"bin 3: \d+ in wandb, 0 in SwanLab"),
    "an edge": ("histogram", tree(moved_bin), "bin 1: .* in wandb, .* in SwanLab"),
    "the label of a bin": ("uneven", put("xAxis", 0, "data", 0, value="0"), "label of bin 0: "),
    "a bin is gone": ("uneven", drop(*DATA, 2), "3 bins in wandb, 2 in SwanLab"),
    "an edge is gone": ("uneven", drop("dataset", "source", "edge", 3), "3 bins in wandb, 2 in SwanLab"),
    "an edge is a text": (
        "uneven",
        put("dataset", "source", "edge", 3, value="7,5"),
        "bin 2: .*, 5.* … 7,5 in SwanLab",
    ),
    "a value of a curve": ("line", put(*DATA, 3, 1, value=7.5), r"point \(3, 7.5\) of SwanLab's chart is not in"),
    "a place of a curve": ("line", put(*DATA, 0, 0, value=0.5), r"point \(0.5, 1.5\) of SwanLab's chart is not in"),
    "a gap in a curve": ("line", put(*DATA, 2, 1, value=0), r"point \(2, 0\) of SwanLab's chart is not in"),
    "a point of a curve is gone": ("line", drop(*DATA, 1), "4 points in wandb, 3 in SwanLab"),
    "two curves have changed names": ("stroke", tree(moved_name), r"point \(0, 1.5\): not in a curve 'q' in wandb"),
    "the name of a curve": ("line", put("series", 0, "name", value="z"), "not in a curve 'z' in wandb"),
    "a word of an axis": ("words", put(*DATA, 0, 0, value="sun"), r"point \('sun', 1\) of SwanLab's chart is not in"),
    "a value of a series": ("series", put("series", 1, "data", 2, 1, value=7), r"point \(2, 7\) of SwanLab's chart"),
    "a point of many": ("scatter", put(*DATA, 1, 1, value=True), r"point \(1, True\) of SwanLab's chart is not in"),
    "a bar": ("bar", put(*DATA, 1, value=0.25), r"bar 1: \('b', 0.25\) of SwanLab's chart is not in"),
    "the label of a bar": ("bar", put("xAxis", 0, "data", 2, value="c"), r"bar 2: \('c', 3\) of SwanLab's chart"),
    "a bar is gone": (
        "bar",
        lambda content: drop(*DATA, 2)(drop("xAxis", 0, "data", 2)(content)),
        "3 bars in wandb, 2",
    ),
    "a count of a chart": ("bins", put(*DATA, 1, "value", value=9), "bin 1: 2 in wandb, 9 in SwanLab"),
    "a number of a chart": ("bins", put("dataset", "source", 5, 0, value=1.7), "number 4: 1.6 in wandb, 1.7 in"),
    "an edge of a chart": ("bins", put(*DATA, 1, "name", value="5.0 … 11.0"), "do not follow each other"),
    "a cell of a matrix": (
        "confusion",
        put(*DATA, 0, 2, value=8),
        "cell .* of SwanLab's chart is not in wandb's table",
    ),
    "a matrix the other way round": ("confusion", tree(transposed), "cell .* of SwanLab's chart is not in"),
    "a class of a matrix": ("confusion", put("xAxis", 0, "data", 0, value="z"), r"cell \('z', .* is not in"),
    "a point of a ROC curve": ("roc", put(*DATA, 0, 1, value=0.75), r"point \(.*, 0.75\) of SwanLab's chart"),
    "a point of a PR curve": ("pr", put(*DATA, 0, 0, value=0.75), r"point \(0.75, .*\) of SwanLab's chart"),
    "a cell of a chart that is not known": ("own", put("rowData", 0, "y", value=3), "cell 0/y: 2 in wandb, 3 in"),
    "a text": ("mine", put("y", 1, value=False), r"y\[1\]: True in wandb, False in SwanLab"),
    "a number of a text": ("mine", put("x", value=2), "x: 1.0 in wandb, 2.0 in SwanLab"),
    "a text that is none": ("mine", lambda content: content[:-1], "is no JSON"),
}
"""What is changed -> the metric, the change in its last file, and what is said of it."""
