"""The lists of artifacts' files that local logs name, as a disk may have left them."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import sys
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from wandb.proto import wandb_internal_pb2 as pb

from compat_tests.unit.logs import END, begin, log, record
from wandb_swan.parity.artifacts import compare_artifacts
from wandb_swan.parity.logs import read_logs
from wandb_swan.parity.recorded import Content, Recorded
from wandb_swan.sources.local_run import LocalRun
from wandb_swan.sources.selection import Options
from wandb_swan.stream.events import Artifact, NotRead

MD5 = base64.b64encode(hashlib.md5(b"here").digest()).decode()
ENTRY = {"path": "f", "digest": MD5, "size": 4, "local_path": "data/f"}


def logged(folder: Path, *, apart: Path | None = None, algorithm: str = "") -> Path:
    """The log of a run with one artifact: a list in a file of its own, or one file that was given by a relative path."""

    def fill(made: pb.Record) -> None:
        made.artifact.name, made.artifact.digest, made.artifact.type = "data", "d", "dataset"
        if apart is not None:
            made.artifact.manifest.manifest_file_path = str(apart)
            return
        entry = made.artifact.manifest.contents.add(path="f", digest=MD5, size=4, local_path="data/f")
        if algorithm:
            entry.extra.add(key="alg", value_json=algorithm)

    return log(folder, begin(100), record(fill), END)


def listed(path: Path, root: Path) -> tuple[Mapping[str, Any], list[str]]:
    """What SwanLab is told of the artifact, and what is counted as lost."""
    events = list(LocalRun([path], options=Options(artifacts=root)).events())
    (artifact,) = (event for event in events if isinstance(event, Artifact))
    assert artifact.brought is not None
    return artifact.brought, [event.reason for event in events if isinstance(event, NotRead)]


def test_from_inside_the_folder_of_the_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wandb").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "f").write_bytes(b"here")
    whole = logged(tmp_path / "wandb" / "run-1")
    for place in (tmp_path / "wandb", whole.parent):
        monkeypatch.chdir(place)
        path = whole.relative_to(place)
        contents = read_logs([path]).contents["data", "d", False]
        assert isinstance(contents, dict) and contents["f"].local == str(tmp_path / "data" / "f")
        brought, lost = listed(path, tmp_path / "files")
        assert (brought["files"], lost) == (1, [])


def test_a_log_at_the_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = logged(tmp_path)
    monkeypatch.setattr(Path, "absolute", lambda self: Path("/") / self.name)
    contents = read_logs([path]).contents["data", "d", False]
    assert isinstance(contents, dict) and contents["f"].local == "/data/f"


DAMAGED = {
    "not packed": b"{}",
    "cut": gzip.compress(json.dumps(ENTRY).encode())[:-12],
    "flipped": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03" + b"\xff" * 40,
    "no lines": gzip.compress(b"\xff\xfe"),
    "no JSON": gzip.compress(b"{"),
    "no object": gzip.compress(b"[1]\n"),
    "a text": gzip.compress(b'"f"\n'),
    "nothing": gzip.compress(b"null\n"),
    "no path": gzip.compress(b"{}\n"),
    "a path that is none": gzip.compress(json.dumps({**ENTRY, "path": 3}).encode()),
    "odd extra": gzip.compress(json.dumps({**ENTRY, "extra": [1]}).encode()),
    "deep": gzip.compress(b"[" * 200_000),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_list_that_is_damaged(tmp_path: Path, damage: str) -> None:
    apart = tmp_path / "manifest"
    apart.write_bytes(DAMAGED[damage])
    if damage == "flipped":
        with pytest.raises(zlib.error):
            gzip.decompress(DAMAGED[damage])
    path = logged(tmp_path / "run-1", apart=apart)
    brought, lost = listed(path, tmp_path / "files")
    recorded = read_logs([path])
    if damage == "odd extra":  # it says nothing of the file
        assert brought["missing"] == {"it is not on this machine any more": 1}
        assert set(recorded.contents["data", "d", False]) == {"f"}
        return
    (reason,) = lost
    assert "is damaged" in reason and brought["missing"] == {reason: 1}
    kept = {"artifacts": [{"name": "data", "digest": "d", "used": False, "path": str(tmp_path)}]}
    (unseen,) = compare_artifacts(recorded, kept, "full").not_compared
    assert unseen == "data: the list of its files is damaged"


def test_a_list_that_is_gone(tmp_path: Path) -> None:
    path = logged(tmp_path / "run-1", apart=tmp_path / "manifest")
    (reason,) = listed(path, tmp_path / "files")[1]
    assert "is not on this machine" in reason
    kept = {"artifacts": [{"name": "data", "digest": "d", "used": False, "path": str(tmp_path)}]}
    (unseen,) = compare_artifacts(read_logs([path]), kept, "full").not_compared
    assert unseen == "data: the list of its files is not on this machine"


@pytest.mark.parametrize("algorithm", ["{", "3", "null"])
def test_an_algorithm_that_is_none(tmp_path: Path, algorithm: str) -> None:
    path = logged(tmp_path / "run-1", algorithm=algorithm)
    read_logs([path])
    brought, _ = listed(path, tmp_path / "files")
    assert sum(brought["missing"].values()) == 1


def test_a_digest_that_cannot_be_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xxhash", None)
    recorded = Recorded()
    recorded.artifacts = [("data", "d", False)]
    recorded.contents["data", "d", False] = {name: Content("x", 4, "XXH128") for name in ("f", "g", "h")}
    for name, data in (("f", b"here"), ("g", b"here"), ("h", b"longer")):
        (tmp_path / name).write_bytes(data)
    kept = {"artifacts": [{"name": "data", "digest": "d", "used": False, "path": str(tmp_path)}]}
    compared = compare_artifacts(recorded, kept, "full")
    assert compared.differences == ("data: h: 4 bytes in wandb, 6 in its folder",)
    assert compared.not_compared == ("data: the digests of 2 files cannot be checked here: type `pip install xxhash`",)
    assert compared.compared.endswith("; 2 of 3 files, same size, 0 of them with the same digest")
