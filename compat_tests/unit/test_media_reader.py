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
from wandb_swan.swan.media import MediaReader
from wandb_swan.swan.runfiles import RunFiles, Staged, Unusable


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
    with pytest.raises(Unusable, match="Pillow is not installed") as error:
        read({"_type": "image-file", "path": "a.webp"})
    assert error.value.keep == "a.webp"


def test_without_ffmpeg_videos_are_kept_as_files(tmp_path: Path, read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.mp4").write_bytes(b"video")
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(Unusable, match=r"needs wandb-swan\[media\]") as error:
        read({"_type": "video-file", "path": "a.mp4"})
    assert error.value.keep == "a.mp4"


def test_a_point_without_a_place_costs_itself(tmp_path: Path, read: Any, lost: list[str]) -> None:
    (tmp_path / "a.pts.json").write_text('{"points": [[1, 2, 3], [NaN, 2, 3], [4, 5, 6]]}')
    media = read({"_type": "object3D-file", "path": "a.pts.json"})
    assert [point[:3] for point in json.loads(media.buffer.getvalue())["points"]] == [[1, 2, 3], [4, 5, 6]]
    assert lost == ["points without a place were left out of a point cloud"]


def test_staged_files_are_read_from_the_staging_folder_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path))
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
    assert found == [{"columns": []}, None, None, None, None]
    assert staged.json("wandb-client-artifact://id/in", "out") is staged.json(None) is None
