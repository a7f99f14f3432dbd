"""What the loopback W&B stores of runs, files, artifacts and sweeps, and how it spells their values."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import random
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import yaml

Node = dict[str, Any]
"""An object of the GraphQL answer: values are data, nodes, lists of nodes, or functions of the field's arguments."""


def stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: Any) -> datetime:
    """An ISO 8601 time as W&B writes and takes it: with or without a zone (then UTC)."""
    parsed = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=timezone.utc)


def token(*parts: object) -> str:
    """An opaque id, as W&B makes them."""
    return base64.b64encode(":".join(map(str, parts)).encode()).decode()


def plain(value: Any) -> Any:
    """NaN and the infinities as text, as W&B answers where JSON has no place for them."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, float):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(repr(value), value)
    return value


def kind(value: Any) -> str:
    """The type of a value, as `historyKeys` calls it."""
    if isinstance(value, dict):
        return str(value.get("_type", "map"))
    plainly = {bool: "bool", int: "number", float: "number", str: "string", list: "list", type(None): "nil"}
    return plainly[type(value)]


def dotted(row: dict[str, Any], above: str = "") -> dict[str, Any]:
    """A row whose nested metrics have one key each, `a.b`; media stay objects."""
    flat: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, dict) and value and "_type" not in value:
            flat.update(dotted(value, f"{above}{key}."))
        else:
            flat[above + key] = value
    return flat


def sample(rows: list[Any], count: int | None) -> list[Any]:
    """At most `count` rows.

    Maintainers: `history()` is a sample (wandb/wandb issue 1783).
    Assumption: the rows of a sample are chosen evenly; W&B does not say how.
    """
    if not count or len(rows) <= count:
        return rows
    return [rows[i * len(rows) // count] for i in range(count)]


@dataclass
class CloudFile:
    data: bytes
    updated: float = field(default_factory=time.time)
    no_md5: bool = False
    """Whether W&B says no checksum of it, as of files that it did not see arrive."""

    @property
    def md5(self) -> str:
        return base64.b64encode(hashlib.md5(self.data).digest()).decode()


@dataclass
class CloudArtifact:
    id: str
    entity: str
    project: str
    type: str
    name: str
    version: int
    digest: str
    state: str = "PENDING"
    aliases: list[str] = field(default_factory=list)
    metadata: str | None = None
    description: str | None = None
    client_id: str = ""
    step: int | None = None
    created: float = field(default_factory=time.time)
    manifest: dict[str, Any] = field(default_factory=dict)


@dataclass
class CloudRun:
    """One run. `history` and `events` are JSON lines as the client sent them; times are seconds since 1970."""

    entity: str
    project: str
    id: str
    name: str | None = None
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    final: str | None = None
    tags: list[str] = field(default_factory=list)
    notes: str | None = None
    description: str | None = None
    group: str | None = None
    job_type: str | None = None
    host: str | None = None
    commit: str | None = None
    sweep: str | None = None
    created: float = field(default_factory=time.time)
    heartbeat: float = field(default_factory=time.time)
    exit_code: int | None = None
    stopped: bool = False
    history: list[str] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)
    files: dict[str, CloudFile] = field(default_factory=dict)
    logged: list[CloudArtifact] = field(default_factory=list)
    used: list[CloudArtifact] = field(default_factory=list)
    parquet: list[str] = field(default_factory=list)
    exported: int = -1
    _keys: tuple[int, Node] = (-1, {})

    @property
    def storage_id(self) -> str:
        return token("Run:v1", self.id, self.project, self.entity)

    @property
    def state(self) -> str:
        """
        Documented: a run whose process sends no heartbeat any more is `crashed`, one that ended with a code is `failed`
        (docs.wandb.ai, "Run states").
        Assumption: a run has crashed after five minutes without a heartbeat; exit code 255 is `killed`.
        """
        return self.final or ("running" if time.time() - self.heartbeat < 300 else "crashed")

    def finish(self, exit_code: int) -> None:
        self.exit_code, self.final = exit_code, {0: "finished", 255: "killed"}.get(exit_code, "failed")

    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.history]

    def write(self, stream: str, offset: int, lines: list[str]) -> None:
        """Lines of a file stream, which overwrite what is at their offset (a retry brings the same again)."""
        if stream == "wandb-summary.json":
            self.summary = json.loads(lines[-1])
            return
        target = {"wandb-history.jsonl": self.history, "wandb-events.jsonl": self.events}.get(stream, self.console)
        target.extend([""] * (offset - len(target)))
        target[offset : offset + len(lines)] = lines
        if target is self.history:
            self.steps.extend([-1] * (offset - len(self.steps)))
            self.steps[offset : offset + len(lines)] = [json.loads(line).get("_step", 0) for line in lines]
            self._keys = (-1, {})

    def history_keys(self) -> Node:
        """What W&B counts of every metric: how many values of which type.

        The names of the types, a None's among them, are those of answers that wandb/weave recorded
        (`weave/tests/history_decoding/history_keys.py`). Assumption: `historyKeys` counts NaN and the infinities as texts.
        """
        if self._keys[0] != len(self.history):
            keys: dict[str, Any] = {}
            for line in self.history:
                for key, value in dotted(json.loads(line)).items():
                    counted = keys.setdefault(key, {"typeCounts": [], "monotonic": False})["typeCounts"]
                    found = next((each for each in counted if each["type"] == kind(plain(value))), None)
                    if found is None:
                        counted.append(found := {"type": kind(plain(value)), "count": 0})
                    found["count"] += 1
            self._keys = (len(self.history), {"sets": [], "keys": keys, "lastStep": max(self.steps, default=-1)})
        return self._keys[1]

    def system_keys(self) -> Node:
        """The system metrics as `historyKeys` counts them, `system/<name>`."""
        names = Counter(key for line in self.events for key in json.loads(line) if key.startswith("system."))
        counts = {name.replace(".", "/", 1): [{"type": "number", "count": count}] for name, count in names.items()}
        return {name: {"typeCounts": count, "monotonic": False} for name, count in counts.items()}

    def between(self, low: int | None, high: int | None) -> list[str]:
        """The lines with low <= step < high."""
        begin = 0 if low is None else bisect_left(self.steps, low)
        return self.history[begin : None if high is None else bisect_left(self.steps, high)]

    def value(self, name: str) -> Any:
        """What a filter or an order calls `name`: a property, `config.x[.value]`, `summary_metrics.x`."""
        kind, _, rest = name.partition(".")
        if kind in ("config", "summary_metrics", "summaryMetrics", "summary"):
            tree: Any = self.summary if kind != "config" else {k: v.get("value") for k, v in self.config.items()}
            if rest in tree:
                return tree[rest]
            for part in rest.removesuffix(".value").split("."):
                tree = tree.get(part) if isinstance(tree, dict) else None
            return tree
        plain_names = {
            **{"created_at": stamp(self.created), "createdAt": stamp(self.created), "username": "ada"},
            **{"heartbeat_at": stamp(self.heartbeat), "heartbeatAt": stamp(self.heartbeat), "name": self.id},
            **{"display_name": self.name, "displayName": self.name, "jobType": self.job_type, "id": self.storage_id},
            "duration": self.heartbeat - self.created,
        }
        return plain_names[kind] if kind in plain_names else getattr(self, kind, None)


@dataclass
class CloudSweep:
    id: str
    entity: str
    project: str
    text: str
    created: float = field(default_factory=time.time)
    state: str = "PENDING"
    display_name: str | None = None
    agents: dict[str, str] = field(default_factory=dict)
    trials: Iterator[dict[str, Any]] | None = None

    @property
    def config(self) -> dict[str, Any]:
        return yaml.safe_load(self.text) or {}

    def next_trial(self) -> dict[str, Any] | None:
        """The parameters of the next run, `{name: {"value": ...}}`; None when the grid or the run cap is used up."""
        if self.trials is None:
            self.trials = itertools.islice(self._trials(), self.config.get("run_cap"))
        chosen = next(self.trials, None)
        self.state = "RUNNING" if chosen is not None else "FINISHED"
        return None if chosen is None else {key: {"value": value} for key, value in chosen.items()}

    def _trials(self) -> Iterator[dict[str, Any]]:
        spec = self.config.get("parameters", {})
        names = list(spec)
        if self.config.get("method") == "grid":
            choices = [s["values"] if "values" in s else [s.get("value")] for s in spec.values()]
            yield from (dict(zip(names, chosen, strict=True)) for chosen in itertools.product(*choices))
            return
        dice = random.Random(self.id)
        while True:
            yield {name: self._draw(dice, s) for name, s in spec.items()}

    @staticmethod
    def _draw(dice: random.Random, spec: dict[str, Any]) -> Any:
        if "min" in spec:
            whole = isinstance(spec["min"], int) and isinstance(spec["max"], int)
            return dice.randint(spec["min"], spec["max"]) if whole else dice.uniform(spec["min"], spec["max"])
        return dice.choice(spec["values"]) if "values" in spec else spec.get("value")
