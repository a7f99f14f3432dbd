"""A run with an item of every kind of media, converted: each item of both stores, and what is said of it unchanged."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compat_tests.conftest import clean_environment
from compat_tests.convert.conftest import Cli, run_dirs, train
from compat_tests.stores import WandbStore, leaves
from wandb_swan.parity.cells import TABLES, Artifacts
from wandb_swan.parity.content import Verdict, compare
from wandb_swan.parity.logs import read_logs
from wandb_swan.stream.values import items

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
                                             "reference": {"box_data": moved, "class_labels": names}},
                               masks={"predictions": {"mask_data": mask, "class_labels": names},
                                      "reference": {"mask_data": other, "class_labels": names}})})
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
    for layer in ("truth", "predictions", "reference")
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


def held_items(folder: Path) -> dict[str, list[Held]]:
    """SwanLab's key -> the items of the metric, in the order of their steps."""
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
