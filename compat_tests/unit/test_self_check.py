"""What the self-check takes for the same value, and what it says of the rest. The logs are in wandb's own format."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from wandb.proto import wandb_internal_pb2 as pb

from wandb_swan.journal.writer import JournalWriter
from wandb_swan.mirror import reconcile
from wandb_swan.mirror.process import Mirror
from wandb_swan.mirror.reconcile import Reconciler
from wandb_swan.mirror.replay import Replay
from wandb_swan.mirror.rest import Rest
from wandb_swan.stream.events import ChartDefined, ConsoleLine, Event, HistoryRow, MaskLabels, NotRead

Rows = Mapping[int, Mapping[str, str]]


def log_of(folder: Path, rows: Rows) -> Path:
    """A transaction log; the values are JSON as wandb's core writes it."""
    writer = JournalWriter(folder / "run-r1.wandb")
    for step, values in rows.items():
        record = pb.Record()
        record.history.step.num = step
        for key, text in values.items():
            record.history.item.add(nested_key=key.split("."), value_json=text)
        writer.append(record.SerializeToString())
    end = pb.Record()
    end.exit.exit_code = 0
    writer.append(end.SerializeToString())
    writer.close()
    return writer.path


def checked(log: Path, live: Mapping[int, dict[str, Any]]) -> tuple[Reconciler, list[HistoryRow]]:
    check = Reconciler(log)
    for step, values in live.items():
        check.live(HistoryRow(step=step, timestamp=0.0, values=values))
    added = []
    while check.read_ahead():
        added += list(check.follow(max(live, default=0) + 1, drained=True))
    check.finish()
    check.close()
    return check, added


@pytest.mark.parametrize(
    ("live", "text"),
    [
        (1, "1.0"),
        (2.0, "2"),
        (float("nan"), "NaN"),
        (float("inf"), "Infinity"),
        (2**70, "1180591620717411303424"),
        (10**400, str(10**400)),
        ([1, [2.0, "a"]], '[1.0,[2,"a"]]'),
        ({"b": [1], "c": None}, '{"b":[1.0],"c":null}'),
        ("\ud800", '"?"'),
        ("\ud800", '"\ufffd"'),
        ({"k\udc00": 1}, '{"k\ufffd":1}'),
        ("text", '"text"'),
        (True, "true"),
        (None, "null"),
    ],
)
def test_spelled_otherwise_and_the_same(tmp_path: Path, live: Any, text: str) -> None:
    check, added = checked(log_of(tmp_path, {0: {"a": text}}), {0: {"a": live}})
    assert (check.compared, check.conflicts, added) == (1, 0, [])


@pytest.mark.parametrize(
    ("live", "text"),
    [(1, "2"), ([1], "[1,2]"), ([1, 2], "[1,3]"), ("a", '"b"'), ("1", "1"), (10**400, "1"), (None, "0")],
)
def test_another_value_is_named(tmp_path: Path, live: Any, text: str) -> None:
    check, added = checked(log_of(tmp_path, {3: {"a": text}}), {3: {"a": live}})
    assert (check.conflicts, check.differences, added) == (1, ["a at step 3: not the value in wandb's log"], [])


def test_what_one_side_has_alone(tmp_path: Path) -> None:
    log = log_of(tmp_path, {0: {"a": "1", "deep.b": "2"}, 1: {"a": "5"}, 2: {"c": "7"}})
    check, added = checked(log, {0: {"a": 1}, 2: {"c": 7, "ours": 1}, 9: {"x": 1, "y": 2}})
    assert [(row.step, row.values) for row in added] == [(0, {"deep": {"b": 2}}), (1, {"a": 5})]
    assert check.summary() == {
        "rows_compared": 2,
        "rows_added_from_log": 2,
        "differences": 3,
        "first_differences": [
            "ours at step 2 is not in wandb's log",
            "step 9 was mirrored live, wandb's log does not have it",
        ],
        "log_read_to_its_end": True,
    }


def test_only_the_first_differences_are_named(tmp_path: Path) -> None:
    log = log_of(tmp_path, {step: {"a": "1"} for step in range(50)})
    check, _ = checked(log, {step: {"a": 2} for step in range(50)})
    assert (check.conflicts, len(check.differences)) == (50, 20)


def test_a_log_that_is_not_written_ends_the_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "WAITING", 10)
    check, added = checked(tmp_path / "nothing.wandb", {step: {"a": 2} for step in range(20)})
    assert (check.active, check.conflicts, added) == (False, 0, [])


def test_more_rows_than_are_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "READ_AHEAD", 7)
    log = log_of(tmp_path, {step: {"a": str(step)} for step in range(50)})
    check, added = checked(log, {step: {"a": step} for step in range(0, 50, 2)})
    assert (check.compared, check.added, check.conflicts) == (25, 25, 0)
    assert [row.step for row in added] == list(range(1, 50, 2))


def test_half_of_a_surrogate_pair_in_what_is_no_row() -> None:
    """wandb's JSON can spell one: in a chart's title, in a class name, in a printed line."""

    def every(half: str) -> list[Event]:
        return [
            ChartDefined(key="c", spec="s", table_key="t", fields={}, strings={"title": half}),
            MaskLabels(key="m", layer="l", labels={"1": half}),
            ConsoleLine(text=half, stderr=False, timestamp=0.0),
            NotRead(path=(half,), reason="why"),
        ]

    rest = Rest()
    for event in every("\ud800"):
        rest.live(event)
    for event in every("\ufffd"):
        rest.logged(event)
    assert list(rest.finish()) == []


def test_large_rows_are_read_a_few_at_once(tmp_path: Path) -> None:
    text = json.dumps("x" * 1_000_000)
    check = Reconciler(log_of(tmp_path, {step: {"a": text} for step in range(30)}))
    sizes = []
    while check.read_ahead():
        sizes.append(len(check._early))
        assert len(list(check.follow(100, drained=True))) == sizes[-1]
    assert sum(sizes) == 30 and max(sizes) < 10
    check.close()


def test_large_records_of_a_journal_are_replayed_a_few_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = JournalWriter(tmp_path / "r1-20260101_000000.journal")
    writer.note(type="begin", format=1, settings={"mode": "offline", "log_dir": str(tmp_path / "swanlog")}, run={})
    begin = pb.Record()
    begin.request.run_start.run.run_id, begin.request.run_start.run.project = "r1", "p"
    writer.append(begin.SerializeToString())
    for _ in range(30):
        row = pb.Record()
        row.request.partial_history.item.add(key="a", value_json=json.dumps("x" * 1_000_000))
        writer.append(row.SerializeToString())
    writer.note(type="end", exit_code=0)
    writer.close()
    turns = []
    write_all = Replay.write_all

    def counted(self: Replay, events: Sequence[Event]) -> None:
        turns.append(sum(isinstance(event, HistoryRow) for event in events))
        write_all(self, events)

    monkeypatch.setattr(Replay, "write_all", counted)
    assert Mirror(writer.path).run() == 0
    assert sum(turns) == 30 and max(turns) < 10
