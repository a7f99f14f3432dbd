"""How the content of media gets into SwanLab's folder: linked where wandb has the same file, and never written into."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
import swanlab
from PIL import Image

from wandb_swan.parity.content import compare
from wandb_swan.swan.files import RunFiles
from wandb_swan.swan.media.reader import MediaReader
from wandb_swan.swan.sdk.ready_media import place_quickly


class Folders:
    """The files of a wandb run, and SwanLab's folder of pictures."""

    def __init__(self, root: Path) -> None:
        self.files, self.stored = root / "files", root / "stored"
        for folder in (self.files, self.stored):
            folder.mkdir()
        self.reader = MediaReader(RunFiles(self.files), links=True)

    def place(self, name: str, step: int = 0, kind: str = "image-file") -> Path:
        ((_, media),) = self.reader.read(("key",), {"_type": kind, "path": name}, lambda *_: None)
        return self.put(media, step)

    def put(self, media: Any, step: int = 0) -> Path:
        place_quickly(media)
        return self.stored / media.transform(step=step, path=self.stored).filename


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


def picture(path: Path, colour: int = 1) -> bytes:
    Image.new("RGB", (3, 2), (colour, 2, 3)).save(path)
    return path.read_bytes()


def test_what_is_copied_byte_for_byte_is_on_the_disk_once(folders: Folders) -> None:
    content = picture(folders.files / "a.png")
    placed = folders.place("a.png")
    assert placed.samefile(folders.files / "a.png")
    (folders.files / "page.html").write_text("<b>ä</b>")
    assert folders.place("page.html", kind="html-file").samefile(folders.files / "page.html")
    (folders.files / "a.png").unlink()
    assert placed.read_bytes() == content, "wandb's folder may go"


def test_what_is_converted_is_a_file_of_its_own(folders: Folders) -> None:
    picture(folders.files / "a.webp")
    placed = folders.place("a.webp")
    assert placed.suffix == ".png" and placed.stat().st_nlink == 1


def test_a_file_that_changed_since_it_was_read_is_not_linked(folders: Folders) -> None:
    content = picture(folders.files / "a.png")
    ((_, media),) = folders.reader.read(("key",), {"_type": "image-file", "path": "a.png"}, lambda *_: None)
    picture(folders.files / "a.png", 9)
    placed = folders.put(media)
    assert placed.read_bytes() == content and placed.stat().st_nlink == 1


def test_where_nothing_can_be_linked_it_is_copied(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError("another file system")

    content = picture(folders.files / "a.png")
    monkeypatch.setattr(os, "link", refuse)
    placed = folders.place("a.png")
    assert placed.read_bytes() == content and placed.stat().st_nlink == 1


def test_a_linked_file_is_never_written_into(folders: Folders) -> None:
    """The same picture again at a step, and what a process left that was killed before it had put its file in place."""
    source = folders.files / "a.png"
    content = picture(source)
    placed = folders.place("a.png")
    assert folders.place("a.png").samefile(source)
    assert sorted(folders.stored.iterdir()) == [placed]
    left = folders.stored / f".{placed.name}.part"
    left.hardlink_to(source)
    again = swanlab.Image(Image.new("RGB", (3, 2), (1, 2, 3)))
    again.buffer.seek(0)
    again.buffer.truncate()
    again.buffer.write(content)
    assert folders.put(again) == placed and not placed.samefile(source), "it came from elsewhere: it is replaced"
    assert source.read_bytes() == content and source.stat().st_nlink == 1
    text = folders.put(swanlab.Text("a text"))
    (folders.stored / "other").hardlink_to(text)
    folders.put(swanlab.Text("a text"))
    assert not text.samefile(folders.stored / "other"), "what was there is replaced, not written over"


def test_a_shared_file_that_was_written_into_is_named(folders: Folders) -> None:
    """Whoever writes into a file that both have changes both: what wandb's record says of it counts."""
    content = picture(folders.files / "a.png")
    placed = folders.place("a.png")
    value = {"_type": "image-file", "path": "a.png", "sha256": hashlib.sha256(content).hexdigest()}
    assert compare(value, folders.files, placed, "image").same
    placed.write_bytes(content[:-1] + b"!")
    found = compare(value, folders.files, placed, "image")
    assert found == (False, "the file that SwanLab shares with wandb is not the one that was logged (SHA-256)")


def test_another_swanlab_puts_its_files_its_own_way(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    text = swanlab.Text("a text")
    monkeypatch.setattr(text, "_attach_content", lambda *args, **named: (args, named), raising=False)
    place_quickly(text)
    assert text._attach_content("item", None, b"") == (("item", None, b""), {})
    assert text._attach_content("item", Path(), content=b"") == (("item", Path()), {"content": b""})
    place_quickly(object())
