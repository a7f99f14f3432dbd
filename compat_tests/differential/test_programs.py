"""Generated programs of wandb calls: what wandb's own log says of a run is what SwanLab's store holds of it."""

from __future__ import annotations

import datetime
import math
import re
import shutil
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from compat_tests.differential.conftest import Worker
from compat_tests.differential.worker import Made, Operation
from compat_tests.stores import YAML_BREAKS, SwanStore, WandbStore, assert_same_values, wait_for_exit
from wandb_swan.parity.comparison import compare_runs
from wandb_swan.parity.logs import read_logs
from wandb_swan.parity.stored import StoredRun

pytestmark = pytest.mark.live

TEXT = st.text(max_size=8) | st.sampled_from(["你好", "\ud800", "a\x00b", "x" * 600, "__swanlab__.x", "a~1a2b3c4d"])
KEYS = st.sampled_from(["acc", "acc.", "/acc", "acc/", "loss", "val/loss", "val.loss", "val", "epoch"]) | TEXT.filter(
    bool
)
NUMBERS = (
    st.integers(-(2**70), 2**70)
    | st.floats()
    | st.booleans()
    | st.sampled_from([np.float32(0.1), np.int64(7), np.bool_(True), np.array(2.5), np.array([3]), np.float16(0.5)])
)
LEAVES = (
    NUMBERS
    | TEXT
    | st.none()
    | st.lists(NUMBERS | TEXT, max_size=3)
    | st.tuples(st.integers(0, 3), TEXT)
    | st.sampled_from([datetime.date(2024, 2, 29), Path("/a/b"), {1, 2}, b"bytes", 1j])
)
VALUES = st.recursive(LEAVES, lambda value: st.dictionaries(KEYS, value, max_size=3), max_leaves=6)
TREES = st.dictionaries(KEYS, VALUES, max_size=4)
RUNS = st.sampled_from([0, 0, 1])
SUMMARIES = st.tuples(
    st.sampled_from([None, "min", "max", "mean", "last", "first", "none", "copy", "best", "min,max", "mean,last"]),
    st.sampled_from([None, "minimize", "maximize"]),
)
"""What `define_metric` declares, and its goal."""
CALLS = st.lists(
    st.tuples(st.just("log"), st.fixed_dictionaries({"items": TREES}))
    | st.tuples(st.just("config.update"), st.fixed_dictionaries({"values": TREES}))
    | st.tuples(st.just("summary.update"), st.fixed_dictionaries({"values": TREES})),
    min_size=1,
    max_size=3,
)
"""Of a worker process."""


class Programs(RuleBasedStateMachine):
    """Writes a program call by call; it is run when it is complete, so that shrinking shortens it."""

    worker: Worker
    keys = Bundle("keys")

    def __init__(self) -> None:
        super().__init__()
        self.program: list[Operation] = []

    def _call(self, run: int, operation: str, **given: Any) -> None:
        self.program.append((run, operation, given))

    @initialize(
        config=st.none() | TREES,
        tags=st.none() | st.lists(TEXT.filter(bool), max_size=3, unique=True),
        notes=st.none() | TEXT,
        name=st.none() | TEXT,
        group=st.none() | TEXT,
    )
    def begin(self, **given: Any) -> None:
        self._call(0, "init", **{name: value for name, value in given.items() if value is not None})

    @rule(target=keys, key=KEYS)
    def think_of(self, key: str) -> str:
        return key

    @rule(
        run=RUNS,
        items=TREES,
        step=st.none() | st.integers(0, 20) | st.integers(0, 2**40),
        commit=st.sampled_from([None, None, True, False]),
    )
    def log(self, run: int, items: Any, step: int | None, commit: bool | None) -> None:
        self._call(run, "log", items=items, step=step, commit=commit)

    @rule(run=RUNS, key=keys, value=VALUES)
    def log_again(self, run: int, key: str, value: Any) -> None:
        self._call(run, "log", items={key: value})

    @rule(
        run=RUNS,
        name=keys | st.sampled_from(["*", "val/*"]),
        axis=st.none() | keys,
        hidden=st.booleans(),
        summary=SUMMARIES,
    )
    def define(
        self, run: int, name: str, axis: str | None, hidden: bool, summary: tuple[str | None, str | None]
    ) -> None:
        declared, goal = summary
        self._call(run, "define", name=name, step_metric=axis, hidden=hidden, summary=declared, goal=goal)

    @rule(run=RUNS, how=st.sampled_from(["update", "setdefaults"]), values=TREES)
    def configure(self, run: int, how: str, values: Any) -> None:
        self._call(run, f"config.{how}", values=values)

    @rule(run=RUNS, how=st.sampled_from(["config.item", "config.attribute", "summary.item"]), key=keys, value=VALUES)
    def assign(self, run: int, how: str, key: str, value: Any) -> None:
        self._call(run, how, key=key, value=value)

    @rule(run=RUNS, values=TREES)
    def summarise(self, run: int, values: Any) -> None:
        self._call(run, "summary.update", values=values)

    @rule(run=RUNS, name=TEXT.filter(bool), notes=TEXT, tags=st.lists(st.sampled_from("abc"), max_size=2, unique=True))
    def describe(self, run: int, name: str, notes: str, tags: list[str]) -> None:
        self._call(run, "describe", name=name, notes=notes, tags=tuple(tags))

    @rule(run=RUNS, calls=CALLS)
    def work(self, run: int, calls: list[tuple[str, dict[str, Any]]]) -> None:
        self._call(run, "worker", calls=calls)

    @rule(run=RUNS, config=TREES)
    def again(self, run: int, config: Any) -> None:
        self._call(run, "again", config=config)

    @rule(run=RUNS, code=st.sampled_from([None, 0, 1, 3]))
    def finish(self, run: int, code: int | None) -> None:
        self._call(run, "finish", exit_code=code)

    @rule(run=RUNS)
    def fail(self, run: int) -> None:
        self._call(run, "fail", why="generated")

    @invariant()
    def short(self) -> None:
        hypothesis.assume(len(self.program) < 40)

    def teardown(self) -> None:
        if self.program:
            hypothesis.note(f"program = {self.program!r}")
            compare(self.worker, self.program)


def compare(worker: Worker, program: list[Operation]) -> None:
    """Runs a program and holds SwanLab's store against wandb's log, for each of its runs."""
    runs = worker.run(program, mirrored=True)
    for made in runs:
        same(made)
    for made in runs:
        shutil.rmtree(made["wandb"])
        assert made["swan"] is not None
        shutil.rmtree(made["swan"])


def same(made: Made) -> None:
    assert made["swan"] is not None
    wait_for_exit(made["wandb"])
    wandb, swan = WandbStore.read(made["wandb"]), SwanStore.read(made["swan"])
    behind = swan.about.get("step_offset", 0)  # the earlier runs of this id
    wandb.rows = {step + behind: row for step, row in wandb.rows.items()}
    wandb.timestamps = {step + behind: at for step, at in wandb.timestamps.items()}
    assert_same_values(wandb, swan)
    ours = "wandb_run" if "wandb_run" not in wandb.config else "wandb_run_"
    stored = {key: value for key, value in swan.config.items() if key != ours}
    assert canonical(stored) == canonical(wandb.config)
    assert swan.state == ("crashed" if wandb.exit_code else "finished")
    assert swan.about.get("exit_code", 0) == wandb.exit_code
    assert not swan.about.get("not_mirrored"), swan.about
    (log,) = made["wandb"].glob("run-*.wandb")
    parity = compare_runs(read_logs([log]), StoredRun(made["swan"]), "wandb")
    assert parity.identical and not parity.told, parity.differences()


def canonical(value: Any) -> Any:
    """Comparable: True is not 1; a lone surrogate, NaN and infinity are what SwanLab's config can hold of them."""
    if isinstance(value, dict):
        return {canonical(key): canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [canonical(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return ("str", "NaN" if math.isnan(value) else "Inf" if value > 0 else "-Inf")
    if isinstance(value, str):
        value = re.sub("[\ud800-\udfff]", "\ufffd", value).translate(YAML_BREAKS)
    return (type(value).__name__, value)


KEPT: dict[str, list[Operation]] = {
    "two runs interleaved": [
        (0, "log", {"items": {"a": 1}}),
        (1, "log", {"items": {"a": 2}, "step": 5}),
        (0, "log", {"items": {"a": 3}, "commit": False}),
        (1, "finish", {"exit_code": 3}),
        (0, "fail", {"why": "interleaved"}),
    ],
    "an empty dict in a dict of the config": [(0, "init", {"config": {"a": {"b": 1.5, "c": {}}}})],
    "a config int that a float cannot hold": [(0, "init", {"config": {"seed": 2**53 + 1, "vast": 2**70}})],
    "infinities in the config": [(0, "init", {"config": {"inf": float("inf"), "minus": float("-inf")}})],
    "a whole float in the config, and a new name": [
        (0, "init", {"config": {"acc": None, "acc.": 0.0, "n": {"big": 1e20, "x": [1.0]}}}),
        (0, "describe", {"name": "0", "notes": ""}),
    ],
    "an empty dict in the config, and a new name": [
        (0, "init", {"config": {"acc": 0, "0": {"acc": 0, "0": {}, "acc.": 0}, "none": {}, "deep": {"a": {"b": {}}}}}),
        (0, "describe", {"name": "0", "notes": ""}),
    ],
    "half of a surrogate pair beside an empty dict in the config, and a new name": [
        (0, "init", {"config": {"acc": {"acc": {}, "b": {"c": "\ud800"}, "n": 2**53 + 1}}}),
        (0, "describe", {"name": "0", "notes": ""}),
    ],
    "a line break of Unicode as a key": [(0, "log", {"items": {"\x85": 0, "a\u2028b": 1}})],
    "a blank and a line break of Unicode as a key": [(0, "log", {"items": {" \x85": 0, "\x1f\x850": 0}})],
    "whole floats and vast ints in a list": [
        (0, "log", {"items": {"acc": None, "acc.": [0.0], "b": [-0.0, 1e15, 1e16, 2**60, 2**64, {"k": [1.0]}]}})
    ],
    "empty keys": [
        (0, "init", {"config": {"-": None, "a": {"": 1, "-": 2}}}),
        (0, "log", {"items": {"": 1, "b": {"": 1}}}),
        (0, "log", {"items": {"": 1}}),
        (0, "summary.update", {"values": {"": 5, "b": {"": 2}}}),
    ],
    "a worker, declared summaries, a late name, and the same id again": [
        (0, "define", {"name": "a", "summary": "min,max"}),
        (0, "log", {"items": {"a": 3, "b": 1}}),
        (0, "worker", {"calls": [("log", {"items": {"a": 1}}), ("config.update", {"values": {"by": {"worker": 1}}})]}),
        (0, "worker", {"calls": [("summary.item", {"key": "kept", "value": {"x": "y"}})]}),
        (0, "describe", {"name": "late", "notes": "later", "tags": ("a", "b")}),
        (0, "log", {"items": {"a": 2}}),
        (0, "again", {"config": {"part": 2}}),
        (0, "log", {"items": {"a": 5}}),
        (0, "again", {"config": {}}),
        (0, "worker", {"calls": [("log", {"items": {"a": 7}})]}),
    ],
    "a worker sets a dict without keys": [
        (0, "init", {"config": {"b": 1}}),
        (0, "worker", {"calls": [("config.update", {"values": {"a": {"b": {}}, "c": {}}})]}),
    ],
    "a line break of Unicode in the config": [(0, "init", {"config": {"c\x85d": "x\x85y"}})],
}
"""Every counterexample that was ever found."""


@pytest.mark.parametrize("name", KEPT)
def test_kept(worker: Worker, name: str) -> None:
    compare(worker, KEPT[name])


@pytest.mark.timeout(0)
def test_swanlab_holds_what_wandbs_log_says(worker: Worker, pytestconfig: pytest.Config) -> None:
    """20 programs, 40 with `--slow`, a tenth of the profile's where that is more: each takes seconds."""

    class Machine(Programs):
        pass

    Machine.worker = worker
    profile = hypothesis.settings()
    least = 40 if pytestconfig.getoption("--slow") else 20
    run_state_machine_as_test(
        Machine,
        settings=hypothesis.settings(
            profile, max_examples=max(least, profile.max_examples // 10), stateful_step_count=12
        ),
    )
