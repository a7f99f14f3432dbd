"""Reads the two real stores: wandb's transaction log (the oracle) and SwanLab's run folder (what is tested).

wandb's side is read as `wandb-swan verify` reads it (`parity.plain`: records to key, step, value), which shares nothing with
the code that mirrors and converts; SwanLab's side with SwanLab's own `DataStoreReader`.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from wandb_swan.parity import plain

YAML_BREAKS = str.maketrans("\x85", " ")
"""PyYAML, which writes SwanLab's config file, escapes it in some texts only, and reads the others as line folds."""


def wait_for_exit(run_dir: Path, timeout: float = 10.0) -> None:
    """Waits until a finished run's log holds its exit: wandb's core writes it after `finish()` has returned."""
    deadline = time.monotonic() + timeout
    (log,) = run_dir.glob("run-*.wandb")
    while not log.stat().st_size or WandbStore.read(run_dir).exit_code is None:
        assert time.monotonic() < deadline, f"no exit in {run_dir}"
        time.sleep(0.002)


def leaves(tree: dict[str, Any]) -> dict[tuple[str, ...], Any]:
    """Leaf paths of a nested dict; a dict with a `_type` (media) is a leaf."""
    return dict(plain.leaves(tree))


@dataclass
class WandbStore:
    """What wandb's own log of one run holds."""

    dir: Path
    run: Any = None
    """The last run record."""
    rows: dict[int, dict[str, Any]] = field(default_factory=dict)
    """Step -> nested dict of the row, without `_step`, `_runtime`, `_timestamp`."""
    timestamps: dict[int, float] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    console: str = ""
    exit_code: int | None = None
    records: list[Any] = field(default_factory=list)

    @classmethod
    def read(cls, run_dir: Path) -> WandbStore:
        store = cls(run_dir)
        for record in map(plain.parsed, plain.payloads(next(run_dir.glob("run-*.wandb")))):
            store.records.append(record)
            kind = record.WhichOneof("record_type")
            if kind == "history":
                row: dict[str, Any] = {}
                for item in record.history.item:
                    plain.put(row, list(item.nested_key) or [item.key], plain.value_of(item))
                step = record.history.step.num if record.history.HasField("step") else row["_step"]
                assert step not in store.rows
                store.timestamps[step] = row.get("_timestamp")
                store.rows[step] = {k: v for k, v in row.items() if k not in ("_step", "_runtime", "_timestamp")}
            elif kind == "run":
                for item in record.run.config.update:
                    # When its name changes, the core writes the run again, in its own words: 0.0 as 0, no empty dict,
                    # no half of a surrogate pair. What the user wrote is in the first, and in config records.
                    if item.nested_key or item.key not in store.config:
                        plain.put(store.config, list(item.nested_key) or [item.key], json.loads(item.value_json))
                store.run = record.run
            elif kind == "config":
                for item in record.config.update:
                    plain.put(store.config, list(item.nested_key) or [item.key], json.loads(item.value_json))
                for item in record.config.remove:
                    store.config.pop(item.key, None)
            elif kind == "summary":
                for item in record.summary.update:
                    plain.put(store.summary, list(item.nested_key) or [item.key], json.loads(item.value_json))
            elif kind == "output_raw":
                store.console += record.output_raw.line
            elif kind == "exit":
                store.exit_code = record.exit.exit_code
        store.config.pop("_wandb", None)
        return store


@dataclass
class SwanStore:
    """What SwanLab's own store of one run holds."""

    dir: Path
    start: Any = None
    finish: Any = None
    scalars: dict[str, dict[int, float]] = field(default_factory=dict)
    times: dict[tuple[str, int], float] = field(default_factory=dict)
    """(key, step) -> seconds since the epoch."""
    media: dict[str, dict[int, list[Any]]] = field(default_factory=dict)
    """Key -> step -> items: `.filename`, `.caption`, `.size`, `.sha256`; the bytes by `content()`."""
    kinds: dict[str, str] = field(default_factory=dict)
    """Key -> SCALAR, TEXT, IMAGE, ... as its column says."""
    columns: dict[str, Any] = field(default_factory=dict)
    lines: list[Any] = field(default_factory=list)
    saves: list[Any] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, run_dir: Path) -> SwanStore:
        from swanlab.proto.swanlab.metric.column.v1.column_pb2 import ColumnType
        from swanlab.proto.swanlab.record.v1.record_pb2 import Record
        from swanlab.sdk.internal.core_python.store import DataStoreReader

        store = cls(run_dir)
        reader = DataStoreReader()
        reader.open(next(run_dir.glob("run-*.swanlab")))
        for payload in reader:
            record = Record.FromString(payload)
            kind = record.WhichOneof("record_type")
            value = getattr(record, kind)
            if kind == "scalar":
                points = store.scalars.setdefault(value.key, {})
                assert value.step not in points, f"{value.key} twice at step {value.step}"
                points[value.step] = value.value.number
                store.times[value.key, value.step] = value.timestamp.seconds + value.timestamp.nanos / 1e9
            elif kind == "media":
                steps = store.media.setdefault(value.key, {})
                assert value.step not in steps, f"{value.key} twice at step {value.step}"
                steps[value.step] = list(value.value.items)
                store.times[value.key, value.step] = value.timestamp.seconds + value.timestamp.nanos / 1e9
            elif kind == "column":
                store.columns[value.column_key] = value
                store.kinds[value.column_key] = ColumnType.Name(value.column_type).removeprefix("COLUMN_TYPE_")
            elif kind == "log":
                store.lines.append(value)
            elif kind == "save":
                store.saves.append(value)
            elif kind in ("start", "finish"):
                setattr(store, kind, value)
        reader.close()
        config = run_dir / "files" / "config.yaml"
        if config.exists():
            store.config = {key: item["value"] for key, item in yaml.safe_load(config.read_text("utf-8")).items()}
        return store

    @property
    def about(self) -> dict[str, Any]:
        """The reserved config key."""
        return self.config["wandb_run"]

    @property
    def state(self) -> str:
        from swanlab.proto.swanlab.run.v1.run_pb2 import RunState

        return RunState.Name(self.finish.state).removeprefix("RUN_STATE_").lower()

    def content(self, key: str, step: int) -> list[bytes]:
        """The bytes of every item of a media metric at a step."""
        folder = self.dir / "media" / self.kinds[key].lower()
        return [(folder / item.filename).read_bytes() for item in self.media[key][step]]

    def texts(self, key: str) -> dict[int, str]:
        return {step: self.content(key, step)[0].decode() for step in self.media[key]}

    def console(self) -> list[str]:
        return [line.line for line in self.lines]


def numbers_as_floats(value: Any) -> str:
    """JSON (or a value as JSON) whose numbers are floats: wandb's core writes a logged [1.0] as [1]."""
    text = value if isinstance(value, str) else json.dumps(value)
    return json.dumps(json.loads(text, parse_int=float))


def assert_same_values(wandb: WandbStore, swan: SwanStore) -> None:
    """Every scalar and text of the log is in SwanLab at its step, and SwanLab holds no other scalar or text.

    Media are left to the tests that log them.
    """
    keys = swan.about.get("keys", {})
    unclaimed = {(key, step) for key, steps in swan.scalars.items() for step in steps}
    unclaimed |= {(key, step) for key, steps in swan.media.items() for step in steps if swan.kinds[key] == "TEXT"}
    missing = []
    for step, row in wandb.rows.items():
        for path, value in leaves(row).items():
            if isinstance(value, dict):
                continue
            numeric = isinstance(value, int | float)
            store: dict[str, Any] = swan.scalars if numeric else swan.media
            plain = "/".join(path)
            spelled = ".".join(path).translate(YAML_BREAKS)
            names = [key for key, told in keys.items() if told.translate(YAML_BREAKS) == spelled]
            names += [plain] if plain not in keys else []
            for key in names:
                if (key, step) not in unclaimed or key not in store:
                    continue
                if numeric:
                    got: Any = swan.scalars[key][step]
                    same = got == float(value) or (math.isnan(got) and math.isnan(float(value)))
                else:
                    got = swan.texts(key)[step]
                    same = (
                        got == value if isinstance(value, str) else numbers_as_floats(got) == numbers_as_floats(value)
                    )
                if same:
                    unclaimed.discard((key, step))
                    if wandb.timestamps[step]:
                        assert abs(swan.times[key, step] - wandb.timestamps[step]) < 1e-5, (key, step)
                    break
            else:
                missing.append((path, step, value))
    assert not missing, f"in wandb, not in SwanLab: {missing[:10]}"
    assert not unclaimed, f"in SwanLab, not in wandb: {sorted(unclaimed)[:10]}"
