"""Pictures, sounds, videos, pages, 3D objects and molecules are in SwanLab, at wandb's step, with captions and content."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from wandb.proto import wandb_internal_pb2 as pb

from compat_tests.conftest import WAYS, Record, Recorded, clean_environment, coming_by, recorder
from compat_tests.stores import SwanStore, WandbStore, assert_same_values
from wandb_swan.journal.writer import JournalWriter
from wandb_swan.swan.media.drawing import COLOURS, colour_of

pytestmark = pytest.mark.live

SCRIPT = """
import os, subprocess, sys
import imageio_ffmpeg, numpy as np
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
import plotly.graph_objects as go
from PIL import Image
import wandb_swan as wandb

random = np.random.default_rng(0)
photo = random.integers(0, 256, (20, 30, 3), dtype=np.uint8)
grey = photo[:, :, 0]
mask = np.zeros((20, 30), dtype=np.uint8)
mask[10:, 20:] = 2
names = {0: "background", 1: "cat", 2: "dog"}

def drawn():
    boxes = [
        {"position": {"minX": 0.2, "maxX": 0.6, "minY": 0.5, "maxY": 0.8}, "class_id": 1, "scores": {"iou": 0.9}},
        {"position": {"middle": [15, 10], "width": 6, "height": 8}, "domain": "pixel", "class_id": 2},
    ]
    return wandb.Image(
        photo, caption="seen",
        boxes={"predictions": {"box_data": boxes, "class_labels": names}},
        masks={"truth": {"mask_data": mask, "class_labels": names}},
    )

def images(run):
    run.log({"one": wandb.Image(photo, caption="a photo")})
    run.log({"many": [wandb.Image(photo, caption="first"), wandb.Image(grey), wandb.Image(photo, file_type="jpg", caption="third")]})
    for name in ("webp", "tiff", "gif", "bmp", "jpg", "png"):
        Image.fromarray(photo).save(f"photo.{name}", **({"lossless": True} if name == "webp" else {}))
        run.log({f"from_{name}": wandb.Image(f"photo.{name}")})
    figure = plt.figure()
    plt.plot([1, 2, 3])
    run.log({"matplotlib": wandb.Image(figure)})
    run.log({"deep": {"er": {"image": wandb.Image(photo)}, "x": 1}}, step=50)
    try:
        run.log({"drawn": drawn(), "list_drawn": [drawn(), wandb.Image(photo), drawn()]})
    except ValueError:
        pass  # wandb 0.19 cannot make a mask with Pillow 12

def sound_and_motion(run):
    tone = (np.sin(np.arange(4000) / 5) * 0.5)
    run.log({"audio": wandb.Audio(tone, sample_rate=8000, caption="a tone")})
    run.log({"audios": [wandb.Audio(tone, sample_rate=8000, caption="one"), wandb.Audio(tone[:100], sample_rate=16000)]})
    frames = [Image.fromarray(frame) for frame in random.integers(0, 256, (6, 16, 24, 3), dtype=np.uint8)]
    frames[0].save("clip.gif", save_all=True, append_images=frames[1:], duration=100)
    run.log({"gif": wandb.Video("clip.gif", caption="moves"), "loss": 0.5})
    run.log({"gifs": [wandb.Video("clip.gif"), wandb.Video("clip.gif", caption="second")]})
    for name in ("mp4", "webm", "ogg"):
        extra = ["-c:v", "libtheora", "-f", "ogg"] if name == "ogg" else []
        done = subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i", "testsrc=d=1:s=64x48:r=10", *extra, f"clip.{name}"])
        if done.returncode == 0:
            run.log({name: wandb.Video(f"clip.{name}")})

def pages_and_shapes(run):
    run.log({"html": wandb.Html("<b>bold</b>", inject=False), "htmls": [wandb.Html("<i>1</i>"), wandb.Html("<i>2</i>")]})
    run.log({"plotly": go.Figure(go.Scatter(x=[1, 2], y=[3, 4], name="</script><b>"))})
    run.log({"plotlies": [wandb.Plotly(go.Figure(go.Bar(y=[5, 6])))]})
    figure, axes = plt.subplots()
    axes.plot([1, 2, 3], [4, 5, 6])
    run.log({"mpl_as_plotly": figure})
    points = np.arange(15, dtype=float).reshape(5, 3)
    run.log({"xyz": wandb.Object3D(points), "xyzc": wandb.Object3D(np.hstack([points, [[1], [2], [3], [1], [2]]])),
             "xyzrgb": wandb.Object3D(np.hstack([points, points * 10]))})
    corners = [[0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0], [1, 1, 0], [0, 1, 1], [1, 0, 1], [1, 1, 1]]
    run.log({"scene": wandb.Object3D({"type": "lidar/beta", "points": points,
             "boxes": np.array([{"corners": corners, "label": "car", "color": [255, 0, 0]}]),
             "vectors": np.array([{"start": [0, 0, 0], "end": [1, 1, 1]}])}, caption="street")})
    run.log({"clouds": [wandb.Object3D(points), wandb.Object3D(points + 1)]})
    open("shape.glb", "wb").write(b"glTF" + bytes(20))
    open("shape.obj", "w").write("v 0 0 0\\nv 1 0 0\\nv 0 1 0\\nf 1 2 3\\n")
    run.log({"glb": wandb.Object3D(open("shape.glb")), "obj": wandb.Object3D(open("shape.obj"))})
    open("protein.pdb", "w").write("ATOM      1  N   ALA A   1      11.104   6.134  -6.504  1.00  0.00           N\\nEND\\n")
    run.log({"molecule": wandb.Molecule("protein.pdb", caption="alanine"), "molecules": [wandb.Molecule("protein.pdb", caption="x"), wandb.Molecule("protein.pdb")]})
    try:
        from rdkit import Chem
    except ImportError:
        return
    Chem.MolToMolFile(Chem.MolFromSmiles("CCO"), "ethanol.mol")
    run.log({"smiles": wandb.Molecule.from_smiles("CCO", caption="ethanol"), "rdkit": wandb.Molecule.from_rdkit("ethanol.mol")})

def rows(run):
    run.log({"loss": 0.5, "image": wandb.Image(photo), "note": "mixed", "n": {"h": wandb.Histogram([1, 2]), "x": 2}}, commit=False)
    run.log({"acc": 0.25, "list": [1, 2, 3]})
    run.log({"loss": 1, "image": wandb.Image(photo, caption="old")}, step=9)
    run.log({"image": wandb.Image(grey, caption="new")}, step=9)
    run.log({"image": 5}, step=10)
    run.log({"image": "text"}, step=11)

def odd(run):
    run.log({"mixed": [wandb.Image(photo), wandb.Html("x")]})
    run.log({"graph": wandb.Graph(), "mine": {"_type": "my-kind", "x": 1}, "typeless": {"_type": 7}, "last": 1})

def limits(run):
    run.log({"crowd": [wandb.Html(str(i), inject=False) for i in range(110)], "x": 1})
    run.log({"large": wandb.Image(random.integers(0, 256, (1900, 1900, 3), dtype=np.uint8)), "x": 2})
    run.log({"page": wandb.Html("z" * (11 << 20), inject=False), "x": 3})
    run.log({"long": wandb.Audio(np.zeros(6_000_000), sample_rate=44100), "x": 4})

for case in (images, sound_and_motion, pages_and_shapes, rows, odd, limits):
    run = wandb.init(project="media", id=case.__name__.replace("_", "0"), name=case.__name__)
    case(run)
    run.finish()
"""


@pytest.fixture(scope="module", params=WAYS)
def recorded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    record = coming_by(request.param, recorder(tmp_path_factory.mktemp("media")))
    return record(SCRIPT, WANDB_SWAN_FINISH_TIMEOUT="0.01", WANDB_SWAN_KEEP_ORIGINAL="1")


@pytest.fixture(scope="module")
def stores(recorded: Recorded) -> dict[str, tuple[WandbStore, SwanStore]]:
    return {wandb.run.display_name: (wandb, swan) for wandb, swan in recorded.pairs().values()}


def photo() -> Any:
    return np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def pixels(content: bytes) -> Any:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def captions(swan: SwanStore, key: str, step: int) -> list[str]:
    return [item.caption for item in swan.media[key][step]]


def lost(swan: SwanStore) -> dict[tuple[str, str], int]:
    return {(item["key"], item["reason"]): item["count"] for item in swan.about.get("not_mirrored", [])}


def test_images_keep_pixels_captions_and_count(stores: dict[str, tuple[WandbStore, SwanStore]]) -> None:
    wandb, swan = stores["images"]
    assert captions(swan, "one", 0) == ["a photo"]
    assert captions(swan, "many", 1) == ["first", "", "third"]
    first, grey, jpeg = swan.content("many", 1)
    assert np.array_equal(pixels(first), photo())
    assert np.array_equal(pixels(grey)[:, :, 0], photo()[:, :, 0])
    assert jpeg == (wandb.dir / "files" / wandb.rows[1]["many"]["filenames"][2]).read_bytes()
    for key in ("one", "from_webp", "from_tiff", "from_bmp", "from_png", "deep/er/image"):
        (step,) = swan.media[key]
        assert np.array_equal(pixels(swan.content(key, step)[0]), photo()), key
        assert swan.kinds[key] == "IMAGE"
        assert abs(swan.times[key, step] - wandb.timestamps[step]) < 1e-5
    for key in ("from_jpg", "from_gif", "matplotlib"):
        (step,) = swan.media[key]
        source = wandb.dir / "files" / wandb.rows[step][key]["path"]
        assert np.array_equal(pixels(swan.content(key, step)[0]), pixels(source.read_bytes())), key
    assert swan.scalars["deep/x"] == {50: 1}
    assert not lost(swan)


def test_what_is_copied_is_on_the_disk_once(stores: dict[str, tuple[WandbStore, SwanStore]]) -> None:
    shared = 0
    for wandb, swan in stores.values():
        theirs = {file.read_bytes() for file in (wandb.dir / "files" / "media").rglob("*") if file.is_file()}
        for file in (swan.dir / "media").rglob("*.*"):
            linked, same = file.stat().st_nlink > 1, file.read_bytes() in theirs
            assert linked == same or (same and file.suffix == ".png"), file  # a PNG that was made may be as another is
            shared += linked
    assert shared > 20


def test_boxes_and_masks_are_drawn(stores: dict[str, tuple[WandbStore, SwanStore]]) -> None:
    _, swan = stores["images"]
    if "drawn" not in swan.media:
        pytest.skip("this wandb cannot make masks with this Pillow")
    (step,) = swan.media["drawn"]
    (content,) = swan.content("drawn", step)
    shown = pixels(content)
    factor = shown.shape[1] // 30
    assert factor >= 2 and shown.shape[0] > 20 * factor, "small pictures are enlarged, the legend is below"
    assert tuple(shown[int(0.8 * 20 * factor) - 1, int(0.4 * 30 * factor)]) == COLOURS[1], "lower edge, fractions"
    assert tuple(shown[14 * factor - 1, 13 * factor]) == COLOURS[2], "lower edge, pixels"
    bare = photo().repeat(factor, 0).repeat(factor, 1)
    covered = shown[18 * factor, 28 * factor].astype(int) - bare[18 * factor, 28 * factor] * (140 / 255)
    assert np.abs(covered - np.array(colour_of(1, 2)) * (115 / 255)).max() < 2, "half transparent, of another layer"
    assert np.array_equal(shown[18 * factor, 2 * factor], bare[18 * factor, 2 * factor]), "the background stays"
    assert captions(swan, "drawn", step) == captions(swan, "drawn/original", step) == ["seen"]
    assert np.array_equal(pixels(swan.content("drawn/original", step)[0]), photo())
    assert captions(swan, "list_drawn", step) == ["seen", "", "seen"]
    first, plain, third = swan.content("list_drawn", step)
    assert np.array_equal(pixels(first), shown) and np.array_equal(pixels(third), shown)
    assert np.array_equal(pixels(plain), photo())


def test_sounds_keep_their_samples(stores: dict[str, tuple[WandbStore, SwanStore]]) -> None:
    wandb, swan = stores["sound_and_motion"]
    assert captions(swan, "audio", 0) == ["a tone"] and captions(swan, "audios", 1) == ["one", ""]
    assert swan.kinds["audio"] == "AUDIO"
    paths = [wandb.rows[0]["audio"]["path"], *(item["path"] for item in wandb.rows[1]["audios"]["audio"])]
    contents = [*swan.content("audio", 0), *swan.content("audios", 1)]
    assert [(wandb.dir / "files" / path).read_bytes() for path in paths] == contents
    with wave.open(io.BytesIO(contents[2])) as sound:
        assert (sound.getframerate(), sound.getnframes()) == (16000, 100)


def test_videos_are_gifs(stores: dict[str, tuple[WandbStore, SwanStore]]) -> None:
    wandb, swan = stores["sound_and_motion"]
    assert swan.content("gif", 2) == [(wandb.dir / "files" / wandb.rows[2]["gif"]["path"]).read_bytes()]
    assert captions(swan, "gif", 2) == ["moves"] and captions(swan, "gifs", 3) == ["", "second"]
    assert swan.scalars["loss"] == {2: 0.5}
    converted = [key for row in wandb.rows.values() for key in row if key in ("mp4", "webm", "ogg")]
    assert "mp4" in converted and "webm" in converted
    for key in converted:
        (step,) = swan.media[key]
        gif = Image.open(io.BytesIO(swan.content(key, step)[0]))
        assert (gif.format, gif.size, gif.n_frames) == ("GIF", (64, 48), 10), key  # type: ignore[attr-defined]
        assert gif.info["duration"] == 100


def figure_of(page: bytes) -> dict[str, Any]:
    found = re.search(r"var figure = (.*);\n", page.decode())
    assert found
    figure: dict[str, Any] = json.loads(found[1])
    return figure


def test_pages_and_figures(stores: dict[str, tuple[WandbStore, SwanStore]]) -> None:
    wandb, swan = stores["pages_and_shapes"]
    assert swan.content("html", 0) == [b"<b>bold</b>"]
    assert [page[-8:] for page in swan.content("htmls", 0)] == [b"<i>1</i>", b"<i>2</i>"]
    for step, key in ((1, "plotly"), (3, "mpl_as_plotly")):
        (page,) = swan.content(key, step)
        told = json.loads((wandb.dir / "files" / wandb.rows[step][key]["path"]).read_text())
        assert figure_of(page) == told, key
        assert page.count(b"</script>") == 2, "the data cannot end the script"
        assert b"https://cdn.plot.ly/plotly-" in page
    assert figure_of(swan.content("plotlies", 2)[0])["data"][0]["type"] == "bar"
    assert "plotlies" not in [key for key, kind in swan.kinds.items() if kind == "TEXT"]


def test_shapes(stores: dict[str, tuple[WandbStore, SwanStore]]) -> None:
    wandb, swan = stores["pages_and_shapes"]

    def points(key: str, step: int, item: int = 0) -> Any:
        return np.array(json.loads(swan.content(key, step)[item])["points"])

    grid = np.arange(15, dtype=float).reshape(5, 3)
    for key in ("xyz", "xyzc", "xyzrgb"):
        assert np.array_equal(points(key, 4)[:, :3], grid), key
    assert np.array_equal(points("xyzrgb", 4)[:, 3:], grid * 10)
    colours = points("xyzc", 4)[:, 3:]
    assert np.array_equal(colours[0], colours[3]) and not np.array_equal(colours[0], colours[1])
    (scene,) = (json.loads(content) for content in swan.content("scene", 5))
    assert scene["boxes"][0]["label"] == "car" and len(scene["boxes"][0]["corners"]) == 8
    assert captions(swan, "scene", 5) == ["street"]
    assert np.array_equal(points("clouds", 6, 1)[:, :3], grid + 1)
    assert swan.content("glb", 7) == [b"glTF" + bytes(20)]
    assert (swan.kinds["molecule"], captions(swan, "molecule", 8)) == ("MOLECULE", ["alanine"])
    assert captions(swan, "molecules", 8) == ["x", ""]
    assert swan.content("molecule", 8)[0].startswith(b"ATOM      1  N   ALA")
    assert lost(swan) == {
        ("scene", "SwanLab shows no vectors in a point cloud"): 1,
        ("obj", "SwanLab shows no 3D model of this format: kept as a run file"): 1,
    }
    assert wandb.rows[7]["obj"]["path"] in [save.name for save in swan.saves]


def test_molecules_in_other_formats(stores: dict[str, tuple[WandbStore, SwanStore]]) -> None:
    pytest.importorskip("rdkit")
    _, swan = stores["pages_and_shapes"]
    assert b"HETATM" in swan.content("smiles", 9)[0] and captions(swan, "smiles", 9) == ["ethanol"]
    assert b"HETATM" in swan.content("rdkit", 9)[0]


def test_mixed_rows_are_whole(stores: dict[str, tuple[WandbStore, SwanStore]]) -> None:
    wandb, swan = stores["rows"]
    assert_same_values(wandb, swan)
    assert set(swan.media["image"]) == {0, 9} and set(swan.media["n/h"]) == {0}
    assert captions(swan, "image", 9) == ["new"], "the later value of a key wins"
    assert swan.scalars["image (scalar)"] == {10: 5} and swan.texts("image (text)") == {11: "text"}
    assert "summary" not in swan.about, "media are no summary set by hand"


def test_what_swanlab_has_no_place_for_is_text_and_counted(
    stores: dict[str, tuple[WandbStore, SwanStore]], recorded: Recorded
) -> None:
    wandb, swan = stores["odd"]
    assert swan.kinds["mixed"] == "IMAGE" and swan.kinds["mixed (html)"] == "HTML"
    assert json.loads(swan.texts("mine")[1]) == {"_type": "my-kind", "x": 1}
    assert json.loads(swan.texts("typeless")[1]) == {"_type": 7}
    assert json.loads(swan.texts("graph")[1])["_type"] == "graph-file"
    assert wandb.rows[1]["graph"]["path"] in [save.name for save in swan.saves]
    assert swan.scalars["last"] == {1: 1}
    assert {reason for _, reason in lost(swan)} == {
        f"unknown kind {kind}: kept as text" for kind in ("'graph-file'", "'my-kind'", "'7'")
    }


def test_limits_cut_and_say_so(stores: dict[str, tuple[WandbStore, SwanStore]], recorded: Recorded) -> None:
    wandb, swan = stores["limits"]
    assert swan.scalars["x"] == {step: step + 1 for step in range(4)}
    assert swan.content("crowd", 0) == [str(i).encode() for i in range(108)]
    (large,) = swan.content("large", 1)
    assert len(large) <= 10 << 20 and Image.open(io.BytesIO(large)).size == (1900, 1900)
    assert "page" not in swan.media
    assert wandb.rows[2]["page"]["path"] in [save.name for save in swan.saves]
    (sound,) = swan.content("long", 3)
    with wave.open(io.BytesIO(sound)) as cut:
        assert 10_000_000 < cut.getnframes() * 2 <= 10 << 20
    assert lost(swan) == {
        ("crowd", "SwanLab takes 108 items a step: the others are left out"): 2,
        ("large", "a picture was cut to SwanLab's 10 MB"): 1,
        ("page", "over SwanLab's 10 MB: kept as a run file"): 1,
        ("long", "a sound was cut to SwanLab's 10 MB"): 1,
    }
    said = recorded.explain()
    for words in ("crowd: SwanLab takes 108 items a step: the others are left out (step 0: 110 items)", "step 3: 118."):
        assert words in said


def test_missing_broken_and_hostile_items_cost_themselves_alone(tmp_path: Path) -> None:
    files = tmp_path / "run" / "files"
    good = files / "media" / "images" / "good.png"
    good.parent.mkdir(parents=True)
    Image.fromarray(photo()).save(good)
    secret = tmp_path / "secret.png"
    secret.write_bytes(good.read_bytes())
    (files / "secret.json").write_text('{"columns": ["a"], "data": [[1]]}')
    (files / "media" / "link.png").symlink_to(secret)
    (files / "media" / "folder").symlink_to(tmp_path)
    (files / "media" / "torn.png").write_bytes(good.read_bytes()[:500])
    (files / "media" / "odd.pts.json").write_text('{"points": [5]}')
    for name in ("broken.json", "broken.gif", "broken.wav", "broken.mp4", "broken.png"):
        (files / "media" / name).write_bytes(b"nonsense")
    image = {"_type": "image-file"}
    bad: dict[str, Any] = {
        "up": {**image, "path": "../../secret.png"},
        "absolute": {**image, "path": str(secret)},
        "link": {**image, "path": "media/link.png"},
        "through": {**image, "path": "media/folder/secret.png"},
        "missing": {**image, "path": "media/images/gone.png"},
        "torn": {**image, "path": "media/torn.png"},
        "nonsense": {**image, "path": "media/broken.png"},
        "no_path": image,
        "odd_path": {**image, "path": ["x"]},
        "null": {**image, "path": "a\0b"},
        "folder": {**image, "path": "media"},
        "table": {"_type": "table-file", "path": "media/broken.json"},
        "cells": {"_type": "table-file", "path": "media/images/good.png"},
        "plotly": {"_type": "plotly-file", "path": "media/broken.json"},
        "cloud": {"_type": "object3D-file", "path": "media/broken.pts.json"},
        "odd_cloud": {"_type": "object3D-file", "path": "media/odd.pts.json"},
        "video": {"_type": "video-file", "path": "media/broken.mp4"},
        "sound": {"_type": "audio-file", "path": "media/broken.wav"},
        "bins": {"_type": "histogram", "values": [1, 2], "bins": [1]},
        "packed": {"_type": "histogram", "values": [1, 2], "packedBins": {"min": 0, "size": 1}},
        "strange": {"_type": "images/separated", "filenames": 5},
    }
    row = {
        "before": 1,
        **bad,
        "some": {"_type": "images/separated", "filenames": ["media/images/good.png", "../x", "media/images/good.png"],
                 "captions": ["a", "b", "c"], "all_boxes": [{"p": {"path": "../b.json"}}, None, None]},
        "zafter": 2,
    }  # fmt: skip
    journal = tmp_path / "swanlog" / "journals" / "crafted.journal"
    journal.parent.mkdir(parents=True)
    writer = JournalWriter(journal)
    settings = {"mode": "offline", "log_dir": str(tmp_path / "swanlog")}
    writer.note(type="begin", settings=settings, run={"files": str(files)})
    record = pb.Record()
    run = record.request.run_start.run
    run.run_id, run.project = "crafted", "media"
    writer.append(record.SerializeToString())
    record = pb.Record()
    for key, value in row.items():
        record.request.partial_history.item.add(key=key, value_json=json.dumps(value))
    writer.append(record.SerializeToString())
    for path in ("media/folder/secret.png", "../secret.png", "/etc/hostname", "gone.txt", ".."):
        record = pb.Record()
        record.files.files.add(path=path)
        writer.append(record.SerializeToString())
    record = pb.Record()
    record.exit.exit_code = 0
    writer.append(record.SerializeToString())
    writer.note(type="end")
    writer.close()
    code = "import sys; from wandb_swan.mirror.process import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, str(journal)]
    done = subprocess.run(command, env=clean_environment(tmp_path), capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    swan = SwanStore.read(next((tmp_path / "swanlog").glob("run-*")))
    assert swan.state == "finished"
    assert swan.scalars == {"before": {0: 1.0}, "zafter": {0: 2.0}}
    assert set(swan.media) == {"some", "strange"} and captions(swan, "some", 0) == ["a", "c"]
    assert json.loads(swan.texts("strange")[0]) == bad["strange"]
    reasons: dict[str, list[str]] = {}
    for key, reason in lost(swan):
        reasons.setdefault(key, []).append(reason)
    refused = "a path that leaves the run's files folder is refused"
    for key in ("up", "absolute", "link", "through"):
        assert reasons[key] == [refused], key
    assert set(bad) <= set(reasons)
    assert lost(swan)["some", refused] == 1 and lost(swan)["some", f"boxes or masks: {refused}"] == 1
    saved = {save.name for save in swan.saves if save.name.startswith(("media", ".", "/", "secret"))}
    assert saved == {"media/broken.mp4", "media/broken.wav", "media/broken.png"}, (
        "what cannot be converted is kept as a file"
    )
    for path in ("media/folder/secret.png", "../secret.png", "/etc/hostname"):
        assert any("refused" in reason for reason in reasons[path]), path
    assert "torn: the picture is broken (step 0: media/torn.png" in done.stderr


def test_watched_torch_model(record: Record) -> None:
    pytest.importorskip("torch")
    script = """
        import torch
        import wandb_swan as wandb
        torch.manual_seed(0)
        model = torch.nn.Linear(4, 2)
        with wandb.init(project="media") as run:
            run.watch(model, log="all", log_freq=1)
            for _ in range(3):
                loss = model(torch.randn(8, 4)).square().mean()
                loss.backward()
                run.log({"loss": loss.item()})
    """
    wandb, swan = record(script).pair()
    watched = {(key, step) for step, row in wandb.rows.items() for key in row if "/" in key}
    assert {key for key, _ in watched} == {
        f"{part}/{name}" for part in ("gradients", "parameters") for name in ("weight", "bias")
    }
    for key, step in watched:
        (chart,) = (json.loads(content) for content in swan.content(key, step))
        assert [bar["value"] for bar in chart["series"][0]["data"]] == wandb.rows[step][key]["values"]
