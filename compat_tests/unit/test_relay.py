"""What a relay stands on: signs of life, heartbeats, and where a journal's paths are found."""

from __future__ import annotations

import errno
import json
import os
import threading
from pathlib import Path

import pytest

from compat_tests.journals import written
from wandb_swan.capture import heartbeat
from wandb_swan.exceptions import WandbSwanError
from wandb_swan.journal.claim import Claim
from wandb_swan.journal.life import identity
from wandb_swan.journal.models import BeginNote
from wandb_swan.journal.reader import LogReader
from wandb_swan.journal.relays import RelaySign, relay_at
from wandb_swan.journal.writer import JournalWriter
from wandb_swan.mirror.folder import JournalFolder
from wandb_swan.mirror.places import Places, read_maps


def records(path: Path) -> list[bytes]:
    with LogReader(path) as reader:
        return list(reader)


def sign_of(folder: Path, **who: object) -> Path:
    path = folder / ".relay-other-1.json"
    path.write_text(json.dumps({**identity(), **who}))
    return path


def test_a_relay_is_seen_in_its_folder_and_in_that_of_the_journals(tmp_path: Path) -> None:
    journals = tmp_path / "journals"
    journals.mkdir()
    assert relay_at(journals) is None
    sign = RelaySign(tmp_path)
    sign.show()
    for folder in (journals, tmp_path):
        assert (relay_at(folder) or {}).get("pid") == os.getpid()
    sign.remove()
    assert relay_at(journals) is None


def test_a_relay_of_another_machine_is_seen_as_long_as_its_file_is_fresh(tmp_path: Path) -> None:
    sign = sign_of(tmp_path, boot="another", host="elsewhere")
    now = sign.stat().st_mtime
    assert relay_at(tmp_path, now + 50) is not None
    assert relay_at(tmp_path, now + 70) is None


def test_a_relay_that_was_killed_is_none_and_the_next_one_clears_up(tmp_path: Path) -> None:
    dead = sign_of(tmp_path, started=1)
    assert relay_at(tmp_path) is None
    for content in ("", "[]", "{", '{"pid": "x"}'):
        dead.write_text(content)
        assert relay_at(tmp_path) is None, content
    dead.write_text(json.dumps({**identity(), "started": 1}))
    RelaySign(tmp_path).show()
    assert not dead.exists()


def test_a_silent_run_gives_a_sign_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "BEAT", 0.02)
    journal = JournalWriter(tmp_path / "a.journal")
    journal.append(b"one")
    beating = heartbeat.Heartbeat(journal, lambda why: None)
    beating.start()
    for _ in range(3000):
        if journal.length >= 100:
            break
        threading.Event().wait(0.01)
    beating.stop()
    journal.append(b"two")
    journal.close()
    found = records(journal.path)
    assert (
        found[0] == b"one"
        and b"two" in found
        and {json.loads(note)["type"] for note in found[1:] if note != b"two"} == {"beat"}
    )


def test_a_heartbeat_that_finds_no_room_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = JournalWriter(tmp_path / "a.journal")
    journal.append(b"one")
    real = os.pwrite

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(os, "pwrite", full)
    journal.append_if_idle(b"beat")
    monkeypatch.setattr(os, "pwrite", real)
    journal.append(b"two")
    journal.close()
    assert records(journal.path) == [b"one", b"two"]


def test_a_claim_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refused)
    first, second = Claim(tmp_path / "a.mirror"), Claim(tmp_path / "a.mirror")
    assert first.take() and not second.take()
    first.release()
    assert second.take()
    second.release()


def noted(**trainer: str) -> BeginNote:
    run = {"files": "/scratch/u/wandb/run-1/files", "journals": "/scratch/u/swanlog/journals"}
    note, _ = BeginNote.read({"run": run, "trainer": trainer, "settings": {"log_dir": "/scratch/u/swanlog"}})
    return note


def test_paths_are_found_from_the_journal_and_by_maps(tmp_path: Path) -> None:
    journals = tmp_path / "swanlog" / "journals"
    files = tmp_path / "wandb" / "run-1" / "files"
    for folder in (journals, files):
        folder.mkdir(parents=True)
    begin = Places(noted(), journals / "a.journal").placed()
    assert (begin.run.files, begin.settings.log_dir) == (str(files), str(tmp_path / "swanlog"))
    assert begin.fingerprint == noted().fingerprint
    lonely = tmp_path / "far" / "away" / "deep"
    lonely.mkdir(parents=True)
    assert Places(noted(), lonely / "a.journal").placed().run.files == noted().run.files
    ways = read_maps([f"/scratch/u={tmp_path}"])
    assert Places(noted(), lonely / "a.journal", ways).placed().run.files == str(files)
    elsewhere = Places(noted(host="another"), lonely / "a.journal")
    assert elsewhere.foreign and elsewhere.placed().settings.log_dir == str(lonely)


@pytest.mark.parametrize("word", ["", "/a", "a=/b", "/a=", "=/b"])
def test_a_map_is_from_to(word: str) -> None:
    with pytest.raises(WandbSwanError, match="give FROM=TO"):
        read_maps([word])


def test_a_folder_gives_what_is_not_whole(tmp_path: Path) -> None:
    folder = JournalFolder(tmp_path)
    journal = tmp_path / "r-20261126_100000.journal"
    journal.write_bytes(written([b"{}"]))
    assert list(folder.look()) == [journal]
    size = journal.stat().st_size
    journal.with_suffix(".status.json").write_text(json.dumps({"state": "finished", "size": size}))
    assert list(JournalFolder(tmp_path).look()) == []
    with journal.open("ab") as file:  # its training was suspended, and writes on
        file.write(b"more")
    assert list(JournalFolder(tmp_path).look()) == [journal]
