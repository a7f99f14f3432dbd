"""No kind of wandb's records is dropped without a word: it is handled, left out for a reason, or counted as a loss."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from wandb.proto import wandb_internal_pb2 as pb

from compat_tests.stores import SwanStore
from wandb_swan.capture import live
from wandb_swan.convert.jobs import Job
from wandb_swan.convert.worker import convert
from wandb_swan.journal.kinds import LEFT_OUT_RECORDS, LEFT_OUT_REQUESTS
from wandb_swan.journal.status import outcome
from wandb_swan.journal.writer import JournalWriter
from wandb_swan.mirror.process import Mirror
from wandb_swan.sources.local_run import LocalRun
from wandb_swan.sources.selection import Options
from wandb_swan.stream.events import NotRead, RunPreempting
from wandb_swan.stream.records import Decoder


def field(number: int, content: bytes) -> bytes:
    """A field of bytes, as protobuf writes it."""

    def varint(value: int) -> bytes:
        return bytes([value]) if value < 0x80 else bytes([value & 0x7F | 0x80]) + varint(value >> 7)

    return varint(number << 3 | 2) + varint(len(content)) + content


NEW_RECORD = field(300, b"what a newer wandb writes") + field(16, b"")
NEW_REQUEST = field(100, field(900, b"what a newer wandb asks"))


def preempting() -> bytes:
    record = pb.Record()
    record.preempting.SetInParent()
    return record.SerializeToString()


def start() -> bytes:
    record = pb.Record()
    record.run.run_id, record.run.project = "r1", "p"
    return record.SerializeToString()


def end(exit_code: int = 0) -> bytes:
    record = pb.Record()
    record.exit.exit_code = exit_code
    return record.SerializeToString()


@pytest.mark.parametrize(
    ("message", "oneof", "handled", "left_out"),
    [
        (pb.Record, "record_type", Decoder._RECORDS, LEFT_OUT_RECORDS),
        (pb.Request, "request_type", Decoder._REQUESTS, LEFT_OUT_REQUESTS),
    ],
)
def test_every_kind_of_the_installed_wandb_is_decided(
    message: type, oneof: str, handled: dict[str, object], left_out: frozenset[str]
) -> None:
    kinds = {kind.name for kind in message.DESCRIPTOR.oneofs_by_name[oneof].fields} - {"request"}
    assert kinds <= handled.keys() | left_out
    assert not handled.keys() & left_out


def test_the_tap_leaves_out_what_the_decoder_leaves_out() -> None:
    journal: list[bytes] = []
    capture: Any = SimpleNamespace(journal=SimpleNamespace(append=journal.append), broken=pytest.fail)
    for message, oneof, left_out in (
        (pb.Record, "record_type", LEFT_OUT_RECORDS),
        (pb.Request, "request_type", LEFT_OUT_REQUESTS),
    ):
        for kind in {kind.name for kind in message.DESCRIPTOR.oneofs_by_name[oneof].fields} - {"request"}:
            record = pb.Record()
            getattr(record if message is pb.Record else record.request, kind).SetInParent()
            journal.clear()
            live.append(capture, record)
            assert journal == ([] if kind in left_out else [record.SerializeToString()]), kind


def test_what_is_left_out_makes_no_event() -> None:
    decoder = Decoder()
    for kind in LEFT_OUT_RECORDS.intersection(pb.Record.DESCRIPTOR.fields_by_name.keys()):
        record = pb.Record()
        getattr(record, kind).SetInParent()
        assert not list(decoder.feed(record.SerializeToString())), kind
    for kind in LEFT_OUT_REQUESTS.intersection(pb.Request.DESCRIPTOR.fields_by_name.keys()):
        record = pb.Record()
        getattr(record.request, kind).SetInParent()
        assert not list(decoder.feed(record.SerializeToString())), kind
    for nothing in (b"", field(16, b""), field(100, b"")):
        assert not list(decoder.feed(nothing))
    assert not decoder.unknown and not decoder.unreadable


def unknown(kind: str) -> NotRead:
    return NotRead(path=(kind,), reason="a kind of wandb's records that is not known here")


def test_an_unknown_kind_is_counted() -> None:
    decoder = Decoder()
    found = [event for payload in (NEW_RECORD, NEW_REQUEST, NEW_RECORD) for event in decoder.feed(payload)]
    assert found == [unknown(kind) for kind in ("record field 300", "request field 900", "record field 300")]
    assert decoder.unknown == {"record field 300": 2, "request field 900": 1}
    assert decoder.unreadable == 0


def test_a_kind_that_the_table_lacks_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(Decoder._RECORDS, "preempting")
    decoder = Decoder()
    assert list(decoder.feed(preempting())) == [unknown("preempting")]
    assert decoder.unknown == {"preempting": 1}


def test_preempting_is_an_event() -> None:
    assert list(Decoder().feed(preempting())) == [RunPreempting()]


def test_the_mirror_tells_of_them(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path / "r1-20260101_000000.journal")
    writer.note(type="begin", format=1, settings={"mode": "offline", "log_dir": str(tmp_path / "swanlog")}, run={})
    run_start = pb.Record()
    run_start.request.run_start.run.run_id, run_start.request.run_start.run.project = "r1", "p"
    for payload in (run_start.SerializeToString(), NEW_RECORD, NEW_REQUEST, NEW_RECORD, preempting(), end()):
        writer.append(payload)
    writer.note(type="end", exit_code=0)
    writer.close()
    assert Mirror(writer.path).run() == 0
    status = json.loads(writer.path.with_suffix(".status.json").read_text())
    assert status["unknown_records"] == {"record field 300": 2, "request field 900": 1}
    reason = "a kind of wandb's records that is not known here"
    lost = [
        {"key": "record field 300", "reason": reason, "count": 2},
        {"key": "request field 900", "reason": reason, "count": 1},
    ]
    assert status["not_mirrored"] == lost
    assert "3 values" in outcome(writer.path, ended=True)
    about = SwanStore.read(Path(status["run_dir"])).config["wandb_run"]
    assert about["preempting"] is True and about["not_mirrored"] == lost


def test_a_conversion_tells_of_them(tmp_path: Path) -> None:
    folder = tmp_path / "offline-run-20260101_000000-r1"
    folder.mkdir()
    writer = JournalWriter(folder / "run-r1.wandb")
    for payload in (start(), NEW_RECORD, preempting(), end()):
        writer.append(payload)
    writer.close()
    reference = LocalRun([writer.path]).reference()
    job = Job(reference=reference, run_id="r1", options=Options(log_dir=tmp_path / "swanlog"), run_dir="run-made")
    report = convert(job, lambda points: None)
    assert report.state == "converted" and report.identical
    assert [(lost.key, lost.count) for lost in report.lost] == [("record field 300", 1)]
    assert not report.whole
    assert SwanStore.read(tmp_path / "swanlog" / "run-made").config["wandb_run"]["preempting"] is True


@pytest.mark.parametrize("exit_code", [0, 1])
def test_a_run_whose_machine_was_taken_away_is_preempted(tmp_path: Path, exit_code: int) -> None:
    folder = tmp_path / "offline-run-20260101_000000-r1"
    folder.mkdir()
    writer = JournalWriter(folder / "run-r1.wandb")
    for payload in (start(), preempting(), end(exit_code)):
        writer.append(payload)
    writer.close()
    reference = LocalRun([writer.path]).reference()
    job = Job(reference=reference, run_id="r1", options=Options(log_dir=tmp_path / "swanlog"), run_dir="run-made")
    assert convert(job, lambda points: None).identical
    about = SwanStore.read(tmp_path / "swanlog" / "run-made").config["wandb_run"]
    assert about.get("state") == ("preempted" if exit_code else None)
