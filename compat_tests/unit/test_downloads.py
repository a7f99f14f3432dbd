"""The way of files from W&B's object store, and what is said and kept of their addresses."""

from __future__ import annotations

import base64
import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from werkzeug.wrappers import Request, Response

from compat_tests.servers.faults import LoopbackServer
from wandb_swan.parity.answers import Answers
from wandb_swan.sources import artifact_entries, cloud_look, downloads, exports, retries
from wandb_swan.sources.artifact_entries import Absent
from wandb_swan.sources.artifact_files import without_secrets
from wandb_swan.sources.cloud_client import ENDED
from wandb_swan.sources.cloud_look import CloudLook, Place
from wandb_swan.sources.downloads import Downloads
from wandb_swan.sources.selection import Options


class Store(LoopbackServer):
    """An object store: any path is the file of its name."""

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[str, bytes] = {}

    def answer(self, request: Request) -> Response:
        return Response(self.held[request.path.strip("/")])

    def file(self, name: str, data: bytes) -> SimpleNamespace:
        """What W&B says of a file that has this content."""
        md5 = base64.b64encode(hashlib.md5(data).digest()).decode()
        return SimpleNamespace(name=name, url=f"{self.url}/{name}?signature=s3cr3t", md5=md5, size=len(data), _attrs={})


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(downloads, "login_for", lambda address: None)


@pytest.fixture
def store() -> Iterator[Store]:
    with Store() as server:
        yield server


@pytest.fixture
def digested(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were read for their digest where they lie."""
    read: list[str] = []
    digest_of = artifact_entries.digest_of

    def noting(path: Path, algorithm: str = "md5") -> str:
        read.append(path.name)
        return digest_of(path, algorithm)

    monkeypatch.setattr(artifact_entries, "digest_of", noting)
    return read


@pytest.mark.parametrize("kind", [403, 404, 500, "cut", "away"])
def test_no_signature_in_what_is_said(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: Any
) -> None:
    store.held["f"] = b"x" * 100_000
    file = store.file("f", store.held["f"])
    if kind == "away":
        file.url = "http://127.0.0.1:1/f?signature=s3cr3t"
    else:
        store.fail("/f", kind)
    with caplog.at_level(logging.INFO):
        (failure,) = Downloads(tmp_path).fetch([file], lambda name: file).values()
    assert failure.reason and caplog.text, "it was tried again, and that is in the log"
    assert "s3cr3t" not in failure.reason + caplog.text and "signature" not in failure.reason + caplog.text
    assert failure.may_pass is (kind not in (403, 404))


def test_a_file_that_was_replaced_since_it_was_listed(store: Store, tmp_path: Path) -> None:
    store.held["f"] = b"second"
    came = Downloads(tmp_path).fetch([store.file("f", b"first")], lambda name: store.file(name, store.held[name]))
    assert came == {} and (tmp_path / "f").read_bytes() == b"second"


def test_a_file_that_is_wrong_for_good(store: Store, tmp_path: Path) -> None:
    store.held["f"] = b"second"
    asked: list[str] = []

    def again(name: str) -> Any:
        asked.append(name)
        return store.file(name, b"first")

    (failure,) = Downloads(tmp_path).fetch([store.file("f", b"first")], again).values()
    assert "6 bytes arrived, 5 were announced" in failure.reason and failure.may_pass
    assert len(asked) == downloads.RENEWALS and store.count("/f") == retries.TRIES


def test_a_file_that_was_removed_since_it_was_listed(store: Store, tmp_path: Path) -> None:
    store.fail("/f", 404)

    def again(name: str) -> Any:
        raise Absent("it is in W&B no more")

    (failure,) = Downloads(tmp_path).fetch([store.file("f", b"first")], again).values()
    assert failure == ("it is in W&B no more", False)


def look_at(run: Any, root: Path, answers: Answers) -> CloudLook:
    return CloudLook(run, Place("acme/p/r", Options(cache=root), answers.take, lambda folder: None))


def test_the_next_look_reads_what_has_changed(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, digested: list[str]
) -> None:
    monkeypatch.setattr(cloud_look, "server", lambda: "here")
    store.held |= {"kept": b"1", "grows": b"1"}
    files = {name: store.file(name, data) for name, data in store.held.items()}
    run = SimpleNamespace(
        id="r", entity="acme", project="p", _attrs={}, files=lambda per_page: list(files.values()), file=files.get
    )
    answers = Answers()
    first = look_at(run, tmp_path, answers)
    brought, _ = first._fetched()
    digested.clear()
    store.held["grows"] = b"12"
    files["grows"] = store.file("grows", b"12")
    first.again(run)._fetched()
    assert (brought.root / "grows").read_bytes() == b"12"
    assert digested == [] and store.count("/kept") == 1
    (brought.root / "kept").write_bytes(b"2")
    first.again(run)._fetched()
    assert digested == ["kept"] and (brought.root / "kept").read_bytes() == b"1"


def test_the_check_is_told_of_the_file_that_came(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud_look, "server", lambda: "here")
    store.held |= {"mine.txt": b"longer", "output.log": b"longer", "media/images/a.png": b"longer"}
    run = SimpleNamespace(
        id="r", entity="acme", project="p", _attrs={},
        files=lambda per_page: [store.file(name, b"short") for name in store.held],
        file=lambda name: store.file(name, store.held[name]),
    )  # fmt: skip
    answers = Answers()
    look_at(run, tmp_path, answers)._fetched()
    assert answers.recorded.sizes == {"mine.txt": 6}
    assert [file.size for file in answers._output.values()] == [6]


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("https://example.com/else?where=1", "https://example.com/else?where=1"),
        ("s3://bucket/a/b?versionId=abc#1", "s3://bucket/a/b?versionId=abc#1"),
        ("https://user:pass@example.com/x", "https://example.com/x"),
        ("https://user:p@ss@example.com/x", "https://example.com/x"),
        ("https://ghp_token@github.com/x", "https://github.com/x"),
        ("s3://bucket/odd@name:1@2", "s3://bucket/odd@name:1@2"),
        ("https://h/x?a=1&X-Amz-Signature=ab%2F&b=2", "https://h/x?a=1&X-Amz-Signature=***&b=2"),
        ("https://h/x?X-Amz-Credential=A&X-Amz-Security-Token=B", "https://h/x?X-Amz-Credential=***&X-Amz-Security-Token=***"),
        ("https://h/x?sv=2020&sig=abc%3D", "https://h/x?sv=2020&sig=***"),
        ("https://h/x?AWSAccessKeyId=A&Signature=B", "https://h/x?AWSAccessKeyId=***&Signature=***"),
        ("https://h/x?token=abc", "https://h/x?token=***"),
        ("https://h/x?api_key=abc;design=1", "https://h/x?api_key=***;design=1"),
        ("https://h/x#access_token=abc&author=me", "https://h/x#access_token=***&author=me"),
    ],
)  # fmt: skip
def test_what_is_kept_of_an_address(address: str, kept: str) -> None:
    assert without_secrets(address) == kept


@pytest.mark.parametrize(
    ("name", "came"),
    [
        ("acme_p_r1_0.runhistory.parquet", True),
        ("acme_p_r1_12.runhistory.parquet", True),
        ("acme_p_r1_b_0.runhistory.parquet", False),  # of the run `r1_b`
        ("acme_p_b_r1_0.runhistory.parquet", False),
        ("acme_x_r1_y_0.runhistory.parquet", False),  # of a run in a project `x_r1`
        ("acme_p_r1_0.runhistory.parquet.part", False),
    ],
)
def test_whose_exports_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, came: bool) -> None:
    monkeypatch.setenv(exports.PLACE, str(tmp_path))
    (tmp_path / name).touch()
    assert exports.came("acme", "p", "r1") is came
    (tmp_path / "acme_p_[r]*_0.runhistory.parquet").touch()
    assert exports.came("acme", "p", "[r]*") is True


def test_a_run_that_was_preempted_has_ended() -> None:
    assert frozenset({"finished", "failed", "crashed", "killed", "preempted"}) == ENDED
