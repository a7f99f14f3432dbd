"""The plain reading of logs that real runs seldom leave; they are in wandb's own format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from wandb.proto import wandb_internal_pb2 as pb

from compat_tests.unit.logs import END, begin, log, record, row, summary
from wandb_swan.exceptions import WandbSwanError
from wandb_swan.parity.logs import read_logs
from wandb_swan.parity.plain import leaves, media_items, payloads
from wandb_swan.parity.recorded import Line


def test_rows_that_a_resumed_run_logged_again(tmp_path: Path) -> None:
    first = log(tmp_path / "run-1", begin(100), *(row(step, f"{step}") for step in range(5)))
    second = log(tmp_path / "run-2", begin(200, resumed=True), *(row(step, f"{step}.5") for step in range(3, 6)), END)
    recorded = read_logs([second, first])
    assert list(recorded.scalars["a",].steps) == [0, 1, 2, 3, 4, 5]
    assert list(recorded.scalars["a",].values) == [0, 1, 2, 3.5, 4.5, 5.5]
    assert (recorded.started_at, recorded.exit_code) == (100.0, 0)
    third = log(tmp_path / "run-3", begin(300, step=2), row(4, '"text"'), END)
    recorded = read_logs([first, second, third])
    assert list(recorded.scalars["a",].steps) == [0, 1] and list(recorded.texts["a",]) == [4]


def test_a_log_that_ends_in_a_record(tmp_path: Path) -> None:
    path = log(tmp_path / "run-1", begin(100), *(row(step, f"{step}") for step in range(3)), END)
    path.write_bytes(path.read_bytes()[:-3])
    recorded = read_logs([path])
    assert len(recorded.scalars["a",]) == 3 and recorded.exit_code is None


def test_no_log(tmp_path: Path) -> None:
    (tmp_path / "x.wandb").write_bytes(b"something else")
    with pytest.raises(WandbSwanError, match="not a wandb transaction log"):
        list(payloads(tmp_path / "x.wandb"))


def test_a_summary_that_is_ahead_of_the_rows(tmp_path: Path) -> None:
    path = log(tmp_path / "run-1", begin(100), row(0, "1"), row(3, "1"), summary(_step="5", a="1"), END)
    assert read_logs([path]).short == ("wandb's summary is of step 5, the last row of run-r1.wandb is of step 3",)
    killed = log(tmp_path / "run-2", begin(100), row(3, "1"), summary(_step="5", a="1"))
    assert read_logs([killed]).short == ()


def test_fewer_items_than_are_counted(tmp_path: Path) -> None:
    value = {"_type": "images/separated", "count": 3, "filenames": ["media/images/a.png", "media/images/b.png"]}
    recorded = read_logs([log(tmp_path / "run-1", begin(100), row(0, json.dumps(value)), END)])
    assert recorded.short == ("a at step 0: wandb counts 3 items and names 2",)


def test_what_cannot_be_read(tmp_path: Path) -> None:
    bad = b"\x1a\x05\xff\xff\xff\xff\xff"
    path = log(tmp_path / "run-1", begin(100), row(0, "{"), row(1, "2"), summary(b="{"), bad, END)
    recorded = read_logs([path])
    assert recorded.not_understood == {
        ("a", "JSONDecodeError"): 1,
        ("b", "JSONDecodeError"): 1,
        ("record", "DecodeError"): 1,
    }
    assert list(recorded.scalars["a",].values) == [2.0]


def test_lines_of_two_streams(tmp_path: Path) -> None:
    def said(line: str, kind: int) -> bytes:
        def fill(made: pb.Record) -> None:
            made.output_raw.line, made.output_raw.output_type = line, kind

        return record(fill)

    out, err = pb.OutputRawRecord.STDOUT, pb.OutputRawRecord.STDERR
    pieces = [said("a", out), said("wrong\n", err), said("b\r12%\r", out), said("34%\r\nlast", out)]
    recorded = read_logs([log(tmp_path / "run-1", begin(100), *pieces, END)])
    assert recorded.lines == [Line("wrong", True), Line("34%", False), Line("last", False)]


ITEM = {"_type": "image-file", "path": "media/a.png"}


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (ITEM, [ITEM]),
        ([ITEM, 1, {"_type": "html-file"}], [ITEM, {"_type": "html-file"}]),
        ({"_type": "images/separated", "filenames": ["media/a.png"]}, [ITEM]),
        (
            {"_type": "images/separated", "filenames": ["media/a.png"], "captions": ["c"], "all_boxes": [{"x": 1}]},
            [{**ITEM, "caption": "c", "boxes": {"x": 1}}],
        ),
        ({"_type": "audio", "audio": [{"path": "x"}]}, [{"path": "x", "_type": "audio-file"}]),
        (
            {"_type": "images/separated", "count": 2},  # up to 0.12.10
            [{"_type": "image-file", "path": f"media/images/_0_{at}.png"} for at in range(2)],
        ),
        ({"_type": "audio", "count": 2}, [{"_type": "audio-file", "count": 2}] * 2),
        ({"_type": ["odd"]}, [{"_type": ["odd"]}]),
        ({"a": 1}, []),
        ("text", []),
    ],
)
def test_items_of_a_value(value: Any, found: list[Any]) -> None:
    assert media_items(value) == found


def test_leaves_however_deep() -> None:
    tree: Any = 1
    for _ in range(5_000):
        tree = {"a": tree}
    assert list(leaves(tree)) == [(("a",) * 5_000, 1)]
    assert dict(leaves({"a": {}, "b": {"c": 1, "d": {"_type": "x"}}})) == {("b", "c"): 1, ("b", "d"): {"_type": "x"}}


def test_an_int_beyond_the_doubles(tmp_path: Path) -> None:
    path = log(tmp_path / "run-1", begin(100), row(0, str(10**400)), row(1, str(2**63 + 1)), row(2, "true"), END)
    assert list(read_logs([path]).scalars["a",].values) == [float("inf"), float(2**63 + 1), 1.0]
