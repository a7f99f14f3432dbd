"""The line that a finished run ends with, and who is at a journal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wandb_swan.journal.claim import Claim, mirror_at
from wandb_swan.journal.status import outcome, unfinished, write_status


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "r1-20260101_000000.journal"
    path.touch()
    return path


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
