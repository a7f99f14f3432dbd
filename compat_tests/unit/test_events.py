"""Events are checked where they are made, cannot be changed afterwards, and each kind of them is handled."""

from __future__ import annotations

import copy
import math
import pickle
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import ValidationError
from wandb.proto import wandb_internal_pb2 as pb

from compat_tests.stores import SwanStore
from wandb_swan.convert.jobs import Job
from wandb_swan.convert.worker import convert
from wandb_swan.journal.writer import JournalWriter
from wandb_swan.sources.local_run import LocalRun
from wandb_swan.sources.selection import Options
from wandb_swan.stream import events
from wandb_swan.stream.config import apply, own_events, own_part, own_part_at, without_own
from wandb_swan.stream.events import (
    Alert,
    Artifact,
    ChartDefined,
    ConfigChanged,
    ConsoleLine,
    Event,
    FileSaved,
    HistoryRow,
    HistoryRows,
    MaskLabels,
    MetricDefined,
    NotRead,
    RowDropped,
    RunChanged,
    RunFinished,
    RunPreempting,
    RunStarted,
    SummaryChanged,
    SystemStats,
)
from wandb_swan.stream.frozen import frozen
from wandb_swan.stream.records import Decoder
from wandb_swan.stream.state import state_of
from wandb_swan.stream.values import Numbering, classified, number_of

ONE_OF_EACH: list[Event] = [
    RunStarted(run_id="r"),
    RunChanged(name="n"),
    ConfigChanged(update=((("a",), {"b": [1]}),), remove=(("c",),)),
    HistoryRow(step=0, timestamp=1.0, values={"a": 1}),
    HistoryRows(keys=("a", "b"), steps=(0, 2), timestamps=(1.0, 2.0), columns=((1, 2), (0.5, True))),
    RowDropped(step=0, current=1, keys=("a",)),
    SummaryChanged(update=((("a",), 1),)),
    MetricDefined(name="a"),
    ConsoleLine(text="a", stderr=False, timestamp=0.0),
    FileSaved(path="a", policy="end"),
    Alert(title="a", text="b", level="INFO"),
    Artifact(name="a", type="model"),
    ChartDefined(key="a", spec="wandb/line/v0", table_key="a_table", fields={"x": "a"}, strings={}),
    MaskLabels(key="a", layer="b", labels={"1": "cat"}),
    SystemStats(timestamp=0.0, values={"cpu": 1.0}),
    RunPreempting(),
    NotRead(path=("novelty",), reason="not known"),
    RunFinished(exit_code=0),
]


def test_the_union_is_closed() -> None:
    """`Event` names every class of the module that is one, and the list above has each of them."""
    kinds = {value for value in vars(events).values() if isinstance(value, type) and issubclass(value, events._Event)}
    assert set(get_args(Event)) == kinds - {events._Event} == {type(event) for event in ONE_OF_EACH}


@pytest.mark.parametrize(
    "given",
    [
        {"step": "not a step", "timestamp": 0.0, "values": {}},
        {"step": "5", "timestamp": 0.0, "values": {}},
        {"step": True, "timestamp": 0.0, "values": {}},
        {"step": 1.5, "timestamp": 0.0, "values": {}},
        {"step": 0, "timestamp": "now", "values": {}},
        {"step": 0, "timestamp": 0.0, "values": []},
        {"step": 0, "timestamp": 0.0, "values": {1: 2}},
        {"step": 0, "timestamp": 0.0, "values": {"a": object()}},
        {"step": 0, "timestamp": 0.0, "values": {"a": {"b": [{1: 2}]}}},
        {"step": 0, "timestamp": 0.0, "values": {}, "more": 1},
    ],
)
def test_what_is_no_row_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        HistoryRow(**given)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (ConfigChanged, {"update": (((), 1),)}),
        (ConfigChanged, {"update": (("a", 1),)}),
        (ConfigChanged, {"update": ((("a",), b"bytes"),)}),
        (SummaryChanged, {"remove": ((1,),)}),
        (SystemStats, {"timestamp": 0.0, "values": {"cpu": {1, 2}}}),
        (MaskLabels, {"key": "a", "layer": "b", "labels": {"1": 2}}),
        (RunFinished, {"exit_code": "0"}),
    ],
)
def test_what_is_no_event_is_refused(kind: type[Any], given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        kind(**given)
    with pytest.raises(ValidationError):
        ONE_OF_EACH[0].changed(run_id=1)


def test_an_event_keeps_what_it_was_made_with() -> None:
    given: dict[str, Any] = {"a": 1, "deep": {"list": [1, {"x": 2}]}}
    row = HistoryRow(step=0, timestamp=0.0, values=given)
    given["a"] = given["deep"]["list"][1]["x"] = 9
    given["deep"]["list"].append(3)
    values: Any = row.values
    assert values == {"a": 1, "deep": {"list": [1, {"x": 2}]}}
    for change in (
        lambda: values.update(a=2),
        lambda: values.pop("a"),
        lambda: values.__setitem__("a", 2),
        values["deep"].clear,
        lambda: values["deep"]["list"].append(1),
        lambda: values["deep"]["list"].__setitem__(0, 1),
        lambda: values["deep"]["list"][1].setdefault("y", 1),
        values["deep"]["list"].sort,
    ):
        with pytest.raises(TypeError, match="cannot be changed"):
            change()
    with pytest.raises(ValidationError, match="frozen"):
        row.step = 1  # type: ignore[misc]
    assert copy.deepcopy(values) == pickle.loads(pickle.dumps(values)) == values
    assert row.changed(step=4) == HistoryRow(step=4, timestamp=0.0, values=values) and row.leaves is row.leaves


def test_a_config_is_built_without_touching_the_events() -> None:
    first = ConfigChanged(update=((("a",), {"b": {"c": 1}}),))
    one: dict[str, Any] = {}
    two: dict[str, Any] = {}
    apply(one, first)
    apply(two, first)
    apply(one, ConfigChanged(update=((("a", "b", "d"), 2),)))
    apply(two, ConfigChanged(remove=(("a", "b", "c"),)))
    assert (one, two) == ({"a": {"b": {"c": 1, "d": 2}}}, {"a": {"b": {}}})
    assert first.update == ((("a",), {"b": {"c": 1}}),)


def test_wandbs_own_part_of_a_config() -> None:
    panels = {"curve": {"id": "wandb/pr"}}
    assert without_own({"_wandb": {"viz": panels}, "lr": 1}) == {"lr": 1}
    for part in (
        own_part({"_wandb": {"viz": panels}}),
        own_part({"_wandb": {"value": {"viz": panels}, "desc": None}}),
        own_part_at(("_wandb",), {"viz": panels}),
        own_part_at(("_wandb", "viz", "curve"), panels["curve"]),
    ):
        (chart,) = own_events(part)
        assert isinstance(chart, ChartDefined) and (chart.key, chart.spec) == ("curve", "wandb/pr")
    assert own_part({}) == own_part({"_wandb": 1}) == own_part_at(("_wandb",), 1) == {}


def test_a_bad_step_costs_its_row_alone() -> None:
    decoder = Decoder()
    record = pb.Record()
    record.run.run_id = "r"
    list(decoder.feed(record.SerializeToString()))
    record = pb.Record()
    record.history.item.add(key="a", value_json="1")
    record.history.item.add(key="_step", value_json="true")
    (row,) = decoder.feed(record.SerializeToString())
    assert isinstance(row, HistoryRow) and row.step is None and row.values == {"a": 1}


ITEM = {"_type": "image-file", "path": "media/a.png"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.5, [1.5]),
        (True, [1.0]),
        pytest.param(10**400, [math.inf], id="beyond the doubles"),
        pytest.param(-(10**400), [-math.inf], id="below the doubles"),
        ("text", ["text"]),
        (None, ["null"]),
        ([1.0, 2], ["[1, 2]"]),
        ([], ["[]"]),
        (ITEM, [[ITEM]]),
        ([ITEM, ITEM], [[ITEM, ITEM]]),
        ([ITEM, 1], [[ITEM], '[{"_type": "image-file", "path": "media/a.png"}, 1]']),
        ({"_type": "images/separated", "filenames": []}, ['{"_type": "images/separated", "filenames": []}']),
        ({"_type": "images/separated", "filenames": ["media/a.png"]}, [[ITEM]]),
        ({"b": {"c": 1}}, [1.0]),
    ],
)
def test_what_a_value_is(value: Any, expected: list[Any]) -> None:
    row = HistoryRow(step=0, timestamp=0.0, values={"a": value})
    found = [
        number if number is not None else text if text is not None else list(media)
        for _, _, number, text, media in row.leaves
    ]
    assert found == expected
    assert classified({"a": value}) == row.leaves


def test_paths_of_nested_values() -> None:
    row = HistoryRow(step=0, timestamp=0.0, values={"a": {"b": 1, "c": {"d": "x"}}, "e": 2})
    assert [leaf[0] for leaf in row.leaves] == [("a", "b"), ("a", "c", "d"), ("e",)]


def test_numbers() -> None:
    numbers = {1: 1.0, 0.5: 0.5, False: 0.0, 10**400: math.inf, -(10**400): -math.inf, "1": None, None: None, (): None}
    assert {value: number_of(value) for value in numbers} == numbers
    assert frozen(-0.0) == 0 and math.copysign(1, frozen(-0.0)) == -1


def test_an_int_beyond_the_doubles_is_written_and_verified(tmp_path: Path) -> None:
    """wandb takes it; the mirror and the conversion stopped there."""
    folder = tmp_path / "offline-run-20260101_000000-r1"
    folder.mkdir()
    log = JournalWriter(folder / "run-r1.wandb")
    begin, row, end = pb.Record(), pb.Record(), pb.Record()
    begin.run.run_id = "r1"
    row.history.step.num = 0
    row.history.item.add(key="a", value_json=str(-(10**400)))
    end.exit.exit_code = 0
    for record in (begin, row, end):
        log.append(record.SerializeToString())
    log.close()
    job = Job(
        reference=LocalRun([log.path]).reference(), run_id="r1", options=Options(log_dir=tmp_path), run_dir="run-made"
    )
    report = convert(job, lambda points: None)
    assert (report.state, report.identical, report.lost) == ("converted", True, ())
    assert SwanStore.read(tmp_path / "run-made").scalars["a"] == {0: -math.inf}


def test_steps_of_rows_without_one_and_of_alerts() -> None:
    numbering = Numbering()
    assert [numbering.of_row(step) for step in (None, 7, None)] == [0, 7, 1]
    assert numbering.of_alert() == 0
    numbering.reached(5)
    assert [numbering.of_alert(), numbering.of_alert()] == [5, 6]
    numbering.reached(5)
    assert [numbering.of_alert(), numbering.of_alert(first=20), numbering.of_alert(first=20)] == [7, 20, 21]


@pytest.mark.parametrize(
    ("finished", "torn", "expected"),
    [
        (RunFinished(exit_code=0), None, ("success", None)),
        (RunFinished(exit_code=0), "torn at 7", ("success", None)),
        (RunFinished(exit_code=1), None, ("crashed", "exit code 1")),
        (RunFinished(exit_code=1, reason="Traceback"), None, ("crashed", "Traceback")),
        (RunFinished(exit_code=1, reason="Traceback"), "torn at 7", ("crashed", "torn at 7")),
        (RunFinished(exit_code=255, interrupted=True), None, ("aborted", "interrupted by Ctrl-C")),
        (
            RunFinished(exit_code=255, reason="W&B says: killed", interrupted=True),
            "torn",
            ("aborted", "W&B says: killed"),
        ),
        (None, None, ("crashed", "exit code unknown")),
    ],
)
def test_how_a_run_ended(finished: RunFinished | None, torn: str | None, expected: tuple[str, str | None]) -> None:
    assert state_of(finished, torn=torn) == expected
