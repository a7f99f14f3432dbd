"""Rows that are taken from their bytes at once are what protobuf reads in them, bit by bit."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Iterator
from operator import itemgetter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wandb.proto import wandb_internal_pb2 as pb

from compat_tests.unit.logs import singly
from wandb_swan.stream.events import Event, HistoryRow, HistoryRows, SummaryChanged
from wandb_swan.stream.plain_rows import PlainRows
from wandb_swan.stream.records import Decoder
from wandb_swan.stream.summary import LoggedSummary
from wandb_swan.stream.together import decoded, with_fields

NUMBERS = st.one_of(
    st.floats(),
    st.integers(-(2**70), 2**70),
    st.floats(0, 1).map(lambda number: round(number, 4)),
    st.sampled_from([0, -0.0, 5e-324, 1e400, 2.2250738585072011e-308, 1.0, True]),
)
VALUES = st.one_of(NUMBERS, NUMBERS, NUMBERS, st.none(), st.text(max_size=20), st.text(min_size=120, max_size=140),
                   st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=3), NUMBERS, max_size=2))  # fmt: skip
KEYS = st.one_of(
    st.sampled_from(
        ["loss", "acc", "_timestamp", "_runtime", "_step", "准确率", "\x82\x01", "a\nb", "", "k" * 120, "e" * 97]
    ),
    st.text(max_size=12),
)
PATHS = st.one_of(KEYS.map(lambda key: (key,)), st.lists(KEYS, min_size=1, max_size=3).map(tuple))
ROWS = st.lists(st.tuples(PATHS, VALUES, st.booleans()), max_size=6)


def filled(items: Any, row: list[tuple[tuple[str, ...], Any, bool]], *, raw: bool) -> None:
    for path, value, by_key in row:
        item = items.add(value_json=json.dumps(value, ensure_ascii=not raw))
        if by_key and len(path) == 1:
            item.key = path[0]
        else:
            item.nested_key.extend(path)


def record(row: Any, kind: str, number: int, step: int | None, flush: bool | None, *, raw: bool) -> bytes:
    made = pb.Record(num=number)
    if kind == "partial":
        call = made.request.partial_history
        made.control.local = True
        filled(call.item, row, raw=raw)
        if step is not None:
            call.step.num = step
        if flush is not None:
            call.action.flush = flush
    elif kind == "history":
        filled(made.history.item, row, raw=raw)
        if step is not None:
            made.history.step.num = step
    else:
        filled(made.summary.update, row, raw=raw)
    return made.SerializeToString()


def events(payloads: list[bytes]) -> list[str]:
    """What is read, as text that tells -0.0 from 0.0 and 1 from 1.0."""
    decoder, summary = Decoder(), LoggedSummary()

    def every() -> Iterator[Event]:
        for payload in payloads:
            yield from decoder.feed(payload)
            if pb.Record.FromString(payload).HasField("summary"):
                summary.take(payload)
        yield from decoder.finish()
        yield from summary.events()

    return [repr(event) for event in every()]


CALLS = st.lists(
    st.tuples(
        ROWS,
        st.sampled_from(["partial", "history", "summary"]),
        st.sampled_from([0, 1, 127, 128, 5000]),
        st.none() | st.integers(0, 2**48) | st.just(-1),
        st.none() | st.booleans(),
        st.booleans(),
    ),
    max_size=6,
)


@given(CALLS)
def test_what_is_read_at_once_is_what_protobuf_reads(calls: list[Any]) -> None:
    payloads = [record(row, kind, number, step, flush, raw=raw) for row, kind, number, step, flush, raw in calls]
    at_once = events(payloads)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("history", "partial", "summary"):
            patch.setattr(PlainRows, name, lambda self, payload: None)
        assert at_once == events(payloads)


FEW = st.lists(
    st.tuples(st.sampled_from([("loss",), ("acc",), ("_runtime",), ("_timestamp",), ("val", "acc")]), NUMBERS | VALUES),
    max_size=4,
    unique_by=lambda item: item[0],
)


@given(st.lists(st.tuples(
    FEW, st.sampled_from(["both", "both", "both", "row", "summary", "remove", "line"]), st.randoms(), st.integers(1, 4),
    st.none() | st.integers(0, 3), st.booleans(),
), max_size=8))  # fmt: skip
def test_rows_that_are_read_together_are_the_same_rows(calls: list[Any]) -> None:
    """And so is the summary, of whose records most are not looked at."""
    payloads, step = [], 0
    for given_row, kind, chance, times, said, by_key in calls:
        for _ in range(times):
            row = [(path, chance.random() if type(value) is float else value, by_key) for path, value in given_row]
            if kind == "remove":
                made = pb.Record(num=1)
                made.summary.remove.add(key="loss")
                payloads.append(made.SerializeToString())
            elif kind == "line":
                payloads.append(pb.Record(num=1, output_raw={"line": "said\n"}).SerializeToString())
            if kind in {"both", "summary"}:
                payloads.append(record(row, "summary", step, None, None, raw=False))
            if kind in {"both", "row"}:
                chance.shuffle(row)
                payloads.append(record(row, "history", step, None if said is None else step + said, None, raw=False))
            step += 1

    def read(*, together: bool) -> list[str]:
        decoder, summary = Decoder(), LoggedSummary()
        found = [*decoded(with_fields(payloads), decoder, summary, together=together), *summary.events()]
        return [spelled(event) for event in singly(found)]

    at_once = read(together=True)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("history", "summary"):
            patch.setattr(PlainRows, name, lambda self, payload: None)
        assert at_once == read(together=False)


def spelled(event: Event | None) -> str:
    """Without the order of a record's keys, which wandb's core leaves to chance."""
    if isinstance(event, HistoryRow):
        event = event.changed(values=dict(sorted(event.values.items())))
    elif isinstance(event, SummaryChanged):
        event = event.changed(update=tuple(sorted(event.update, key=itemgetter(0))))
    return repr(event)


def test_ordinary_rows_are_read_together() -> None:
    """Else nothing above says anything."""
    rows = [[(("_step",), step, True), (("loss",), step / 7, True), (("acc",), 1, False)] for step in range(9)]
    payloads = []
    for step, row in enumerate(rows):
        payloads += [record(row, "summary", step, None, None, raw=False)]
        payloads += [record(row[::-1], "history", step, step, None, raw=False)]
    summary = LoggedSummary()
    taken: list[bytes] = []
    take = summary.take
    summary.take = lambda payload, number: (taken.append(payload), take(payload, number))[1]  # type: ignore[method-assign]
    (event,) = decoded(with_fields(payloads), Decoder(), summary, together=True)
    assert isinstance(event, HistoryRows) and event.steps == tuple(range(9)) and event.keys == ("acc", "loss")
    assert taken == [payloads[-2]]


@given(st.lists(st.tuples(KEYS.map(lambda key: (key,)), NUMBERS, st.booleans()), min_size=1, max_size=4), st.data())
def test_damage_is_not_taken_for_a_value(row: list[Any], data: st.DataObject) -> None:
    payload = bytearray(record(row, data.draw(st.sampled_from(["partial", "history"])), 1, 3, None, raw=False))
    whole = bytes(payload)
    for _ in range(data.draw(st.integers(1, 3))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))

    def read() -> list[str]:
        decoder = Decoder()
        return [repr(event) for one in (whole, bytes(payload)) for event in decoder.feed(one)]

    at_once = read()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("history", "partial"):
            patch.setattr(PlainRows, name, lambda self, payload: None)
        assert at_once == read()


def test_ordinary_rows_are_read_at_once() -> None:
    """Else nothing here says anything."""
    rows = PlainRows()
    for kind in ("partial", "history"):
        made = record([(("loss",), 0.5, True), (("val", "acc"), 1, False)], kind, 5, 7, None, raw=False)
        row = getattr(rows, kind)(made)
        assert row is not None and row.values == [(("loss",), 0.5), (("val", "acc"), 1)] and row.step == 7


def test_numbers_keep_their_bits() -> None:
    """Those of a parser other than Python's, which every version of it has to have right."""
    rows, chance = PlainRows(), random.Random(7)
    for number in range(20_000):
        value = (
            struct.unpack("<d", chance.randbytes(8))[0]
            if number % 2
            else chance.random() * 10 ** chance.randrange(-9, 9)
        )
        text = repr(value) if number % 3 else f"{value:.{chance.randrange(25)}e}"
        if "n" in text:
            continue
        made = pb.Record(num=1)
        made.history.item.add(key="a", value_json=text)
        row = rows.history(made.SerializeToString())
        assert row is not None and isinstance(row.values, dict)
        assert struct.pack("<d", row.values["a"]) == struct.pack("<d", float(text)), text
