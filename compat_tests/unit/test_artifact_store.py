"""The folder of artifacts: each distinct file once, whole or not at all, and nothing outside of it."""

from __future__ import annotations

import base64
import errno
import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from wandb_swan.exceptions import WandbSwanError
from wandb_swan.sources import artifact_files, artifact_store, downloads, retries
from wandb_swan.sources.artifact_entries import Absent, Entry, folder_name
from wandb_swan.sources.artifact_files import BroughtArtifacts
from wandb_swan.sources.artifact_store import ArtifactStore, NoRoom, check_folder
from wandb_swan.sources.selection import Options
from wandb_swan.stream.events import Artifact

Files = dict[str, bytes]
AT = ("acme", "p", "data")


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "FIRST_PAUSE", 0.001)


def entries(files: Files) -> list[Entry]:
    return [
        Entry(path, base64.b64encode(hashlib.md5(data).digest()).decode(), len(data)) for path, data in files.items()
    ]


def from_memory(files: Files, asked: list[str] | None = None) -> Callable[[Entry, Path], None]:
    def fetch(entry: Entry, part: Path) -> None:
        if asked is not None:
            asked.append(entry.path)
        part.write_bytes(files[entry.path])

    return fetch


def tree(folder: Path) -> Files:
    """Everything below a folder but what is hidden."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".files" not in path.parts
    }


def copies(root: Path) -> list[Path]:
    """The one copy of each distinct file."""
    return [path for path in (root / ".files" / "md5").rglob("*") if path.is_file()]


def test_versions_that_share_files_cost_once(tmp_path: Path) -> None:
    store, asked = ArtifactStore(tmp_path), []
    shared = {f"part{i}": bytes([i]) * 1000 for i in range(20)}
    for version in range(10):
        files = {**shared, "own": f"{version}".encode()}
        brought = store.bring((*AT, f"v{version}"), f"d{version}", entries(files), from_memory(files, asked))
        assert brought.folder == tmp_path / "acme" / "p" / "data" / f"v{version}"
        assert (brought.files, brought.size, dict(brought.missing)) == (21, 20_001, {})
        assert tree(brought.folder) == files
    assert len(copies(tmp_path)) == 30 and len(asked) == 30
    assert (tmp_path / "acme/p/data/v3/part7").stat().st_ino == (tmp_path / "acme/p/data/v9/part7").stat().st_ino
    assert not os.access(tmp_path / "acme/p/data/v3/part7", os.W_OK) or os.geteuid() == 0
    again = ArtifactStore(tmp_path)  # another process
    brought = again.bring((*AT, "v3"), "d3", entries({**shared, "own": b"3"}), from_memory({}))
    assert (brought.files, dict(brought.missing)) == (21, {})


def test_hostile_manifests(tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"before")
    root = tmp_path / "in" / "store"
    hostile = [
        "../../../../../outside", "/etc/evil", "x/../../../../evil", "..", ".", "", "a\\b", "..\\evil", "C:/evil",
        "nul\0byte", "\ud800",
    ]  # fmt: skip
    files = {name: b"evil" for name in hostile}
    fine = {"a": b"1", "a/b": b"2", "d//e": b"3", "./f": b"4", "ünïcode ☃": b"5", "line\nbreak": b"6", "n" * 300: b"7"}
    listed = [*entries({**files, **fine}), Entry("nodigest", "", 3), Entry("odd", "!!", 3), Entry("etag", "YWJj", 3)]
    brought = ArtifactStore(root).bring(
        (*AT, "v0"), "d", listed, from_memory({**files, **fine, "d/e": b"3", "f": b"4"})
    )
    assert tree(tmp_path) == {
        "outside": b"before",
        **{f"in/store/acme/p/data/v0/{path}": fine[given] for path, given in {
            "a/b": "a/b", "d/e": "d//e", "f": "./f", "ünïcode ☃": "ünïcode ☃", "line\nbreak": "line\nbreak",
        }.items()},
    }  # fmt: skip
    assert brought.files == 5
    assert dict(brought.missing) == {
        "its path leaves the artifact's folder": 10,
        "its name is no text": 1,
        "its digest is none that can be checked": 3,
        "another file has its path as a folder": 1,
        "its name cannot be written here: File name too long": 1,
    }
    assert not brought.later


def test_one_path_spelled_twice(tmp_path: Path) -> None:
    listed = entries({"a//b": b"first"}) + entries({"a/b": b"second", "a/./b": b"first"})
    brought = ArtifactStore(tmp_path).bring(
        (*AT, "v0"), "d", listed, lambda entry, part: part.write_bytes(b"first" if entry.size == 5 else b"second")
    )
    assert tree(tmp_path) == {"acme/p/data/v0/a/b": b"first"}
    assert (brought.files, dict(brought.missing)) == (1, {"another file has its path": 1})


@pytest.mark.parametrize(
    "name", ["../..", "..", ".", "", "a/b", ".files", "x" * 400, "nul\0", "a:b", "trailing. ", "é☃"]
)
def test_names_of_folders(name: str, tmp_path: Path) -> None:
    brought = ArtifactStore(tmp_path / "root").bring(
        ("e", name, name, name), "d", entries({"f": b"1"}), from_memory({"f": b"1"})
    )
    (file,) = tree(tmp_path)
    assert brought.folder is not None and len(brought.folder.relative_to(tmp_path / "root").parts) == 4
    assert len(Path(file).parts) == 6 and ".files" not in Path(file).parts


def test_two_names_are_two_folders() -> None:
    names = ["a/b", "a_b", "a%2Fb", "a", "a ", "a.", ".a", "%2Ea", "x" * 300, "x" * 301, "", "%"]
    assert len({folder_name(name) for name in names if name != "%"}) == len(names) - 1


def test_another_artifact_with_the_same_names_goes_beside(tmp_path: Path) -> None:
    one, other, users = {"f": b"one"}, {"f": b"other"}, tmp_path / "acme" / "p" / "mine" / "v0"
    store = ArtifactStore(tmp_path)
    first = store.bring((*AT, "v0"), "aaaa", entries(one), from_memory(one))
    second = ArtifactStore(tmp_path).bring((*AT, "v0"), "bbbb", entries(other), from_memory(other))
    assert first.folder is not None and second.folder is not None and first.folder != second.folder
    assert (tree(first.folder), tree(second.folder)) == (one, other)
    users.mkdir(parents=True)
    (users / "f").write_text("the user's")
    third = store.bring(("acme", "p", "mine", "v0"), "cccc", entries(one), from_memory(one))
    assert third.folder is not None and tree(third.folder) == one and (users / "f").read_text() == "the user's"
    assert store.bring(("acme", "p", "mine", "v0"), "cccc", entries(one), from_memory({})).folder == third.folder


def test_a_link_in_the_folder_leads_nowhere(tmp_path: Path) -> None:
    files, root, outside = {"f": b"1"}, tmp_path / "root", tmp_path / "outside"
    outside.mkdir()
    folder = ArtifactStore(root).bring((*AT, "v0"), "d", entries(files), from_memory(files)).folder
    assert folder is not None
    (folder / "link").symlink_to(outside)
    more = {**files, "link/g": b"2", "link/new/deep/h": b"3"}
    brought = ArtifactStore(root).bring((*AT, "v0"), "d", entries(more), from_memory(more))
    assert dict(brought.missing) == {"its path leads through a link of somebody else": 2}
    assert brought.files == 1 and list(outside.iterdir()) == []


def test_a_damaged_file_comes_again(tmp_path: Path) -> None:
    files = {"f": b"good", "same": b"good"}
    folder = ArtifactStore(tmp_path).bring((*AT, "v0"), "d", entries(files), from_memory(files)).folder
    assert folder is not None
    (folder / "f").chmod(0o644)
    (folder / "f").write_bytes(b"evil")  # through the hard link, into every copy
    store = ArtifactStore(tmp_path)
    store.bring((*AT, "v0"), "d", entries(files), from_memory(files))
    assert tree(folder) == files
    (folder / "f").unlink()
    store.bring((*AT, "v0"), "d", entries(files), from_memory({}))
    assert tree(folder) == files


def test_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **more: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    files = {"f": b"1", "g/h": b"2", "empty": b""}
    for _ in range(2):
        brought = ArtifactStore(tmp_path).bring((*AT, "v0"), "d", entries(files), from_memory(files))
        assert brought.folder is not None and tree(brought.folder) == files
    other = ArtifactStore(tmp_path).bring((*AT, "v0"), "e", entries(files), from_memory({}))
    assert other.folder != brought.folder


def test_what_does_not_come(tmp_path: Path) -> None:
    files = {"fine": b"1", "gone": b"2", "busy": b"3", "spoiled": b"4"}
    tries: list[str] = []

    def fetch(entry: Entry, part: Path) -> None:
        tries.append(entry.path)
        if entry.path == "gone":
            raise Absent("it is gone")
        if entry.path == "busy":
            raise ConnectionError("away")
        part.write_bytes(b"x" if entry.path == "spoiled" else files[entry.path])

    brought = ArtifactStore(tmp_path).bring((*AT, "v0"), "d", entries(files), fetch)
    assert brought.folder is not None and tree(brought.folder) == {"fine": b"1"}
    assert brought.missing["it is gone"] == 1 and sum(brought.missing.values()) == 3
    assert sorted(path for path, _ in brought.later) == ["busy", "spoiled"]
    assert tries.count("gone") == 1 and tries.count("busy") == tries.count("spoiled") == retries.TRIES
    brought = ArtifactStore(tmp_path).bring((*AT, "v0"), "d", entries(files), from_memory(files))
    assert brought.folder is not None and tree(brought.folder) == files


def test_a_folder_that_cannot_be_written_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(entry: Entry, part: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(part))

    brought = ArtifactStore(tmp_path).bring((*AT, "v0"), "d", entries({"f": b"1"}), fetch)
    assert brought.later == [("f", "PermissionError: Permission denied")] and brought.folder is None

    def refuse(*args: object, **more: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(shutil, "copyfile", refuse)
    monkeypatch.setattr(artifact_store, "_owned", lambda *args: True)
    with pytest.raises(OSError, match="Read-only"):
        ArtifactStore(tmp_path).bring((*AT, "v0"), "d", entries({"f": b"1"}), from_memory({"f": b"1"}))
    assert not (tmp_path / "acme").exists()


def test_a_full_disk_is_one_message_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {f"{i}": bytes([i]) * 100 for i in range(50)}
    tries: list[str] = []

    def fetch(entry: Entry, part: Path) -> None:
        tries.append(entry.path)
        part.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(artifact_store, "CLAIMED", 50)  # the kind that goes on where it stopped
    with pytest.raises(NoRoom, match=r"No space left on device.*make room and type the same command again"):
        ArtifactStore(tmp_path).bring((*AT, "v0"), "d", entries(files), fetch)
    assert len(tries) <= downloads.AT_ONCE and not tree(tmp_path) and not copies(tmp_path)
    free = shutil._ntuple_diskusage(100, 100, 0)  # type: ignore[attr-defined]
    monkeypatch.setattr(shutil, "disk_usage", lambda path: free)
    tries.clear()
    with pytest.raises(NoRoom, match=r"5\.0 kB are needed, 0 bytes are free"):
        ArtifactStore(tmp_path).bring((*AT, "v0"), "d", entries(files), fetch)
    assert not tries


BIG = {f"{i}": bytes([i]) * 300_000 for i in range(6)}


def _slowly(root: Path, log: Path, started: object = None) -> None:
    """One of several processes that want the same artifact."""
    artifact_store.CLAIMED = 200_000

    def fetch(entry: Entry, part: Path) -> None:
        with log.open("a") as line:
            line.write(f"{entry.path} {part.stat().st_size if part.exists() else 0}\n")
        had = part.stat().st_size if part.exists() else 0
        with part.open("ab") as out:
            for at in range(had, 300_000, 30_000):
                out.write(BIG[entry.path][at : at + 30_000])
                out.flush()
                time.sleep(0.02)

    brought = ArtifactStore(root).bring((*AT, "v0"), "d", entries(BIG), fetch)
    assert brought.files == 6 and not brought.missing


def test_several_processes_want_the_same(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    several = [context.Process(target=_slowly, args=(tmp_path / "root", tmp_path / "log")) for _ in range(3)]
    for process in several:
        process.start()
    for process in several:
        process.join(120)
    assert [process.exitcode for process in several] == [0, 0, 0]
    assert tree(tmp_path / "root" / "acme" / "p" / "data" / "v0") == BIG
    assert sorted((tmp_path / "log").read_text().split()[::2]) == sorted(BIG), "each came once"
    assert not list((tmp_path / "root").rglob("*.claim")) and not list((tmp_path / "root").rglob("*.part"))


def test_killed_in_the_middle_it_goes_on(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    root, log = tmp_path / "root", tmp_path / "log"
    process = context.Process(target=_slowly, args=(root, log))
    process.start()
    end = time.monotonic() + 60
    while not any(part.stat().st_size > 60_000 for part in root.rglob("*.part")):
        assert time.monotonic() < end
        time.sleep(0.005)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join(30)
    assert not (root / "acme").exists(), "nothing half is under its own name"
    assert all(path.stat().st_size == 300_000 for path in copies(root) if path.suffix == "")
    log.unlink()
    _slowly(root, log)
    assert tree(root / "acme" / "p" / "data" / "v0") == BIG
    assert any(int(size) > 60_000 for size in log.read_text().split()[1::2]), "it went on where it had stopped"


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WandbSwanError, match="is no folder"):
        check_folder(tmp_path / "file" / "deeper")
    check_folder(tmp_path / "not" / "yet")
    assert not (tmp_path / "not").exists()


REFERENCES = [Entry(f"away/{number}", "", ref=f"https://example.com/{number}") for number in range(30)]


def brought_by(root: Path, name: str, digest: str) -> tuple[BroughtArtifacts, Mapping[str, Any]]:
    """The artifacts of a run after one with a file and many references, and what SwanLab is told of that."""
    artifacts = BroughtArtifacts(Options(artifacts=root))
    listed = [*entries({"f": b"1"}), *REFERENCES]
    artifact = Artifact(name=name, type="dataset", digest=digest)
    (event,) = artifacts.of(artifact, (*AT, "v0"), listed, from_memory({"f": b"1"}))
    assert isinstance(event, Artifact) and event.brought is not None
    return artifacts, event.brought


def test_the_list_of_references_is_beside_the_folder(tmp_path: Path) -> None:
    users = tmp_path / "acme" / "p" / "data" / "v0.references.json"
    users.parent.mkdir(parents=True)
    users.write_text("the user's")
    for _ in range(2):
        artifacts, facts = brought_by(tmp_path, "data:v0", "d")
        whole = Path(facts["references_file"])
        assert users.read_text() == "the user's" and whole.parent == users.parent and whole != users
        assert len(json.loads(whole.read_text())) == facts["references_in_all"] == 30 and not artifacts.short
    other = Path(brought_by(tmp_path, "data:v0", "e")[1]["references_file"])
    assert other != whole and len(list(users.parent.glob("*.json*"))) == 3


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "Permission denied: /x"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (OSError("odd"), "odd"),
    ],
)
def test_a_list_of_references_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, why: str
) -> None:
    def refuse(*args: object) -> None:
        raise error

    monkeypatch.setattr(artifact_files, "write_whole", refuse)
    artifacts, facts = brought_by(tmp_path, "data:v0", "d")
    assert artifacts.short == [f"artifact data:v0: the list of its 30 references is cut: {why}"]
    assert facts["files"] == 1 and Path(facts["path"], "f").read_bytes() == b"1", "the files are there all the same"
    assert (len(facts["references"]), facts["references_in_all"]) == (20, 30) and "references_file" not in facts
    monkeypatch.setattr(artifact_store.artifact_store(tmp_path), "bring", refuse)
    artifacts, facts = brought_by(tmp_path, "data:v0", "d")
    assert artifacts.short == [f"artifact data:v0 left out: {why}"] and facts == {"missing": {why: 1}}
