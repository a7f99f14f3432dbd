"""Media of which nothing can be said, and files that are broken or hostile: never that they are the same."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest

from compat_tests.convert.content.held import Held
from wandb_swan.parity.content import TableSoFar, compare

pytestmark = pytest.mark.live


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
