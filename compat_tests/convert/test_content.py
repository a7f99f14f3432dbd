"""Items of every kind of media are converted, and compared by content: unchanged they are the same, changed they are not."""

from __future__ import annotations

import io
import json
import re
import shutil
import sys
import wave
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from PIL import Image, ImageSequence

from compat_tests.conftest import clean_environment
from compat_tests.convert.conftest import Cli, run_dirs, train
from compat_tests.stores import WandbStore, leaves
from wandb_swan.parity.cells import TABLES, Artifacts
from wandb_swan.parity.content import TableSoFar, Verdict, compare
from wandb_swan.parity.logs import read_logs
from wandb_swan.stream.values import items
from wandb_swan.swan.media.drawing import colour_of

pytestmark = pytest.mark.live

TRAIN = """
import inspect, subprocess
import imageio_ffmpeg, numpy as np, soundfile
import plotly.graph_objects as go
from PIL import Image

random = np.random.default_rng(0)
photo = random.integers(0, 256, (20, 30, 3), dtype=np.uint8)
mask = np.zeros((20, 30), dtype=np.uint8)
mask[10:, 20:] = 2
names = {0: "background", 1: "cat", 2: "dog"}
boxes = [
    {"position": {"minX": 0.2, "maxX": 0.6, "minY": 0.5, "maxY": 0.8}, "class_id": 1, "scores": {"iou": 0.9}},
    {"position": {"middle": [15, 10], "width": 6, "height": 8}, "domain": "pixel", "class_id": 2},
]

def table(*columns, rows):
    return wandb.Table(columns=list(columns), data=rows)

run = wandb.init(project="p", id="kinds")
run.log({"png": wandb.Image(photo, caption="a photo"), "many": [wandb.Image(photo), wandb.Image(photo // 2)]})
for name in ("jpg", "bmp", "webp", "gif", "tiff"):
    Image.fromarray(photo).save(f"photo.{name}", **({"lossless": True} if name == "webp" else {}))
    run.log({name: wandb.Image(f"photo.{name}")})
Image.fromarray((np.arange(600).reshape(20, 30) * 100).astype(np.uint16)).save("deep.tiff")
run.log({"deep": wandb.Image("deep.tiff")})
paletted = Image.fromarray(photo).quantize(9)
paletted.save("clear.gif", transparency=3)
run.log({"clear": wandb.Image("clear.gif")})
run.log({"large": wandb.Image(random.integers(0, 256, (1900, 1900, 3), dtype=np.uint8))})
run.log({"boxes": wandb.Image(photo, boxes={"predictions": {"box_data": boxes, "class_labels": names}})})
run.log({"masks": wandb.Image(photo, masks={"truth": {"mask_data": mask, "class_labels": names}})})
run.log({"both": wandb.Image(photo, boxes={"predictions": {"box_data": boxes, "class_labels": names}},
                             masks={"truth": {"mask_data": mask, "class_labels": names}})})
other = np.roll(mask, (-2, -2), (0, 1))
moved = [{**box, "position": {key: at + 0.05 for key, at in box["position"].items()}} for box in boxes[:1]]
run.log({"layers": wandb.Image(photo, boxes={"predictions": {"box_data": boxes, "class_labels": names},
                                             "ground_truth": {"box_data": moved, "class_labels": names}},
                               masks={"predictions": {"mask_data": mask, "class_labels": names},
                                      "ground_truth": {"mask_data": other, "class_labels": names}})})
tone = np.sin(np.arange(4000) / 5) * 0.5
run.log({"wav": wandb.Audio(tone, sample_rate=8000), "long": wandb.Audio(np.cumsum(np.ones(6_000_000)) / 1e7, sample_rate=44100)})
for name in ("flac", "ogg"):
    soundfile.write(f"tone.{name}", np.stack([tone, tone * 1.9], 1), 8000)
    run.log({name: wandb.Audio(f"tone.{name}")})
frames = [Image.fromarray(frame) for frame in random.integers(0, 256, (6, 16, 24, 3), dtype=np.uint8)]
frames[0].save("clip.gif", save_all=True, append_images=frames[1:], duration=100)
run.log({"clip": wandb.Video("clip.gif")})
for name, source in (("mp4", "testsrc=d=2:s=64x48:r=10"), ("webm", "testsrc2=d=1:s=640x360:r=30"), ("still", "color=c=red:s=64x64:d=3:r=10")):
    file = f"{name}.{'mp4' if name == 'still' else name}"
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i", source, file], check=True)
    run.log({name: wandb.Video(file)})
run.log({"html": wandb.Html("<b>bold</b> \\u4f60", inject=False), "plotly": go.Figure(go.Scatter(x=[1, 2.5], y=[3, 4], name="</script><body>"))})
points = np.arange(15, dtype=float).reshape(5, 3) / 7
corners = [[0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0], [1, 1, 0], [0, 1, 1], [1, 0, 1], [1, 1, 1]]
run.log({"xyz": wandb.Object3D(points), "xyzc": wandb.Object3D(np.hstack([points, [[1], [2], [3], [1], [14]]])),
         "xyzrgb": wandb.Object3D(np.hstack([points, points * 10])),
         "scene": wandb.Object3D({"type": "lidar/beta", "points": points,
             "boxes": np.array([{"corners": corners, "label": "car", "color": [255, 0, 0]}])}),
         "cloud": wandb.Object3D(random.random((90_000, 3)))})
open("shape.glb", "wb").write(b"glTF" + bytes(range(100)))
open("protein.pdb", "w").write("ATOM      1  N   ALA A   1      11.104   6.134  -6.504  1.00  0.00           N\\nEND\\n")
run.log({"glb": wandb.Object3D(open("shape.glb")), "pdb": wandb.Molecule("protein.pdb")})
rows = [[1, "a", 0.1, True, None, float("nan"), [1, 2.5], {"k": [None]}, wandb.Image(photo, caption="dark")],
        [2, "\\u4f60", -0.0, False, 3, float("inf"), [], {}, wandb.Image(photo)]]
columns = ["i", "s", "f", "b", "n.o", "odd", "list", "dict", "image"]
run.log({"cells": wandb.Table(columns=columns, data=rows, allow_mixed_types=True), "doubled": table("a", "a", rows=[[1, 2]]),
         "none": table("a", rows=[]), "cut": table("text", "n", rows=[["x" * 1500, i] for i in range(8000)]),
         "short": table("n", rows=[[i] for i in range(10_500)])})
run.log({"joined": wandb.JoinedTable(table("id", "a", rows=[["1", 2]]), table("id", "b", rows=[["1", 5]]), "id")})
if "log_mode" in inspect.signature(wandb.Table).parameters:  # from wandb 0.20
    growing = wandb.Table(columns=["a"], log_mode="INCREMENTAL")
    for i in range(3):
        growing.add_data(i)
        growing.add_data(i / 3)
        run.log({"growing": growing})
run.log({"histogram": wandb.Histogram(random.standard_normal(500), num_bins=8),
         "uneven": wandb.Histogram(np_histogram=(np.array([1, 2, 3]), np.array([0.0, 0.1, 5.0, 7.5])))})
xy = [[0, 1.5, "p"], [1, 0.25, "p"], [2, float("nan"), "q"], [3, 7, "q"]]
scores = [[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.6, 0.4]]
plot = wandb.plot
for name, chart in {
    "line": lambda: plot.line(table("x", "y", "z", rows=xy), "x", "y", title="A line"),
    "stroke": lambda: plot.line(table("x", "y", "z", rows=xy), "x", "y", stroke="z"),
    "words": lambda: plot.line(table("x", "y", rows=[["mon", 1], ["tue", 2]]), "x", "y"),
    "series": lambda: plot.line_series([0, 1, 2], [[1, 2, 3], [4, 5, 6]], keys=["u", "v"], title="Series", xname="time"),
    "scatter": lambda: plot.scatter(table("x", "y", "z", rows=xy), "x", "y", title="Points"),
    "bar": lambda: plot.bar(table("label", "value", rows=[["a", 2], ["b", 0.125], ["a", 3]]), "label", "value"),
    "bins": lambda: plot.histogram(table("v", "w", rows=[[i * i / 10, "t"] for i in range(30)]), "v"),
    "confusion": lambda: plot.confusion_matrix(y_true=[0, 1, 2, 2, 1], preds=[0, 2, 2, 2, 1], class_names=["a", "b", "c"]),
    "roc": lambda: plot.roc_curve([0, 1, 1, 0], scores),
    "pr": lambda: plot.pr_curve([0, 1, 1, 0], scores),
    "own": lambda: wandb.plot_table("me/own-spec", table("x", "y", rows=[[1, 2]]), {"x": "x"}, {"title": "Own"}),
}.items():
    run.log({name: chart()})
run.log({"mine": {"_type": "my-kind", "x": 1, "y": [1.0, True, None, "\\u4f60"]}})
run.finish()
"""
CHARTS = ("line", "stroke", "words", "series", "scatter", "bar", "bins", "confusion", "roc", "pr", "own")
LABELS = {
    (key, layer): {"0": "background", "1": "cat", "2": "dog"}
    for key in ("masks", "both", "layers")
    for layer in ("truth", "predictions", "ground_truth")
}


@dataclass
class Held:
    """One item of both stores."""

    value: dict[str, Any]
    files: Path
    stored: Path
    kind: str
    key: str
    step: int
    whole: Path | None = None
    """SwanLab's table of a chart that does not show all."""
    rows: Any = None
    """Of a table, its rows with the media that its artifact has of them."""

    def compare(self, stored: Path | None = None, **more: Any) -> Verdict:
        return compare(
            more.pop("value", self.value),
            more.pop("files", self.files),
            stored or self.stored,
            self.kind,
            labels=LABELS,
            path=(self.key,),
            charted=self.key in CHARTS and self.key != "own",
            beside=self.whole,
            rows=more.pop("rows", self.rows),
            keys=lambda column: [f"{self.key}/{column}"],
            **more,
        )


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Held]]:
    """SwanLab's key -> the items of the metric, in the order of their steps."""
    folder = tmp_path_factory.mktemp("content")
    wandb = train(folder / "source", TRAIN, WANDB_DATA_DIR=str(folder / "data"))
    cli = Cli(folder, clean_environment(folder, WANDB_MODE=None, WANDB_DATA_DIR=str(folder / "data")))
    cli.local(wandb)
    (store,) = cli.stores().values()
    (run,) = run_dirs(wandb).values()
    found: dict[str, list[Held]] = {}
    artifacts = Artifacts(read_logs([*run.glob("run-*.wandb")]).of_artifacts)
    for step, row in sorted(WandbStore.read(run).rows.items()):
        for path, value in leaves(row).items():
            key = "/".join(path)
            key = key.removesuffix("_table") if key.removesuffix("_table") in CHARTS else key
            kept = store.media.get(key, {}).get(step, [])
            tables = store.media.get(f"{key}_table", {}).get(step, [])
            whole = store.dir / "media" / "echarts" / tables[0].filename if tables else None
            for single, item in zip(items(value), kept, strict=True):
                kind = store.kinds[key].lower()
                stored = store.dir / "media" / kind / item.filename
                rows = artifacts.whole(single, run / "files") if single["_type"] in TABLES else None
                found.setdefault(key, []).append(Held(single, run / "files", stored, kind, key, step, whole, rows))
    return found


SAME = {
    "png": "same bytes",
    "many": "same bytes",
    "jpg": "same bytes",
    "bmp": "same bytes",
    "webp": "same pixels",
    "gif": "same pixels",
    "tiff": "same pixels",
    "deep": "same pixels",
    "clear": "same pixels",
    "large": "same picture, smaller: 1900 x 1900 of 1900 x 1900 pixels, as JPEG",
    "boxes": "same pixels, drawn again",
    "masks": "same pixels, drawn again",
    "layers": "same pixels, drawn again",
    "both": "same pixels, drawn again",
    "wav": "same bytes",
    "long": "same samples, the first 5242380 of 6000000",
    "flac": "same samples, in PCM 16",
    "ogg": "same samples, in PCM 16",
    "clip": "same bytes",
    "mp4": "same frames",
    "webm": "same frames",
    "still": "same frames",
    "html": "same bytes",
    "plotly": "same figure",
    "xyz": "same points",
    "xyzc": "same points",
    "xyzrgb": "same points",
    "scene": "same points",
    "cloud": "same points, every 2. of 90000",
    "glb": "same bytes",
    "pdb": "same bytes",
    "cells": "same cells",
    "doubled": "same cells",
    "none": "same cells",
    "cut": "same cells in 6875 of 8000 rows",
    "short": "same cells in 10000 of 10500 rows",
    "joined": "same cells",
    "growing": "same cells",
    "histogram": "same bins",
    "uneven": "same bins",
    "line": "same points, same cells",
    "stroke": "same points",
    "words": "same points",
    "series": "same points",
    "scatter": "same points, same cells",
    "bar": "same points",
    "bins": "same bins, same cells",
    "confusion": "same cells",
    "roc": "same points",
    "pr": "same points",
    "own": "same cells",
    "mine": "same text",
}


def test_what_was_not_changed_is_the_same(held: dict[str, list[Held]]) -> None:
    so_far = TableSoFar()
    said = {key: [item.compare(table=so_far) for item in of] for key, of in held.items()}
    assert all(verdict.same for verdicts in said.values() for verdict in verdicts), said
    assert {key: verdicts[-1].how for key, verdicts in said.items()} == SAME


# -- changes -----------------------------------------------------------------------------------------------------------

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
    "a class is gone from a legend": ("layers", without_a_swatch, "the legend does not have class 2 of ground_truth"),
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


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_named(held: dict[str, list[Held]], tmp_path: Path, name: str) -> None:
    key, change, said = CHANGES[name]
    *before, last = held[key]
    changed = tmp_path / last.stored.name
    changed.write_bytes(change(last.stored.read_bytes()))
    assert changed.read_bytes() != last.stored.read_bytes()
    so_far = TableSoFar()
    for item in before:
        item.compare(table=so_far)
    found = last.compare(changed, table=so_far)
    assert found.same is False, found
    assert re.search(said, found.how), found.how
    assert len(found.how) < 200


def test_every_kind_is_changed() -> None:
    assert {key for key, _, _ in CHANGES.values()} == set(SAME)


# -- what cannot be compared -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "module", "said"),
    [
        ("webp", "PIL", "Pillow is not installed"),
        ("large", "PIL", "Pillow is not installed"),
        ("both", "PIL", "Pillow is not installed"),
        ("mp4", "PIL", "Pillow is not installed"),
        ("mp4", "imageio_ffmpeg", "imageio_ffmpeg is not installed"),
        ("ogg", "soundfile", "soundfile is not installed"),
        ("flac", "soundfile", "soundfile is not installed"),
    ],
)
def test_without_a_decoder_nothing_is_said(
    held: dict[str, list[Held]], monkeypatch: pytest.MonkeyPatch, key: str, module: str, said: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    if module == "PIL":
        monkeypatch.setitem(sys.modules, "PIL.Image", None)
    assert held[key][0].compare() == (None, said)


def test_letters_of_another_machine_are_no_difference(
    held: dict[str, list[Held]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import ImageFont

    from wandb_swan.swan.media import layers
    from wandb_swan.swan.media.fonts import Letters

    file = str(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSerif.ttf"))
    monkeypatch.setattr(layers, "letters_for", lambda texts, size: Letters(ImageFont.truetype(file, size), ""))
    for key in ("boxes", "both", "layers"):
        found = held[key][0].compare()
        assert found == (None, "labels or legend are in other letters than a font of this machine has"), key


@pytest.mark.parametrize("key", ["png", "wav", "long", "clip", "html", "plotly", "xyz", "glb", "pdb", "cells", "line"])
def test_without_decoders_copies_and_numbers_are_compared(
    held: dict[str, list[Held]], monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    for module in ("PIL", "PIL.Image", "soundfile", "imageio_ffmpeg", "numpy"):
        monkeypatch.setitem(sys.modules, module, None)
    assert held[key][0].compare().same


def test_without_its_file_nothing_is_said(held: dict[str, list[Held]], tmp_path: Path) -> None:
    for key, of in held.items():
        if of[0].value["_type"] not in ("histogram", "my-kind", "joined-table"):  # they have no file of their own
            for files in (None, tmp_path, tmp_path / "none"):
                assert of[0].compare(files=files) == (None, "the source file is not there"), key
        assert of[0].compare(tmp_path / "gone") == (False, "the file is gone"), key
        assert of[0].compare(tmp_path) == (False, "the file is gone"), "a folder"


def test_a_file_that_was_changed_since_says_nothing(held: dict[str, list[Held]], tmp_path: Path) -> None:
    for key, of in held.items():
        item, path = of[0], of[0].value.get("path")
        if path is None or path.endswith(".pts.json"):
            continue
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        content = (item.files / path).read_bytes()
        (tmp_path / path).write_bytes(content[:-1])
        found = item.compare(files=tmp_path)
        assert found.same is not False, (key, found)


def test_nothing_outside_of_the_folder_is_read(held: dict[str, list[Held]], tmp_path: Path) -> None:
    item = held["png"][0]
    files = tmp_path / "files"
    (files / "media").mkdir(parents=True)
    secret = tmp_path / "secret.png"
    shutil.copyfile(item.stored, secret)
    (files / "media" / "link.png").symlink_to(secret)
    (files / "media" / "folder").symlink_to(tmp_path)
    (files / "media" / "round").symlink_to("round")
    inside = files / "media" / "inside.png"
    inside.symlink_to(files / "own.png")
    shutil.copyfile(item.stored, files / "own.png")
    assert item.compare(files=files, value={"_type": "image-file", "path": "media/inside.png"}).same
    for path in ("../secret.png", str(secret), str(files / "own.png"), "media/link.png", "media/folder/secret.png",
                 "media/round", "media", "", ".", "..", "a\0b", "x" * 5000, "own.png/x", None, 5, ["own.png"]):  # fmt: skip
        found = item.compare(files=files, value={"_type": "image-file", "path": path})
        assert found == (None, "the source file is not there"), path
    layer = {"p": {"path": "../secret.png"}}
    for value in ({"masks": layer}, {"boxes": layer}):
        found = item.compare(files=files, value={"_type": "image-file", "path": "own.png", **value})
        assert found.same is None and "leaves the run's files folder" in found.how
    playlist = files / "list.mp4"
    for text in (f"#EXTM3U\n#EXTINF:1,\n{secret}\n", f"ffconcat version 1.0\nfile {secret}\n"):
        playlist.write_text(text)
        value = {"_type": "video-file", "path": "list.mp4"}
        found = compare(value, files, held["mp4"][0].stored, "image")
        assert found == (None, "a format of videos that is not read here")


def test_an_item_of_another_kind(held: dict[str, list[Held]]) -> None:
    for key, of in held.items():
        if of[0].kind in ("text", "echarts"):
            continue
        other = "molecule" if of[0].kind == "audio" else "audio"
        found = compare(of[0].value, of[0].files, of[0].stored, other)
        assert found.same is False and found.how.startswith(f"SwanLab has it as {other}, not as "), key
    found = compare({"_type": "my-kind"}, None, held["png"][0].stored, "image")
    assert found == (None, "the kind 'my-kind' is not known here")


def test_growing_tables_of_which_a_file_is_missing(held: dict[str, list[Held]], tmp_path: Path) -> None:
    first, second, third = held["growing"]
    so_far = TableSoFar()
    first.compare(table=so_far)
    for item in (third, second):
        assert item.compare(table=so_far) == (None, "earlier rows of a growing table are not there")
    assert third.compare() == (None, "earlier rows of a growing table are not there")
    # What was converted without its earlier rows says so, and is the same.
    partly = tmp_path / "partly.json"
    partly.write_text(
        json.dumps(
            {
                "_swanLab": "table",
                "colDefs": [{"field": "a"}],
                "rowData": [{"a": 2}, {"a": 2 / 3}, {"a": "… 4 of 6 rows are left out here"}],
            }
        )
    )
    assert third.compare(partly) == (True, "same cells in 2 of 6 rows")


def test_broken_and_hostile_items_are_no_errors(held: dict[str, list[Held]], tmp_path: Path) -> None:
    """Files and records of every kind, damaged in many ways: there is a verdict, and never that they are the same."""
    random = np.random.default_rng(1)
    odd = [None, True, -1, 1e999, float("nan"), "x", "\ud800", [], {}, [[]], {"a": None}, 10**400, "[" * 5000]
    for key, of in held.items():
        item = of[0]
        content = item.stored.read_bytes()
        if len(content) > 200_000:
            continue
        texts = [
            b"",
            b"{}",
            b"[]",
            b"null",
            b"[" * 100_000,
            b'{"a":' * 100_000,
            b"9" * 6000,
            content[: len(content) // 2],
        ]
        for at in random.integers(0, len(content), 15):
            texts.append(content[:at] + bytes([content[at] ^ random.integers(1, 256)]) + content[at + 1 :])
        for text in texts:
            damaged = tmp_path / item.stored.name
            damaged.write_bytes(text)
            found = item.compare(damaged)
            if len(text) < len(content) // 2:
                assert found.same is not True, (key, text[:20], found)
            if "path" in item.value:  # and as the source
                source = tmp_path / item.value["path"]
                source.parent.mkdir(parents=True, exist_ok=True)
                source.write_bytes(text)
                item.compare(files=tmp_path, value={**item.value, "sha256": None})
        for field in (*item.value, "boxes", "masks", "packedBins"):
            if field not in ("_type", "path"):
                for value in odd:
                    item.compare(value={**item.value, field: value})
        for value in odd:
            item.compare(value={**item.value, "_type": value})


# -- kinds that a run seldom has ---------------------------------------------------------------------------------------


def of_json(folder: Path, value: dict[str, Any], content: Any, stored: Any, kind: str = "echarts") -> Verdict:
    name = value.setdefault("path", "source.json")
    (folder / name).write_text(json.dumps(content))
    (folder / "stored").write_text(json.dumps(stored))
    return compare(value, folder, folder / "stored", kind)


def test_histograms_of_bins_of_one_width(tmp_path: Path) -> None:
    value = {"_type": "histogram", "values": [4, float("inf")], "packedBins": {"min": -1, "size": 0.5, "count": 2}}
    bars = [{"name": "-1.0 … -0.5", "value": 4}, {"name": "-0.5 … 0.0"}]
    stored = {"series": [{"type": "bar", "data": bars}], "xAxis": [{"data": ["-1 … -0.5", "-0.5 … 0"]}]}
    assert of_json(tmp_path, value, None, stored) == (True, "same bins")
    bars[0]["name"] = "-1 … -0.5"
    assert of_json(tmp_path, value, None, stored) == (True, "same bins")
    bars[0]["name"] = "-1.0 … 0.5"
    assert of_json(tmp_path, value, None, stored) == (False, "bin 0: -1.0 … -0.5 in wandb, -1.0 … 0.5 in SwanLab")
    edges: list[Any] = [-1, -0.5, "0.0"]
    stored = {**stored, "series": [{"type": "bar", "data": [4, None]}], "dataset": {"source": {"edge": edges}}}
    assert of_json(tmp_path, value, None, stored) == (True, "same bins")
    edges[2] = "1"
    assert of_json(tmp_path, value, None, stored) == (False, "bin 1: -0.5 … 0.0 in wandb, -0.5 … 1 in SwanLab")
    value["packedBins"] = {"min": -1, "size": 0.5, "count": 3}
    assert of_json(tmp_path, value, None, stored) == (None, "the histogram in wandb is broken")


def test_media_cells_as_older_versions_of_wandb_wrote_them(tmp_path: Path) -> None:
    item = {"_type": "image-file", "path": "media/images/cat.png", "caption": "a cat"}
    content = {"columns": ["a"], "data": [[item], [{"_type": "histogram"}], ["Image"]]}
    texts = ["image-file media/images/cat.png: a cat", "histogram", "image-file x.png"]
    stored = {"_swanLab": "table", "colDefs": [{"field": "a"}], "rowData": [{"a": text} for text in texts]}
    assert of_json(tmp_path, {"_type": "table-file"}, content, stored) == (True, "same cells")
    for at, text in enumerate(["image-file media/images/cat.png", "histogram: x", "image-filer"]):
        other = json.loads(json.dumps(stored))
        other["rowData"][at]["a"] = text
        found = of_json(tmp_path, {"_type": "table-file"}, content, other)
        assert found.same is False and found.how.startswith(f"cell {at}/a: ")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F", "PA"])
def test_pictures_of_every_mode(tmp_path: Path, mode: str) -> None:
    """What SwanLab gets as a PNG is the same as long as it keeps what a PNG can keep."""
    from wandb_swan.parity.content.pictures import differing

    grey = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8))
    picture = Image.new(mode, (8, 8)) if mode in ("I;16", "PA") else grey.convert(mode)
    other = picture.copy()
    assert differing(picture, other) == 0
    saved = io.BytesIO()
    png = (
        picture
        if mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
        else picture.convert("RGBA" if mode == "PA" else "RGB")
    )
    png.save(saved, "PNG")
    assert differing(picture, Image.open(saved)) == 0
    first = picture.getpixel((0, 0))
    other.putpixel((1, 1), tuple(200 for _ in first) if isinstance(first, tuple) else 200)
    assert differing(picture, other) == 1
    assert differing(other, picture) == 1


def test_what_a_picture_can_lose_unseen(tmp_path: Path) -> None:
    """More than 8 bits, the way up, and 16 bits of a picture that is over SwanLab's limit."""

    def said(source: str, save: Callable[[Path], None]) -> Verdict:
        save(tmp_path / "stored")
        return compare({"_type": "image-file", "path": source}, tmp_path, tmp_path / "stored", "image")

    deep = (np.arange(64).reshape(8, 8) * 1000).astype(np.uint16)
    Image.frombytes("I;16B", (8, 8), deep.byteswap().tobytes()).save(tmp_path / "big_endian.tiff")
    Image.fromarray(deep.astype(np.int32)).save(tmp_path / "wide.tiff")
    for name in ("big_endian.tiff", "wide.tiff"):
        assert said(name, lambda path: Image.fromarray(deep).save(path, "PNG")) == (True, "same pixels")
        clipped = Image.fromarray(deep).convert("RGB")
        assert said(name, lambda path: clipped.save(path, "PNG")) == (False, "63 of 64 pixels differ")  # noqa: B023
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    photo.save(tmp_path / "phone.webp", lossless=True, exif=exif)
    assert said("phone.webp", lambda path: photo.save(path, "PNG", exif=exif)) == (True, "same pixels")
    lost = said("phone.webp", lambda path: photo.save(path, "PNG"))
    assert lost == (False, "orientation 6 (EXIF) in wandb, 1 in SwanLab")
    noise = np.random.default_rng(0).integers(0, 65536, (2400, 2400)).astype(np.uint16)
    Image.fromarray(noise).save(tmp_path / "deep.png")
    grey = Image.fromarray((noise >> 8).astype(np.uint8))
    assert said("deep.png", lambda path: grey.save(path, "JPEG", quality=90)).same
    white = Image.fromarray(noise).convert("RGB")
    assert said("deep.png", lambda path: white.save(path, "JPEG", quality=90)).how.startswith("other colours: ")


MOL = """
  made by hand

  3  2  0  0  0  0  0  0  0  0999 V2000
    0.0000    0.0000    0.0000 O   0  0
    0.9572    0.0000    0.0000 {}   0  0
   -0.2400    0.9266    0.0000 C   0  0
  1  2  1  0
  1  3  1  0
M  END
"""
PDB = """HETATM    1  O1  UNL     1       0.000   0.000   0.000  1.00  0.00           O
HETATM    2  N1  UNL     1       0.957   0.000   0.000  1.00  0.00           N
HETATM    3  C1  UNL     1      -0.240   0.927   0.000  1.00  0.00           C
END
"""


def test_molecules_that_became_pdb(tmp_path: Path) -> None:
    value, stored = {"_type": "molecule-file", "path": "a.mol"}, tmp_path / "a.pdb"
    (tmp_path / "a.mol").write_text(MOL.format("N"))
    stored.write_text(PDB)
    assert compare(value, tmp_path, stored, "molecule") == (True, "same atoms")
    stored.write_text(PDB.replace("0.957", "0.959"))
    assert compare(value, tmp_path, stored, "molecule").how.startswith("atom 1: ('N', 0.9572, ")
    (tmp_path / "a.mol").write_text(MOL.format("H"))
    stored.write_text("".join(PDB.splitlines(keepends=True)[::2]))
    assert compare(value, tmp_path, stored, "molecule") == (False, "3 atoms in wandb, 2 in SwanLab (no hydrogen)")
    (tmp_path / "a.mol2").write_text("@")
    found = compare({**value, "path": "a.mol2"}, tmp_path, stored, "molecule")
    assert found == (None, "atoms of .mol2 files are not counted here")
