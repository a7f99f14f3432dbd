"""The step rule against wandb's own core: the rows that our decoder makes are the rows of wandb's transaction log."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from compat_tests.differential.conftest import Worker
from compat_tests.differential.worker import Operation
from compat_tests.stores import WandbStore, wait_for_exit
from wandb_swan.journal.reader import LogReader
from wandb_swan.stream.events import HistoryRow
from wandb_swan.stream.records import Decoder

pytestmark = pytest.mark.live

NAMES = ["a", "b", "c", "n/a", "n.a", "epoch", "_hidden"]
KEYS = st.sampled_from(NAMES)
NUMBERS = st.integers(-3, 3) | st.sampled_from([0.5, float("nan"), True])
VALUES = st.recursive(NUMBERS | st.sampled_from(["text", None, [1, 2]]), lambda v: st.dictionaries(KEYS, v, max_size=3))
LOG = st.tuples(
    st.just(0),
    st.just("log"),
    st.fixed_dictionaries(
        {"items": st.dictionaries(KEYS, VALUES, max_size=4)},
        optional={"step": st.integers(-1, 12) | st.just(10**9), "commit": st.sampled_from([True, False, None])},
    ),
)


AXES = ["epoch", "a", "n.a"]


def programs(names: list[str], axes: list[str]) -> st.SearchStrategy[list[Operation]]:
    options = {
        "step_metric": st.sampled_from(axes),
        "step_sync": st.booleans(),
        "hidden": st.booleans(),
        "summary": st.sampled_from(["min", "max,mean", "none", "last"]),
        "overwrite": st.booleans(),
    }
    given_name = st.fixed_dictionaries({"name": st.sampled_from(names)}, optional=options)
    define = st.tuples(st.just(0), st.just("define"), given_name)
    return st.lists(LOG | LOG | LOG | define, min_size=1, max_size=14)


# Neither globs that match the same key, nor a step metric that has another one: wandb's core walks a Go map, takes one of
# the globs at random, and sees what it inserts on its walk or does not.
PROGRAMS = st.sampled_from(AXES).flatmap(lambda axis: programs([*NAMES, "*"], [axis])) | programs(
    ["b", "c", "n/a", "_hidden", "b*", "c*"], AXES
)


def decoded_rows(journal: Path) -> dict[int, dict[str, Any]]:
    decoder = Decoder()
    rows = {}
    with LogReader(journal) as reader:
        events = [event for payload in reader for event in decoder.feed(payload)]
        assert reader.torn() is None
    for event in [*events, *decoder.finish()]:
        if isinstance(event, HistoryRow):
            assert event.step is not None and event.step not in rows
            rows[event.step] = event.values
    assert decoder.unreadable == 0
    return rows


@pytest.mark.timeout(0)
@given(PROGRAMS)
@example([(0, "log", {"items": {}})])
@example([(0, "log", {"items": {"a": 1}, "commit": False}), (0, "log", {"items": {"a": {"b": 2}}})])
def test_rows_are_wandbs_rows(worker: Worker, program: list[Operation]) -> None:
    (made,) = worker.run(program)
    wait_for_exit(made["wandb"])
    stored = WandbStore.read(made["wandb"]).rows
    assert canonical(decoded_rows(made["journal"])) == canonical(stored)
    shutil.rmtree(made["wandb"])


def canonical(value: Any) -> Any:
    """Comparable: NaN is itself, 1 is 1.0 (the core writes step metrics as floats), True is not 1."""
    if isinstance(value, dict):
        return {key: canonical(item) for key, item in value.items()}
    if isinstance(value, int | float) and not isinstance(value, bool):
        return repr(float(value))
    return repr(value)
