"""How a mirror stops that cannot go on: exit code, status file, and the journal stays."""

from __future__ import annotations

import itertools
import json
import logging
import re
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tenacity import wait_chain, wait_fixed
from wandb.proto import wandb_internal_pb2 as pb

from compat_tests.stores import SwanStore
from wandb_swan.__main__ import main
from wandb_swan.capture.mirrors import BUSY
from wandb_swan.journal.claim import Claim
from wandb_swan.journal.life import mark_live
from wandb_swan.journal.models import MirrorStatus, PartSteps
from wandb_swan.journal.status import is_whole, outcome
from wandb_swan.journal.writer import JournalWriter
from wandb_swan.mirror import opening
from wandb_swan.mirror import process as mirror
from wandb_swan.mirror import resume as recovery
from wandb_swan.mirror.process import Mirror
from wandb_swan.swan.sink import Sink


def written(folder: Path, name: str = "r1-20260101_000000.journal", **begin: Any) -> Path:
    """A journal with one row; `begin` comes on top of its first note."""
    writer = JournalWriter(folder / name)
    settings = {"mode": "offline", "log_dir": str(folder / "swanlog")}
    writer.note(**{"type": "begin", "format": 1, "settings": settings, "run": {}} | begin)
    start = pb.Record()
    start.request.run_start.run.run_id = "r1"
    start.request.run_start.run.project = "p"
    writer.append(start.SerializeToString())
    row = pb.Record()
    row.request.partial_history.item.add(key="loss", value_json="0.5")
    writer.append(row.SerializeToString())
    writer.note(type="end", exit_code=0)
    writer.close()
    return writer.path


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return written(tmp_path)


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
def test_swanlab_cannot_start(journal: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str) -> None:
    def refuse(*_: Any) -> None:
        raise error

    monkeypatch.setattr(Sink, "open", refuse)
    monkeypatch.setenv("SWANLAB_API_KEY", "a-key")
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

    monkeypatch.setattr(recovery, "start_mirror", lambda journal, **_: Process())
    with pytest.raises(KeyboardInterrupt):
        recovery.resume_all([journal], Console())
    assert "goes on by itself" in capsys.readouterr().out


UNKNOWN = r"the journal has format 99, written by wandb_swan 7\.0\.0; this is .*: type `pip install -U wandb-swan`"


def test_a_journal_of_an_unknown_format(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Of a later version: nothing in it may mean what it seems to mean."""
    journal = written(tmp_path, format=99, versions={"wandb_swan": "7.0.0"})
    assert Mirror(journal).run() == 1
    (said,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert re.fullmatch(UNKNOWN, said.getMessage()) and said.exc_info is None
    assert status(journal)["state"] == "failed" and re.fullmatch(UNKNOWN, status(journal)["reason"])
    assert journal.exists() and not (tmp_path / "swanlog").exists()
    done = CliRunner().invoke(main, ["resume", str(journal)])
    assert done.exit_code == 1 and re.search(UNKNOWN, done.output) and "nothing is lost" in done.output
    shown = CliRunner().invoke(main, ["status", str(journal)]).output
    assert "failed" in shown and "pip install -U wandb-swan" in " ".join(shown.split())
    assert journal.exists()


def test_a_part_does_not_overtake_one_of_an_unknown_format(tmp_path: Path) -> None:
    """Online: SwanLab takes no older step into an experiment that goes on."""
    old = written(tmp_path, format=99)
    assert mirror.Mirror(old)._mirror_earlier(old) == 1
    empty = JournalWriter(tmp_path / "r2-20260101_000000.journal")
    empty.close()
    assert mirror.Mirror(empty.path)._mirror_earlier(empty.path) == 0


@pytest.mark.parametrize(
    ("begin", "said"),
    [
        ({"settings": {"finish_timeout": "soon"}}, "settings.finish_timeout is 'soon', which cannot be used"),
        ({"settings": {"keep_journal": "perhaps"}}, "settings.keep_journal is 'perhaps', which cannot be used"),
        ({"settings": ["offline"]}, "settings is ['offline'], which cannot be used"),
        ({"run": {"files": 5, "log": 6, "log_written": True}}, "run.files is 5, which cannot be used"),
        ({"run": "r1", "trainer": [1], "versions": 3}, "run is 'r1', which cannot be used"),
    ],
)
def test_wrong_values_in_the_first_note(
    tmp_path: Path,
    begin: dict[str, Any],
    said: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SWANLAB_MODE", "offline")
    if isinstance(begin.get("settings"), dict):
        begin["settings"] |= {"mode": "offline", "log_dir": str(tmp_path / "swanlog")}
    journal = written(tmp_path, **begin)
    assert Mirror(journal).run() == 0
    assert status(journal)["state"] == "finished" and not journal.exists()
    assert any(said in record.getMessage() for record in caplog.records)
    assert not any(record.exc_info for record in caplog.records)
    (folder,) = (tmp_path / "swanlog").glob("run-*")
    assert SwanStore.read(folder).scalars == {"loss": {0: 0.5}}


WRONG: dict[str, Any] = {
    "pid": "a", "mode": 1, "run_dir": ["x"], "url": 5, "superseded": "folder", "sent_at": "now", "lines_before": "no",
    "part": {"step_offset": "far", "first_step": [1], "last_step": None}, "refused": [1], "counts": [1, 2],
    "not_mirrored": [{"count": "x"}, 5], "self_check": "good", "offset": {}, "reason": ["why"], "only_copy": 3,
    "size": "big", "run_id": 7, "project": {},
}  # fmt: skip


@pytest.mark.parametrize("state", ["running", "failed", "finished", 5, None])
def test_wrong_values_in_the_status_file(tmp_path: Path, journal: Path, state: object) -> None:
    """What cannot be used counts as not said, for whoever reads it."""
    earlier = written(tmp_path, "r1-20250101_000000.journal")
    for path in (journal, earlier):
        path.with_suffix(".status.json").write_text(json.dumps(WRONG | {"state": state}))
    told = outcome(journal, ended=False)
    assert told.startswith(
        {"failed": "the run is not whole", "finished": "SwanLab run at None"}.get(str(state), "the mirror goes on")
    )
    shown = CliRunner().invoke(main, ["status", str(tmp_path)])
    assert shown.exit_code == 0, shown.output
    if state == "finished":
        assert is_whole(journal)
        done = CliRunner().invoke(main, ["resume", str(journal)])
        assert done.exit_code == 0 and "is whole already" in done.output
        return
    assert Mirror(journal).run() == 0
    assert status(journal)["state"] == "finished" and status(earlier)["state"] == "finished"
    assert len(list((tmp_path / "swanlog").glob("run-*"))) == 2


@pytest.mark.parametrize("wrong", [{"step_offset": "far"}, {"steps_before": None}, {"first_step": [1]}, 5, {}])
def test_a_wrong_part_in_the_status_file_is_found_anew(tmp_path: Path, journal: Path, wrong: Any) -> None:
    """Not half of it: this part's steps would fall on those of the earlier one."""
    earlier = MirrorStatus(
        state="finished", mode="offline", run_id="r1", project="p", part=PartSteps(last_step=5, last_row=5)
    )
    assert earlier.write(tmp_path / "r1-20250101_000000.journal")
    part = {"steps_before": 5, "step_offset": None, "last_step": -1} | wrong if isinstance(wrong, dict) else wrong
    journal.with_suffix(".status.json").write_text(json.dumps({"state": "running", "part": part}))
    assert Mirror(journal).run() == 0
    assert status(journal)["part"]["step_offset"] == 6
    assert "step 0 is step 6 there" in outcome(journal, ended=True)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"state": "run', "", "5", '{"counts": ' + "[" * 100_000, "\0"])
def test_a_status_file_of_anything(journal: Path, text: str) -> None:
    journal.with_suffix(".status.json").write_text(text)
    assert "goes on by itself" in outcome(journal, ended=False)
    assert CliRunner().invoke(main, ["status", str(journal.parent)]).exit_code == 0
    assert Mirror(journal).run() == 0


def test_waiting_for_swanlab_stops_when_the_run_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more try, at once: whoever called `finish()` waits for it."""
    writer = JournalWriter(tmp_path / "r1-20260101_000000.journal")
    writer.note(type="begin", format=1, settings={"mode": "online", "log_dir": str(tmp_path / "swanlog")})
    start = pb.Record()
    start.request.run_start.run.run_id = "r1"
    writer.append(start.SerializeToString())
    mark_live(writer.path)
    tries: list[float] = []

    def refuse(*_: Any) -> None:
        tries.append(time.monotonic())
        if len(tries) == 2:
            threading.Timer(0.5, lambda: writer.note(type="end", exit_code=0)).start()
        raise ConnectionError("no way")

    monkeypatch.setattr(Sink, "open", refuse)
    monkeypatch.setenv("SWANLAB_API_KEY", "a-key")
    monkeypatch.setattr(opening, "wait_exponential", lambda **_: wait_chain(wait_fixed(0.3), wait_fixed(100)))
    assert Mirror(writer.path).run() == 1
    writer.close()
    assert len(tries) == 3
    assert tries[1] - tries[0] >= 0.3 and tries[2] - tries[1] < 20
    assert status(writer.path)["state"] == "failed"
    assert status(writer.path)["reason"] == "SwanLab cannot be reached: ConnectionError: no way"
    assert writer.path.exists()


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        ("('Connection broken: IncompleteRead(2 bytes read)')", opening.LAST_TRIES),
        ("status=503", opening.LAST_TRIES),
        ("Max retries exceeded: Failed to establish a new connection: Connection refused", 1),
        ("401 Unauthorized", 1),
    ],
)
def test_an_unwell_server_is_tried_again_after_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: str, tries: int
) -> None:
    """One that is not there, or that says no, is not: somebody may be waiting in `finish()`."""
    made: list[float] = []

    def fail(*_: Any) -> None:
        made.append(time.monotonic())
        raise RuntimeError(f"Failed to start run: {error}")

    begin = {"type": "begin", "format": 1, "settings": {"mode": "online", "log_dir": str(tmp_path / "swanlog")}}
    path = tmp_path / "r1-20270101_000000.journal"
    writer = JournalWriter(path)
    writer.note(**begin)
    start = pb.Record()
    start.request.run_start.run.run_id = "r1"
    writer.append(start.SerializeToString())
    writer.note(type="end", exit_code=0)
    writer.close()
    monkeypatch.setattr(Sink, "open", fail)
    monkeypatch.setenv("SWANLAB_API_KEY", "a-key")
    monkeypatch.setattr(opening, "FIRST_RETRY", 0.05)
    assert Mirror(path).run() == 1
    assert len(made) == tries
    assert all(later - earlier >= 0.05 for earlier, later in itertools.pairwise(made))
    assert status(path)["reason"].endswith(error) and path.exists()
