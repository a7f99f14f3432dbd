"""What media become without the optional packages, and which staged files are read."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from wandb_swan.stream.events import Artifact
from wandb_swan.swan.files import RunFiles, UnusableError
from wandb_swan.swan.media.reader import MediaReader
from wandb_swan.swan.staged import Staged


@pytest.fixture
def lost() -> list[str]:
    return []


@pytest.fixture
def read(tmp_path: Path, lost: list[str]) -> Any:
    reader = MediaReader(RunFiles(tmp_path))

    def read(value: dict[str, Any]) -> Any:
        ((_, media),) = reader.read(("key",), value, lambda reason, _: lost.append(reason))
        return media

    return read


def picture(kind: str) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (3, 2), (1, 2, 3)).save(content, kind)
    return content.getvalue()


def test_without_pillow_pictures_pass_as_they_are(
    tmp_path: Path, read: Any, lost: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in ("png", "jpeg", "bmp", "webp"):
        (tmp_path / f"a.{kind}").write_bytes(picture(kind))
    monkeypatch.setitem(sys.modules, "PIL", None)
    for kind in ("png", "jpeg", "bmp"):
        media = read({"_type": "image-file", "path": f"a.{kind}", "caption": "c"})
        assert (media.buffer.getvalue(), media.caption) == ((tmp_path / f"a.{kind}").read_bytes(), "c")
    read({"_type": "image-file", "path": "a.png", "boxes": {"p": {"path": "b.json"}}})
    assert lost == ["Pillow is not installed: boxes and masks are not drawn"]
    with pytest.raises(UnusableError, match="Pillow is not installed") as error:
        read({"_type": "image-file", "path": "a.webp"})
    assert error.value.keep == "a.webp"


def test_without_ffmpeg_videos_are_kept_as_files(tmp_path: Path, read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.mp4").write_bytes(b"video")
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(UnusableError, match=r"needs wandb-swan\[media\]") as error:
        read({"_type": "video-file", "path": "a.mp4"})
    assert error.value.keep == "a.mp4"


def test_a_point_without_a_place_costs_itself(tmp_path: Path, read: Any, lost: list[str]) -> None:
    (tmp_path / "a.pts.json").write_text('{"points": [[1, 2, 3], [NaN, 2, 3], [4, 5, 6]]}')
    media = read({"_type": "object3D-file", "path": "a.pts.json"})
    assert [point[:3] for point in json.loads(media.buffer.getvalue())["points"]] == [[1, 2, 3], [4, 5, 6]]
    assert lost == ["points without a place were left out of a point cloud"]


def test_staged_files_are_read_from_the_staging_folder_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "cache"))
    staging = tmp_path / "artifacts" / "staging"
    staging.mkdir(parents=True)
    content = b'{"columns": []}'
    digest = base64.b64encode(hashlib.md5(content).digest()).decode()
    for path in (staging / "in", tmp_path / "out"):
        path.write_bytes(content)
    (staging / "link").symlink_to(tmp_path / "out")
    staged = Staged()
    files = [("in", digest), ("out", digest), ("link", digest), ("other", "not its MD5"), ("gone", digest)]
    places = {"out": tmp_path / "out", "other": staging / "in"}
    told = tuple((name, str(places.get(name, staging / name)), md5) for name, md5 in files)
    staged.add(Artifact(name="run-x-t", type="run_table", client_id="id", files=told))
    found = [staged.json(f"wandb-client-artifact://id/{name}") for name, _ in files]
    assert [held and held[0] for held in found] == [{"columns": []}, None, None, None, None]
    assert staged.json("wandb-client-artifact://id/in", "out") is staged.json(None) is None
    name = hashlib.md5(content).hexdigest()
    (tmp_path / "cache" / "artifacts" / "obj" / "md5" / name[:2]).mkdir(parents=True)
    (staging / "in").rename(tmp_path / "cache" / "artifacts" / "obj" / "md5" / name[:2] / name[2:])
    assert staged.json("wandb-client-artifact://id/in")[0] == {"columns": []}, "uploaded"  # type: ignore[index]


def test_an_artifact_may_name_a_file_of_another_one(tmp_path: Path) -> None:
    staging = tmp_path / "artifacts" / "staging"
    staging.mkdir(parents=True)
    digests = {}
    for name, content in (("t", b'{"columns": []}'), ("p", b"picture")):
        (staging / name).write_bytes(content)
        digests[name] = base64.b64encode(hashlib.md5(content).digest()).decode()
    staged = Staged()
    of_user = (("t.table.json", str(staging / "t"), digests["t"]), ("media/p.png", str(staging / "p"), digests["p"]))
    staged.add(Artifact(name="data", type="dataset", client_id="user", files=of_user))
    named = (("key.table.json", "wandb-client-artifact://user/t.table.json", digests["t"]),)
    circle = (("a.table.json", "wandb-client-artifact://run/a.table.json", ""),)
    staged.add(Artifact(name="run-x-t", type="run_table", client_id="run", files=named + circle))
    found = staged.json("wandb-client-artifact://run/key.table.json")
    assert found is not None and found[0] == {"columns": []} and found[1].read("media/p.png") == b"picture"
    assert staged.json("wandb-client-artifact://run/a.table.json") is None
    with pytest.raises(UnusableError, match="missing"):
        found[1].read("media/other.png")


def test_pictures_that_need_work(tmp_path: Path, read: Any, lost: list[str]) -> None:
    frames = [Image.new("L", (4, 4), shade) for shade in (0, 255)]
    frames[0].save(tmp_path / "two.gif", save_all=True, append_images=frames[1:])
    assert read({"_type": "image-file", "path": "two.gif"}).file_type == "png"
    Image.new("F", (4, 4), 0.5).save(tmp_path / "float.tiff")
    assert Image.open(read({"_type": "image-file", "path": "float.tiff"}).buffer).mode == "L"
    noise = Image.effect_noise((2600, 2600), 200).convert("RGB")
    noise.putalpha(Image.effect_noise((2600, 2600), 200))
    noise.save(tmp_path / "big.png", compress_level=0)
    media = read({"_type": "image-file", "path": "big.png"})
    assert media.file_type == "jpg" and len(media.buffer.getvalue()) <= 10 * 1024**2
    assert lost == [
        "SwanLab shows the first frame of an animated picture",
        "a picture of 32 bits a pixel is shown in 8",
        "a picture was cut to SwanLab's 10 MB",
    ]
    (tmp_path / "torn.png").write_bytes(picture("png")[:40])
    for value in ({"path": "torn.png"}, {"path": "torn.png", "boxes": {"p": {"path": "p.json"}}}):
        (tmp_path / "p.json").write_text('{"box_data": [{"position": {"minX": 0, "minY": 0, "maxX": 1, "maxY": 1}}]}')
        with pytest.raises(UnusableError, match="the picture is broken"):
            read({"_type": "image-file", **value})


@pytest.mark.parametrize(
    ("layer", "told"),
    [
        ({"boxes": {"p": {"path": "none.json"}}}, "the file is missing"),
        ({"boxes": {"p": {"path": "list.json"}}}, "the file is broken"),
        ({"masks": {"p": {"path": "list.json"}}}, "the file is broken"),
        ({"boxes": {"p": {"path": "odd.json"}}}, None),
    ],
)
def test_boxes_and_masks_that_make_no_sense(
    tmp_path: Path, read: Any, lost: list[str], layer: dict[str, Any], told: str | None
) -> None:
    """The picture is kept in any case."""
    (tmp_path / "a.png").write_bytes(picture("png"))
    (tmp_path / "list.json").write_text("[]")
    odd = [
        {"position": {"minX": 0.1, "minY": 0.1, "maxX": "x", "maxY": 1}},
        {"position": {"middle": [float("inf"), 1], "width": 1, "height": 1}},
        {"position": {"middle": [1, 1], "width": 2, "height": 1}, "domain": "pixel", "class_id": 1, "box_caption": "b"},
        "no box",
    ]
    (tmp_path / "odd.json").write_text(json.dumps({"box_data": odd, "class_labels": ["no", "dict"]}))
    assert read({"_type": "image-file", "path": "a.png", **layer}).file_type == "png"
    assert lost == [f"boxes or masks: {told}" if told else "boxes without a place are not drawn"]


def test_point_clouds_and_molecules_at_the_limits(tmp_path: Path, read: Any, lost: list[str]) -> None:
    points = [[i / 7, i / 11, i / 13] for i in range(90_000)]
    scene = {"points": points, "vectors": [{"start": [0, 0, 0], "end": [1, 1, 1]}]}
    (tmp_path / "a.pts.json").write_text(json.dumps(scene))
    media = read({"_type": "object3D-file", "path": "a.pts.json"})
    assert len(media.buffer.getvalue()) <= 10 * 1024**2
    assert lost == ["SwanLab shows no vectors in a point cloud", "a point cloud was thinned to SwanLab's 10 MB"]
    (tmp_path / "b.pts.json").write_text('{"boxes": [{"corners": [[0, 0, 0], [1, 1, 1]]}], "points": []}')
    assert json.loads(read({"_type": "object3D-file", "path": "b.pts.json"}).buffer.getvalue())["points"]
    (tmp_path / "a.mol2").write_text("no molecule")
    with pytest.raises(UnusableError, match="cannot read this molecule") as error:
        read({"_type": "molecule-file", "path": "a.mol2"})
    assert error.value.keep == "a.mol2"
    (tmp_path / "a.obj").write_text("v 0 0 0")
    with pytest.raises(UnusableError, match="no 3D model of this format"):
        read({"_type": "object3D-file", "path": "a.obj"})


def test_paths_that_are_none(tmp_path: Path, read: Any) -> None:
    (tmp_path / "folder").mkdir()
    for path, told in (
        (None, "without a file path"),
        ("a\0b", "without a file path"),
        ("../a", "leaves"),
        ("folder", "missing"),
    ):
        with pytest.raises(UnusableError, match=told):
            read({"_type": "html-file", "path": path})
    with pytest.raises(UnusableError, match="folder is not known"):
        RunFiles(None).find("a")
    (tmp_path / "a.json").write_text("[" * 100_000)
    with pytest.raises(UnusableError, match="the file is broken"):
        read({"_type": "plotly-file", "path": "a.json"})


class Tables:
    """Tables with media, in a staging folder."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WANDB_CACHE_DIR", str(folder / "cache"))
        self._staging = folder / "artifacts" / "staging"
        self._staging.mkdir(parents=True)
        self._folder = folder
        self.reader = MediaReader(RunFiles(folder))
        self.lost: list[tuple[Path | tuple[str, ...], str, int]] = []

    def read(self, run_rows: list[Any], rows: list[Any], **media: bytes) -> dict[str, list[Any]]:
        """SwanLab's media by key; one column, named `im`."""
        (self._folder / "t.json").write_text(json.dumps({"columns": ["im"], "data": run_rows}))
        table = json.dumps({"columns": ["im"], "data": rows}).encode()
        files = []
        for at, (path, content) in enumerate({"t.table.json": table, **media}.items()):
            (self._staging / str(at)).write_bytes(content)
            files.append((path, str(self._staging / str(at)), base64.b64encode(hashlib.md5(content).digest()).decode()))
        self.reader.staged.add(Artifact(name="run-x-t", type="run_table", client_id="id", files=tuple(files)))
        value = {"_type": "table-file", "path": "t.json", "artifact_path": "wandb-client-artifact://id/t.table.json"}
        found: dict[str, list[Any]] = {}
        for path, read in self.reader.read(
            ("t",),
            value,
            lambda reason, detail: self.lost.append((("t",), reason, 1)),
            lambda path, reason, detail, count: self.lost.append((path, reason, count)),
        ):
            found.setdefault("/".join(path), []).append(read)
        return found


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tables:
    return Tables(tmp_path, monkeypatch)


def test_the_media_of_one_table_are_bounded_by_bytes(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    content = picture("png")
    monkeypatch.setattr("wandb_swan.swan.limits.TABLE_BYTES", 3 * len(content))
    item = {"_type": "image-file", "path": "p"}
    found = tables.read([["Image"]] * 5, [[item]] * 5, p=content)
    assert [media.caption for media in found["t/im"]] == ["row 0", "row 1", "row 2"]
    assert tables.lost == [(("t", "im"), "media of one table over 0 MB are left out", 1)] * 2


def test_cells_that_make_no_sense_cost_themselves(tables: Tables) -> None:
    deep: Any = {"_type": "image-file", "path": "p"}
    for _ in range(400):
        deep = [deep]
    odd = [
        {"_type": "image-file"},
        {"_type": "image-file", "path": ["p"]},
        {"_type": "image-file", "path": "../p"},
        {"_type": "image-file", "path": "p", "boxes": {"a": 5, "b": [{}]}, "masks": {"m": 7}, "classes": {"path": 3}},
        {"_type": "my-kind"},
        {"_type": 5},
        {"_type": "audio-file", "path": "p"},
        deep,
    ]
    found = tables.read([["x"]] * len(odd), [[cell] for cell in odd], p=picture("png"))
    assert [media.caption for media in found["t/im"]] == ["row 3"] and len(found["t"]) == 1
    reasons = {reason for path, reason, _ in tables.lost if path == ("t", "im")}
    assert reasons >= {"the file is missing", "unknown kind 'my-kind': named in the table's cell alone"}


def test_what_is_remembered_of_artifacts_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wandb_swan.swan.staged._MOST", 4)
    staged = Staged()
    for number in range(5):
        files = tuple((f"media/{at}.png", "", "") for at in range(2))
        staged.add(Artifact(name="run-x-t", type="run_table", client_id=str(number), files=files))
    assert list(staged._artifacts) == ["3", "4"]
