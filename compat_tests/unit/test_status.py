"""The line that a finished run ends with, and who is at a journal."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from wandb_swan import doctor
from wandb_swan.commands import status as command
from wandb_swan.journal import paths
from wandb_swan.journal.claim import Claim, mirror_at
from wandb_swan.journal.life import identity, mark_ended, mark_live
from wandb_swan.journal.notes import parse_note
from wandb_swan.journal.reader import LogReader
from wandb_swan.journal.status import failure, outcome, unfinished, waits, write_status
from wandb_swan.journal.writer import JournalWriter


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    start_in(tmp_path, monkeypatch)
    path = tmp_path / "r1-20260101_000000.journal"
    path.touch()
    path.with_suffix(".log").touch()
    return path


def start_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(paths, "STARTED_IN", str(folder))


LOST = [{"key": "a", "reason": f"reason {number}", "count": number + 1} for number in range(4)]


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (
            {"state": "finished", "mode": "local", "run_dir": "LOGS/run-1"},
            "SwanLab run saved in LOGS/run-1; type `swanlab watch LOGS` to see it",
        ),
        (
            {"state": "finished", "mode": "offline", "run_dir": "LOGS/run-1", "no_credentials": True},
            "SwanLab run saved (no SwanLab credentials, so offline); type `swanlab sync LOGS/run-1` to upload it",
        ),
        ({"state": "finished", "mode": "online", "url": "https://swan/run"}, "SwanLab run at https://swan/run"),
        (
            {"state": "finished", "mode": "online", "url": "u", "not_mirrored": LOST},
            "SwanLab run at u; 10 values could not be kept there as they were (4 x reason 3, 3 x reason 2, "
            "2 x reason 1, ...), see r1-20260101_000000.log",
        ),
        (
            {"state": "finished", "mode": "online", "url": "u", "self_check": {"differences": 2}},
            "SwanLab run at u; self-check: 2 values are not those of wandb's log, see r1-20260101_000000.log",
        ),
        (
            {"state": "finished", "mode": "online", "url": "u", "counts": {"rows dropped by wandb": 3}},
            "SwanLab run at u; wandb itself dropped 3 calls of log() whose step= lies behind an earlier one: let steps "
            "grow, or leave step= out",
        ),
        (
            {"state": "failed", "reason": "no room"},
            "the run is not whole in SwanLab (no room); nothing is lost: type "
            "`wandb-swan resume r1-20260101_000000.journal`",
        ),
        (
            {"state": "waiting", "reason": "refused"},
            "the mirror goes on by itself (SwanLab cannot be reached: refused); if it is interrupted type "
            "`wandb-swan resume r1-20260101_000000.journal`",
        ),
    ],
)
def test_the_last_line(journal: Path, status: dict[str, Any], line: str) -> None:
    if "run_dir" in status:
        status = status | {"run_dir": status["run_dir"].replace("LOGS", str(journal.parent / "swanlog"))}
    assert write_status(journal, status)
    assert outcome(journal, ended=False) == line.replace("LOGS", "swanlog")


def test_no_status_file(journal: Path) -> None:
    assert "the mirror ended early, see r1-20260101_000000.log" in outcome(journal, ended=True)
    journal.with_suffix(".status.json").write_text("[1]")
    assert "the mirror ended early" in outcome(journal, ended=True)
    journal.with_suffix(".log").unlink()
    assert "the mirror ended early);" in outcome(journal, ended=True), "no file is named that is not there"


def test_a_journal_that_was_removed(journal: Path) -> None:
    """Nobody can bring it back; the folder may be there again, with what its mirror has to say."""
    journal.unlink()
    for status in (None, {"state": "failed", "reason": "cannot be read back"}, {"state": "running"}):
        if status is not None:
            write_status(journal, status)
        told = outcome(journal, ended=True, otherwise="`this`")
        assert "its journal r1-20260101_000000.journal was removed; wandb's own log has it: type `this`" in told
        assert "nothing is lost" not in told and "resume" not in told
        assert not mark_ended(journal) and not journal.with_suffix(".ended").exists()
    write_status(journal, {"state": "finished", "mode": "online", "url": "u"})
    assert outcome(journal, ended=True) == "SwanLab run at u"


def test_what_is_said_in_spite_of_silence(journal: Path) -> None:
    assert failure(journal, ended=False) is None, "a mirror is at it"
    assert "no mirror could be started: no room" in str(
        failure(journal, ended=True, trouble="no mirror could be started: no room")
    )
    assert "what the journal holds is kept" in str(failure(journal, ended=True, whole=False))
    write_status(journal, {"state": "failed", "reason": "of an earlier try"})
    claim = Claim.of(journal)
    assert claim.take()
    assert failure(journal, ended=False) is None, "another mirror is at it now"
    claim.release()
    assert failure(journal, ended=False) is not None
    write_status(journal, {"state": "running", "reason": "the journal is damaged"})
    assert "cannot be reached" not in str(failure(journal, ended=False))
    write_status(journal, {"state": "empty"})
    assert failure(journal, ended=True) is None and "nothing to bring" in outcome(journal, ended=True)
    write_status(journal, {"state": "finished", "size": 5})
    assert failure(journal, ended=True) is not None, "it has grown since"


def test_paths_work_where_the_user_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start, other = tmp_path / "the user's place", tmp_path / "elsewhere"
    for folder in (start, other, start / "a b"):
        folder.mkdir()
    start_in(start, monkeypatch)
    journal = start / "a b" / "r$1.journal"
    assert paths.shown(journal) == "a b/r$1.journal" and paths.shown(other) == str(other)
    assert shlex.split(paths.command("wandb-swan", "resume", journal).strip("`"))[2:] == ["a b/r$1.journal"]
    assert paths.command("swanlab", "sync", start / "-x") == "`swanlab sync ./-x`"
    monkeypatch.chdir(other)  # as Hydra does
    assert paths.shown(journal) == str(journal) and paths.shown(other / "x") == str(other / "x")
    assert shlex.split(paths.command("wandb-swan", "resume", journal).strip("`"))[2:] == [str(journal)]


def test_a_run_that_begins_or_ends_just_now_does_not_wait(tmp_path: Path) -> None:
    """Its mirror takes a second to start; nobody has to type anything."""
    path = tmp_path / "r1-20260101_000000.journal"
    mark_live(path)
    writer = JournalWriter(path)
    assert not waits(path), "before its first note"
    writer.note(type="begin", format=1, trainer=identity() | {"pid": 2**22 + 5})
    writer.close()
    assert waits(path), "its process was killed"
    mark_ended(path)
    assert not waits(path), "its mirror is on its way"
    write_status(path, {"state": "running"})
    assert waits(path), "its mirror was there, and was killed"
    path.with_suffix(".status.json").unlink()
    at = time.time() - 100
    os.utime(path.with_suffix(".ended"), (at, at))
    assert waits(path), "no mirror has come"
    write_status(path, {"state": "empty"})
    assert not waits(path)


def test_a_question_keeps_no_mirror_from_starting(journal: Path) -> None:
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            unfinished(journal.parent)
            mirror_at(journal)

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    took = 0
    for _ in range(200):
        claim = Claim.of(journal)
        took += claim.take()
        claim.release()
    over.set()
    for asker in askers:
        asker.join()
    assert took == 200


def test_a_mirror_that_ends_while_one_asks(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ends(journal: Path) -> None:
        write_status(journal, {"state": "finished"})

    monkeypatch.setattr("wandb_swan.journal.status.mirror_at", ends)
    assert not waits(journal)


def test_a_status_that_cannot_be_written_leaves_the_last_one(journal: Path) -> None:
    assert write_status(journal, {"state": "running"})
    (journal.parent / f".{journal.stem}.status.json.part").mkdir()
    assert not write_status(journal, {"state": "finished"})
    assert json.loads(journal.with_suffix(".status.json").read_text()) == {"state": "running"}


def test_a_journal_has_one_mirror(journal: Path) -> None:
    assert mirror_at(journal) is None and unfinished(journal.parent) == 1
    claim, other = Claim.of(journal), Claim.of(journal)
    assert claim.take()
    assert mirror_at(journal) is not None and unfinished(journal.parent) == 0
    assert not other.take()
    other.release()
    assert mirror_at(journal) is not None
    claim.release()
    assert mirror_at(journal) is None and other.take()
    other.release()
    write_status(journal, {"state": "finished"})
    assert mirror_at(journal) is None and unfinished(journal.parent) == 0


def test_the_table_counts_points_alone(journal: Path) -> None:
    counts = {"rows": 3, "scalars": 4, "texts": 2, "lines": 5, "files": 7, "alerts": 1, "rows dropped by wandb": 6}
    write_status(journal, {"state": "running", "run_id": "r1", "counts": counts})
    said = CliRunner().invoke(command.status, [str(journal.parent)]).output
    assert re.search(r"^ *r1 +\S+.* 6 ", said, re.MULTILINE), said


@pytest.mark.parametrize("left", [True, False])
def test_the_table_while_a_mirror_removes_the_journal(
    journal: Path, monkeypatch: pytest.MonkeyPatch, left: bool
) -> None:
    """Between any two looks at it. `left`: whether its status is there."""
    write_status(journal, {"state": "finished", "run_id": "r1", "counts": {"scalars": 4}})
    look = Path.stat

    def stat(path: Path, **more: Any) -> os.stat_result:
        found = look(path, **more)
        if path == journal:  # it was there a moment ago
            journal.unlink()
            if not left:
                journal.with_suffix(".status.json").unlink()
        return found

    monkeypatch.setattr(Path, "stat", stat)
    done = CliRunner().invoke(command.status, [str(journal.parent), "--all"])
    assert done.exception is None and done.exit_code == 0
    assert ("r1" in done.output and "0 unfinished" in done.output) or not left


@pytest.fixture
def spooled(journal: Path) -> Path:
    """The spool that a trainer of this machine, which is dead, has left with the second half of its journal."""
    spool = journal.parent / "local" / "spooled.journal"
    spool.parent.mkdir()
    journal.unlink()
    writer = JournalWriter(journal)
    writer.note(type="begin", format=1, trainer={**identity(), "started": 1})
    half = writer.length
    writer.note(type="end", exit_code=0)
    writer.close()
    whole = journal.read_bytes()
    spool.write_bytes(bytes(half) + whole[half:])
    os.truncate(journal, half)
    mark_live(journal)
    mark_live(spool)
    journal.with_suffix(".spool").write_text(json.dumps({**identity(), "started": 1, "path": str(spool)}))
    return spool


def looked_at_by_status(journal: Path) -> None:
    CliRunner().invoke(command.status, [str(journal.parent)], catch_exceptions=False)


def looked_at_by_doctor(journal: Path) -> None:
    assert list(doctor._journals())


@pytest.mark.skipif(sys.platform != "linux", reason="spools need /proc")
@pytest.mark.parametrize("look", [looked_at_by_status, looked_at_by_doctor])
def test_who_looks_brings_over_what_a_killed_run_has_spooled(
    journal: Path, spooled: Path, look: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_SWAN_JOURNAL_DIR", str(journal.parent))
    with spooled.open("r+b") as other:
        pytest.importorskip("fcntl").flock(other, 2)  # another process is at it
        look(journal)
        assert spooled.exists() and journal.with_suffix(".spool").exists()
    look(journal)
    assert not spooled.parent.exists() and not journal.with_suffix(".spool").exists()
    with LogReader(journal) as reader:
        assert [(parse_note(payload) or {})["type"] for payload in reader] == ["begin", "end"]


def test_records_that_are_on_another_machine(journal: Path, spooled: Path) -> None:
    mark = json.loads(journal.with_suffix(".spool").read_text())
    other = {**mark, "path": "/nowhere/spooled.journal", "host": "node7", "boot": "another"}
    journal.with_suffix(".spool").write_text(json.dumps(other))
    write_status(journal, {"state": "finished", "mode": "offline", "run_dir": "LOGS/run-1"})
    assert failure(journal, ended=True) == (
        "the run is not whole in SwanLab, its last records are in /nowhere/spooled.journal on node7: type "
        "`wandb-swan resume r1-20260101_000000.journal` there"
    )
    looked_at_by_status(journal)
    assert journal.with_suffix(".spool").exists()
    os.utime(journal, (0, 0))
    looked_at_by_status(journal)
    assert journal.with_suffix(".spool").exists(), "however long ago: it may be there"
    journal.with_suffix(".spool").write_text(json.dumps({**other, "host": mark["host"]}))
    looked_at_by_status(journal)  # this machine was started anew, and its temporary folder was emptied
    assert not journal.with_suffix(".spool").exists()
