"""What `convert` makes of logs that real runs seldom leave; the logs are in wandb's own format."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console
from wandb.proto import wandb_internal_pb2 as pb

from compat_tests.unit.logs import END, begin, log, record, row, singly, summary
from wandb_swan.convert import progress
from wandb_swan.convert.report import RunReport
from wandb_swan.exceptions import WandbSwanError
from wandb_swan.parity.logs import read_logs
from wandb_swan.sources.local_discovery import discover
from wandb_swan.sources.local_run import LocalRun, head
from wandb_swan.stream.events import (
    ConsoleLine,
    HistoryRow,
    NotRead,
    RunChanged,
    RunFinished,
    RunStarted,
    SummaryChanged,
)
from wandb_swan.stream.times import seconds
from wandb_swan.stream.wire import record_field


def test_rows_that_a_resumed_run_logged_again(tmp_path: Path) -> None:
    first = log(tmp_path / "run-1", begin(100), *(row(step, f"{step}") for step in range(5)))
    second = log(
        tmp_path / "run-2", begin(200, resumed=True, step=3), *(row(step, f"{step}.5") for step in range(3, 6)), END
    )
    run = LocalRun([first, second])
    events = list(singly(run.events()))
    assert {event.step: event.values["a"] for event in events if isinstance(event, HistoryRow)} == {
        0: 0, 1: 1, 2: 2, 3: 3.5, 4: 4.5, 5: 5.5,
    }  # fmt: skip
    assert isinstance(events[0], RunStarted) and isinstance(events[-1], RunFinished) and events[-1].exit_code == 0
    assert run.notices == ["run-r1.wandb: 2 rows from step 3 on were replaced when it resumed"]
    assert run.state == "finished"


def test_parts_of_a_resumed_run(tmp_path: Path) -> None:
    """Only the telemetry says that a run was resumed; a part may begin before the last rows of the one before it."""
    resumed = record(lambda made: setattr(made.telemetry.feature, "resumed", True))
    (tmp_path / "wandb").mkdir()
    for part in range(60):
        rows = (row(step, f"{part}") for step in range(part * 3, part * 3 + 5))
        said = [resumed] if part else []
        log(tmp_path / "wandb" / f"run-20240101_0000{part:02}-r1", begin(100 + part), *said, *rows)
    log(tmp_path / "wandb" / "run-20240101_000100-r1", begin(200), row(0, "1"))  # the same id again, without W&B
    first, second = discover(tmp_path / "wandb").runs
    assert (first.run_id, len(first.logs)) == ("r1", 60) and (second.run_id, len(second.logs)) == ("r1-2", 1)
    values = {event.step: event.values["a"] for event in singly(first.events()) if isinstance(event, HistoryRow)}
    assert values == {step: min(step // 3, 59) for step in range(59 * 3 + 5)}
    assert read_logs(first.logs).scalars[("a",)].values.tolist() == list(values.values())


def test_the_last_summary_counts_and_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    path = log(
        tmp_path / "run-1",
        begin(100),
        row(0, "1"),
        row(1, "{"),
        summary(a="1", b="2"),
        summary(a="3", c="{"),
        summary(remove="b"),
        b"\x1a\x05\xff\xff\xff\xff\xff",  # a summary that is no summary
        record(lambda made: setattr(made.output_raw, "line", "said\n")),
    )
    run = LocalRun([path])
    events = list(singly(run.events()))
    assert [event.update for event in events if isinstance(event, SummaryChanged)] == [((("a",), 3),)]
    assert [event.text for event in events if isinstance(event, ConsoleLine)] == ["said"]
    assert run.notices == []
    assert [(event.path, event.reason) for event in events if isinstance(event, NotRead)] == [
        (("a",), "cannot be read: no JSON"),
        (("summary",), "cannot be read: DecodeError"),
        (("c",), "cannot be read: no JSON"),
    ]
    assert run.state == "crashed" and events[-1].exit_code != 0


@pytest.mark.parametrize("ended", [False, True])
def test_a_name_that_is_given_while_the_log_is_looked_at(tmp_path: Path, ended: bool) -> None:
    """Between the survey, of which the start is made, and the first moment at which nothing more is there."""

    def renamed(name: str) -> bytes:
        def fill(made: pb.Record) -> None:
            made.run.run_id, made.run.project, made.run.display_name = "r1", "p", name
            made.run.start_time.seconds = 100

        return record(fill)

    begun = [begin(100), row(0, "1"), renamed("first")]
    later = log(tmp_path / "run-2", *begun, renamed("second"), row(1, "2"), *([END] if ended else [])).read_bytes()
    path = log(tmp_path / "run-1", *begun)
    run = LocalRun([path])
    assert run.segments[0].described.name == "first" and later.startswith(path.read_bytes())
    path.write_bytes(later)
    events = []
    for event in singly(run.growing()):
        if event is None:
            break
        events.append(event)
    assert [event.name for event in events if isinstance(event, RunStarted | RunChanged)] == ["first", "second"]
    assert [event.step for event in events if isinstance(event, HistoryRow)] == [0, 1]


def test_a_log_without_a_run(tmp_path: Path) -> None:
    path = log(tmp_path / "run-1", row(0, "1"))
    with pytest.raises(WandbSwanError, match=r"run-r1\.wandb holds no run \(1 records\)"):
        list(LocalRun([path]).events())
    assert head(path) is None and head(tmp_path / "nothing.wandb") is None


@pytest.mark.parametrize(
    ("payload", "field"),
    [(b"", 0), (b"\x08", 0), (b"\x0d\x01\x02\x03\x04\x12\x00", 0), (b"\x08\x01\x12\x00", 2), (b"\x9a\x01\x80", 0)],
)
def test_the_field_of_any_payload(payload: bytes, field: int) -> None:
    assert record_field(payload) == field


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("1970-01-01T00:01:00Z", 60.0),
        ("1970-01-01T00:01:00", 60.0),
        ("1970-01-01T01:01:00+01:00", 60.0),
        ("soon", 0.0),
        ("", 0.0),
        (None, 0.0),
    ],
)
def test_times_of_the_cloud(moment: str | None, expected: float) -> None:
    assert seconds(moment) == expected


def test_plain_lines_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PLAIN_INTERVAL", -1.0)
    out = io.StringIO()
    with progress.Meter(2, Console(file=out)) as meter:
        meter.points("a", 1500)
        meter.ended("a", RunReport(source="s", run_id="r1", state="failed", reason="no room"))
        meter.points("b", 500)
    lines = out.getvalue().splitlines()
    assert lines[0].startswith("[0/2] 1,500 points, ") and "left" not in lines[0]
    assert lines[1] == "[1/2] r1: failed, 0 points, no room"
    assert lines[-1].startswith("[1/2] 2,000 points, ") and "1 failed" in lines[-1] and lines[-1].endswith("s left")
