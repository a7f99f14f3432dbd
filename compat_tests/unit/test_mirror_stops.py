"""How a mirror stops that can not go on: exit code, status file, and the journal stays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from wandb.proto import wandb_internal_pb2 as pb

from wandb_swan.capture.process import BUSY
from wandb_swan.journal.claim import Claim
from wandb_swan.journal.writer import JournalWriter
from wandb_swan.mirror import process as mirror
from wandb_swan.mirror import resume as recovery
from wandb_swan.mirror.process import Mirror
from wandb_swan.swan.sink import Sink


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    writer = JournalWriter(tmp_path / "r1-20260101_000000.journal")
    writer.note(type="begin", format=1, settings={"mode": "offline", "log_dir": str(tmp_path / "swanlog")}, run={})
    start = pb.Record()
    start.request.run_start.run.run_id = "r1"
    start.request.run_start.run.project = "p"
    writer.append(start.SerializeToString())
    writer.note(type="end", exit_code=0)
    writer.close()
    return writer.path


def status(journal: Path) -> Any:
    return json.loads(journal.with_suffix(".status.json").read_text())


def test_another_mirror_is_at_it(journal: Path) -> None:
    claim = Claim.of(journal)
    assert claim.take()
    assert Mirror(journal).run() == BUSY
    assert not journal.with_suffix(".status.json").exists()
    claim.release()


@pytest.mark.parametrize(
    ("error", "reason"),
    [(RuntimeError("broken inside"), "RuntimeError: broken inside"), (OSError(28, "No space left"), "No space left")],
)
def test_swanlab_can_not_start(journal: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str) -> None:
    def refuse(*_: Any) -> None:
        raise error

    monkeypatch.setattr(Sink, "open", refuse)
    assert Mirror(journal).run() == 1
    assert status(journal)["state"] == "failed" and reason in status(journal)["reason"]
    assert journal.exists()


def test_its_output_does_not_matter(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as log:
        stream = mirror._Unfailing(log)
        assert stream.write("said") == 4 and stream.fileno() == log.fileno() and stream.encoding == "utf-8"
    assert stream.write("to nobody") == 9
    assert (tmp_path / "log").read_text() == "said"


def test_ctrl_c_while_a_journal_is_resumed(
    journal: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from rich.console import Console

    class Process:
        def wait(self, timeout: float) -> int:
            raise KeyboardInterrupt

    monkeypatch.setattr(recovery, "start", lambda journal: Process())
    with pytest.raises(KeyboardInterrupt):
        recovery.resume_all([journal], Console())
    assert "goes on by itself" in capsys.readouterr().out
