"""A loopback W&B that the real wandb client reads from and logs to, over HTTP; everything is kept in memory."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import io
import itertools
import json
import mimetypes
import random
import re
import struct
import threading
import time
import zlib
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import graphql
import yaml
from werkzeug.exceptions import abort
from werkzeug.wrappers import Request, Response

from .faults import LoopbackServer

Node = dict[str, Any]
"""An object of the GraphQL answer: values are data, nodes, lists of nodes, or functions of the field's arguments."""

FEATURES = {
    *("LARGE_FILENAMES", "ARTIFACT_TAGS", "CLIENT_IDS", "STRUCTURED_CONSOLE_LOGS", "FILESTREAM_GZIP"),
    *("PROJECT_ARTIFACT_COLLECTION_MEMBERSHIP", "TOTAL_COUNT_IN_FILE_CONNECTION", "SWEEPS_QUERY_FILTERING"),
    "USE_ARTIFACT_WITH_ENTITY_AND_PROJECT_INFORMATION",
}
TYPES = {  # what clients before 0.20 ask by introspection; a type that is not here has no fields
    "Query": ["viewer", "serverInfo", "project", "model", "models", "artifact", "entity"],
    "Mutation": ["upsertBucket", "createRunFiles", "createArtifact", "createArtifactFiles", "upsertSweep"],
    "ServerInfo": ["cliVersionInfo", "latestLocalVersionInfo", "features"],
    "Run": ["projectId", "historyKeys", "parquetHistory"],
    "Artifact": ["tags", "ttlDurationSeconds", "ttlIsInherited", "aliases", "historyStep"],
    "CreateArtifactInput": ["tags", "historyStep", "ttlDurationSeconds", "clientID", "sequenceClientID"],
    "UseArtifactInput": ["artifactEntityName", "artifactProjectName", "usedAs"],
    "DeleteFilesInput": ["projectId"],
}


def stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: Any) -> datetime:
    """An ISO 8601 time as W&B writes and takes it: with or without a zone (then UTC)."""
    parsed = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=timezone.utc)


def token(*parts: object) -> str:
    """An opaque id, as W&B makes them."""
    return base64.b64encode(":".join(map(str, parts)).encode()).decode()


def seconds(time_: Any) -> float:
    """A protobuf timestamp as seconds since 1970."""
    return time_.seconds + time_.nanos / 1e9


def put(tree: dict[str, Any], item: Any, value: Any) -> None:
    """Set a value at the key of a record's item, which may be nested."""
    *parents, last = item.nested_key or [item.key]
    for key in parents:
        if not isinstance(tree.get(key), dict):
            tree[key] = {}
        tree = tree[key]
    tree[last] = value


def item_value(item: Any) -> Any:
    """The value of a history item: JSON, or typed (from wandb 0.31, `x_history_value_encoding`)."""
    kind = item.WhichOneof("value") if "value" in item.DESCRIPTOR.oneofs_by_name else None
    if kind is None:
        return json.loads(item.value_json) if item.value_json else None
    return {"none": None, "json": json.loads(item.json or "null")}.get(kind, getattr(item, kind))


def plain(value: Any) -> Any:
    """NaN and the infinities as text, as W&B answers where JSON has no place for them."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, float):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(repr(value), value)
    return value


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
    """At most `count` rows, evenly chosen: what W&B does to anything it deems too long."""
    if not count or len(rows) <= count:
        return rows
    return [rows[i * len(rows) // count] for i in range(count)]


def log_records(path: Path) -> Iterator[Any]:
    """The records of a transaction log, up to its end or its first tear (current wandb has no reader in Python)."""
    from wandb.proto import wandb_internal_pb2 as pb

    data = path.read_bytes()
    if data[:4] != b":W&B":
        raise ValueError(f"not a transaction log: {path}")
    at, whole = 7, b""
    while at + 7 <= len(data):
        if (left := 32768 - at % 32768) < 7:
            at += left
            continue
        crc, size, kind = struct.unpack_from("<IHB", data, at)
        chunk = data[at + 7 : at + 7 + size]
        if len(chunk) < size or zlib.crc32(bytes([kind]) + chunk) != crc:
            return
        at += 7 + size
        whole += chunk
        if kind in (1, 4):  # FULL, LAST
            yield pb.Record.FromString(whole)
            whole = b""


# ---------------------------------------------------------------------------------------------------- what is stored
@dataclass
class CloudFile:
    data: bytes
    updated: float = field(default_factory=time.time)

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
        """W&B's rule: a run that says nothing for five minutes has crashed."""
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
        if self._keys[0] != len(self.history):
            keys: dict[str, Any] = {}
            for line in self.history:
                for key, value in dotted(json.loads(line)).items():
                    kind = {bool: "boolean", int: "number", float: "number", str: "string"}.get(type(value), "object")
                    counts = keys.setdefault(key, {"typeCounts": [{"type": kind, "count": 0}], "monotonic": False})
                    counts["typeCounts"][0]["count"] += 1
            self._keys = (len(self.history), {"sets": [], "keys": keys, "lastStep": max(self.steps, default=-1)})
        return self._keys[1]

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


class LoggedRun:
    """A run as its transaction log tells it, record by record."""

    def __init__(self, log: Path, entity: str) -> None:
        from wandb.proto import wandb_internal_pb2 as pb

        self.run = CloudRun(entity, "uncategorized", log.stem.removeprefix("run-"), final="crashed")
        self.config: Node = {}
        self.internal: Node = {}
        self.history: list[str] = []
        self.metrics: list[Any] = []
        self.artifacts: list[Any] = []
        self.environment = pb.EnvironmentRecord() if hasattr(pb, "EnvironmentRecord") else None
        for record in log_records(log):
            kind = record.WhichOneof("record_type")
            if take := getattr(self, f"_{kind}", None):
                take(getattr(record, kind))
        self.run.write("wandb-history.jsonl", 0, self.history)
        self.run.config = {k: {"value": v} for k, v in {**self.config, "_wandb": self._internal()}.items()}

    def made_files(self) -> Iterator[tuple[str, str]]:
        """The files that the core writes only where it is online (0.19 leaves an empty output.log)."""
        from google.protobuf.json_format import MessageToJson

        yield "wandb-summary.json", json.dumps(self.run.summary)
        yield "config.yaml", yaml.safe_dump(self.run.config)
        yield "output.log", "".join(json.loads(line)["content"] + "\n" for line in self.run.console)
        if self.environment is not None:
            yield "wandb-metadata.json", MessageToJson(self.environment)

    def _internal(self) -> Node:
        """What W&B keeps in config under `_wandb`; of a metric's step metric, its place in `m`, counted from 1."""
        from wandb.sdk.lib.proto_util import proto_encode_to_dict

        expanded = any(metric.expanded_from_glob for metric in self.metrics)  # before 0.31; then W&B gets the globs
        metrics = [metric for metric in self.metrics if metric.name or not expanded]
        places = {metric.name: i for i, metric in enumerate(metrics, 1) if metric.name}
        for metric in metrics:
            metric.step_metric_index = places.get(metric.step_metric, 0)
            if metric.step_metric_index:
                metric.ClearField("step_metric")
        encoded = [{str(n): value for n, value in proto_encode_to_dict(metric).items()} for metric in metrics]
        logged = self.config.get("_wandb")  # the specs of charts, the class names of masks
        return {**(logged if isinstance(logged, dict) else {}), **self.internal, "m": encoded}

    @staticmethod
    def _change(tree: Node, changes: Any) -> None:
        for item in changes.update:
            put(tree, item, json.loads(item.value_json))
        for item in changes.remove:
            tree.pop((list(item.nested_key) or [item.key])[0], None)

    def _run(self, body: Any) -> None:
        run = self.run
        run.entity, run.project = body.entity or run.entity, body.project or run.project
        run.id, run.name, run.notes = body.run_id, body.display_name, body.notes or None
        run.group, run.job_type = body.run_group or None, body.job_type or None
        run.tags, run.host, run.sweep = list(body.tags), body.host, body.sweep_id or None
        run.created = run.heartbeat = seconds(body.start_time)
        self._change(self.config, body.config)

    def _config(self, body: Any) -> None:
        self._change(self.config, body)

    def _summary(self, body: Any) -> None:
        self._change(self.run.summary, body)

    def _history(self, body: Any) -> None:
        row: Node = {}
        for item in body.item:
            put(row, item, item_value(item))
        row.setdefault("_step", body.step.num)
        self.run.heartbeat = max(self.run.heartbeat, row.get("_timestamp", 0))
        self.history.append(json.dumps(row))

    def _stats(self, body: Any) -> None:
        at = seconds(body.timestamp)
        values = {f"system.{item.key}": json.loads(item.value_json) for item in body.item}
        self.run.events.append(
            json.dumps({"_timestamp": at, "_runtime": at - self.run.created, "_wandb": True} | values)
        )

    def _output_raw(self, body: Any) -> None:
        when = datetime.fromtimestamp(seconds(body.timestamp), timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")
        said = {"level": "error" if body.output_type == body.STDERR else "info", "ts": when, "label": ""}
        self.run.console += [json.dumps(said | {"content": line}) for line in body.line.splitlines()]

    def _metric(self, body: Any) -> None:
        self.metrics.append(body)

    def _telemetry(self, body: Any) -> None:
        from wandb.sdk.lib.proto_util import proto_encode_to_dict

        told = {str(number): value for number, value in proto_encode_to_dict(body).items()}
        self.internal = {"t": told, "cli_version": body.cli_version, "python_version": body.python_version}

    def _environment(self, body: Any) -> None:
        if self.environment is not None:
            self.environment.MergeFrom(body)

    def _artifact(self, body: Any) -> None:
        self.artifacts.append(body)

    def _exit(self, body: Any) -> None:
        self.run.finish(body.exit_code)


# ------------------------------------------------------------------------------------------------------------ filters
def matches(run: CloudRun, query: dict[str, Any]) -> bool:
    """Whether a run fits a filter in MongoDB's language, as far as W&B documents it."""
    for key, wanted in query.items():
        if key in ("$and", "$or", "$nor"):
            found = [matches(run, part) for part in wanted]
            if not {"$and": all(found), "$or": any(found), "$nor": not any(found)}[key]:
                return False
            continue
        tests = wanted if isinstance(wanted, dict) and any(k.startswith("$") for k in wanted) else {"$eq": wanted}
        if not all(fits(run.value(key), operator, operand, key) for operator, operand in tests.items()):
            return False
    return True


def fits(value: Any, operator: str, operand: Any, key: str) -> bool:
    if operator in ("$ne", "$nin"):
        return not fits(value, {"$ne": "$eq", "$nin": "$in"}[operator], operand, key)
    if operator == "$not":
        return not all(fits(value, o, x, key) for o, x in operand.items())
    if operator == "$exists":
        return (value is not None) == bool(operand)
    if operator == "$in":
        return any(fits(value, "$eq", one, key) for one in operand)
    if operator == "$all":
        return all(fits(value, "$eq", one, key) for one in operand)
    if operator == "$regex":
        return isinstance(value, str) and re.search(operand, value) is not None
    if key in ("created_at", "createdAt", "heartbeat_at", "heartbeatAt"):
        value, operand = moment(value), moment(operand)
    if operator == "$eq":
        return operand == value or (isinstance(value, list) and operand in value)
    with contextlib.suppress(TypeError):
        return {"$gt": value > operand, "$gte": value >= operand, "$lt": value < operand, "$lte": value <= operand}[
            operator
        ]
    return False


def ordered(runs: Iterable[CloudRun], order: str | None) -> list[CloudRun]:
    name = (order or "+created_at").lstrip("+-")

    def rank(run: CloudRun) -> tuple[bool, Any]:
        value = run.created if name in ("created_at", "createdAt") else run.value(name)
        return (value is None, 0 if value is None else value)

    return sorted(runs, key=rank, reverse=(order or "").startswith("-"))


# ------------------------------------------------------------------------------------------------------------ GraphQL
parse = lru_cache(maxsize=256)(graphql.parse)  # clients send the same few documents again and again


class Operation:
    """One GraphQL operation, resolved against nodes; there is no schema, so fields that are unknown are null."""

    def __init__(self, document: str, variables: Node | None) -> None:
        parsed = parse(document)
        self.fragments = {d.name.value: d for d in parsed.definitions if isinstance(d, graphql.FragmentDefinitionNode)}
        self.node = next(d for d in parsed.definitions if isinstance(d, graphql.OperationDefinitionNode))
        self.name = self.node.name.value if self.node.name else self.node.operation.value
        self.variables = {
            v.variable.name.value: graphql.value_from_ast_untyped(v.default_value) if v.default_value else None
            for v in self.node.variable_definitions or ()
        } | {k: v for k, v in (variables or {}).items() if v is not None}
        self.unknown: set[str] = set()

    def resolve(self, root: Node) -> Node:
        return self._select(root, self.node.selection_set, self.node.operation.value)

    def _value(self, node: Any) -> Any:
        return graphql.value_from_ast_untyped(node, self.variables)

    def _included(self, selection: Any) -> bool:
        tests = {d.name.value: self._value(d.arguments[0].value) for d in selection.directives or () if d.arguments}
        return bool(tests.get("include", True)) and not tests.get("skip", False)

    def _select(self, parent: Node, selections: Any, where: str) -> Node:
        answer: Node = {}
        for selection in filter(self._included, selections.selections):
            if isinstance(selection, graphql.FieldNode):
                name = selection.name.value
                label = selection.alias.value if selection.alias else name
                if name not in parent:
                    self.unknown.add(f"{where}.{name}")
                value = parent.get(name)
                if callable(value):
                    value = value(**{a.name.value: self._value(a.value) for a in selection.arguments or ()})
                if selection.selection_set:
                    value = self._nested(value, selection.selection_set, f"{where}.{name}")
                    if isinstance(answer.get(label), dict) and isinstance(value, dict):
                        value = answer[label] | value
                answer[label] = value
            else:
                named = isinstance(selection, graphql.FragmentSpreadNode)
                inner = self.fragments[selection.name.value] if named else selection
                answer |= self._select(parent, inner.selection_set, where)
        return answer

    def _nested(self, value: Any, selections: Any, where: str) -> Any:
        if isinstance(value, list):
            return [self._nested(one, selections, where) for one in value]
        return None if value is None else self._select(value, selections, where)


def page(items: list[Any], first: int | None, after: str | None, node: Callable[[Any], Node]) -> Node:
    """One page of a relay connection."""
    start = int(after or 0)
    stop = len(items) if first is None else min(len(items), start + first)
    return {
        "__typename": "Connection",
        "totalCount": len(items),
        "edges": [{"cursor": str(i + 1), "node": node(items[i])} for i in range(start, stop)],
        "pageInfo": {"__typename": "PageInfo", "endCursor": str(stop), "hasNextPage": stop < len(items)},
    }


# ---------------------------------------------------------------------------------------------------------- the server
class WandbCloud(LoopbackServer):
    """W&B's backend on loopback. In `requests`, the path of a GraphQL request ends in its operation's name
    (`/graphql/HistoryPage`), which `fail()` and `count()` can be told too.

    nan_as_text: history says "NaN" and "Infinity" as text, as W&B does in places; else bare, as the client sent them.
    flat: nested metrics come back as `a.b`.
    """

    def __init__(self, entity: str = "acme", *, nan_as_text: bool = False, flat: bool = False) -> None:
        super().__init__()
        self.entity = entity
        self.api_key = hashlib.sha1(entity.encode()).hexdigest()
        self.nan_as_text, self.flat = nan_as_text, flat
        self.features = set(FEATURES)
        self.projects: dict[tuple[str, str], float] = {}
        self.runs: dict[tuple[str, str, str], CloudRun] = {}
        self.sweeps: dict[str, CloudSweep] = {}
        self.artifacts: dict[str, CloudArtifact] = {}
        self.stored: dict[str, bytes] = {}
        self.alerts: list[Node] = []
        self.unknown: set[str] = set()
        self.poisoned: set[str] = set()
        self.forbidden: set[tuple[str, str]] = set()
        self._state = threading.RLock()
        self._numbers = itertools.count(1)

    def env(self, folder: Path | None = None, *, impatient: bool = False) -> dict[str, str]:
        """The variables that point a client here. folder: where it keeps its config, caches and runs.
        impatient: retry every second, not after 2 to 60 (the core takes whole seconds, and Retry-After before them)."""
        variables = {
            "WANDB_BASE_URL": self.url,
            "WANDB_API_KEY": self.api_key,
            "WANDB_ERROR_REPORTING": "false",
            "NO_PROXY": "127.0.0.1,localhost",
        }
        if folder is not None:
            variables |= {f"WANDB_{n}_DIR": str(folder / n.lower()) for n in ("CONFIG", "CACHE", "DATA", "ARTIFACT")}
            variables |= {"WANDB_DIR": str(folder), "HOME": str(folder)}
        if impatient:
            for part in ("GRAPHQL", "FILE_STREAM", "FILE_TRANSFER"):
                variables[f"WANDB__{part}_RETRY_WAIT_MIN_SECONDS"] = "1"
                variables[f"WANDB__{part}_RETRY_WAIT_MAX_SECONDS"] = "1"
        return variables

    # ------------------------------------------------------------------ what a test puts in, and looks at
    def run(self, run_id: str) -> CloudRun:
        """The run with this id, whatever its project; KeyError where there is none."""
        with self._state:
            for run in self.runs.values():
                if run.id == run_id:
                    return run
        raise KeyError(run_id)

    def add_project(self, name: str, entity: str | None = None) -> None:
        self.projects.setdefault((entity or self.entity, name), time.time())

    def add_run(
        self, project: str, run_id: str, rows: Iterable[Node] = (), *, entity: str | None = None, **fields: Any
    ) -> CloudRun:
        """A run made up by the test: history rows (`_step` counts from 0 where it is not given), plain config values
        and any other field of `CloudRun`. It is finished unless `final` says otherwise."""
        config = {key: {"value": value} for key, value in fields.pop("config", {}).items()}
        run = CloudRun(entity or self.entity, project, run_id, **{"name": run_id, "final": "finished"} | fields)
        run.config = config
        lines = [json.dumps({"_step": i, "_timestamp": run.created + i, "_runtime": i} | r) for i, r in enumerate(rows)]
        run.write("wandb-history.jsonl", 0, lines)
        run.summary = run.summary or (json.loads(lines[-1]) if lines else {})
        with self._state:
            self.add_project(project, run.entity)
            self.runs[run.entity, project, run_id] = run
        return run

    def add_file(self, run_id: str, name: str, data: bytes) -> None:
        """A file of the run under any name, a hostile one (`../../evil.txt`, `/etc/evil`) too."""
        self.run(run_id).files[name] = CloudFile(data)

    def add_artifact(self, run_id: str, name: str, type: str, *, used: bool = False, **fields: Any) -> CloudArtifact:
        """An artifact that the run logged (or used)."""
        run = self.run(run_id)
        with self._state:
            found = [
                a for a in self.artifacts.values() if (a.entity, a.project, a.name) == (run.entity, run.project, name)
            ]
            made = CloudArtifact(
                token("Artifact", next(self._numbers)), run.entity, run.project, type, name, len(found),
                **{"digest": hashlib.md5(f"{name}{len(found)}".encode()).hexdigest(), "state": "COMMITTED"} | fields,
            )  # fmt: skip
            self.artifacts[made.id] = made
            layout = {
                "version": 1,
                "storagePolicy": "wandb-storage-policy-v1",
                "storagePolicyConfig": {},
                "contents": {},
            }
            self.stored[f"artifacts/{made.id}/m"] = json.dumps(layout | made.manifest).encode()
            (run.used if used else run.logged).append(made)
            if made.state == "COMMITTED":
                self._commit(made)
        return made

    def poison(self, run_id: str) -> None:
        """From now on whoever asks for the history of this run gets a 500."""
        self.poisoned.add(run_id)

    def forbid(self, project: str, entity: str | None = None) -> None:
        """From now on whatever is asked of this project is a 403."""
        self.forbidden.add((entity or self.entity, project))

    def export(self, run_id: str, last_step: int | None = None, files: int = 1) -> None:
        """Write the history up to `last_step` to parquet files, as W&B does some time after it came in (the client
        reads them from 0.27 on). Missing values are null, numbers of a column with a float are floats."""
        import pyarrow
        import pyarrow.parquet

        run = self.run(run_id)
        rows = [row for row in run.rows() if last_step is None or row["_step"] <= last_step]
        run.exported = max((row["_step"] for row in rows), default=-1)
        run.parquet, size = [], -(-len(rows) // files) or 1
        columns = list(dict.fromkeys(key for row in rows for key in row))
        for i in range(0, len(rows), size):
            part = {key: [row.get(key) for row in rows[i : i + size]] for key in columns}
            for key, values in part.items():
                kinds = {type(value) for value in values if value is not None}
                if kinds == {int, float}:
                    part[key] = [None if value is None else float(value) for value in values]
                elif len(kinds) > 1:
                    part[key] = [None if value is None else str(value) for value in values]
            out = io.BytesIO()
            pyarrow.parquet.write_table(pyarrow.table(part), out)
            run.parquet.append(f"parquet/{run.entity}/{run.project}/{run.id}/{i}")
            self.stored[run.parquet[-1]] = out.getvalue()

    def load(self, run_dir: Path, *, entity: str | None = None, project: str | None = None) -> CloudRun:
        """Fill in an offline (or online) run's folder, as W&B would have it after the run: its log and its files."""
        log = LoggedRun(next(iter(sorted(Path(run_dir).glob("*.wandb")))), entity or self.entity)
        run = log.run
        run.entity, run.project = entity or run.entity, project or run.project
        files = Path(run_dir) / "files"
        for path in sorted(files.rglob("*")):
            if path.is_file():
                run.files[path.relative_to(files).as_posix()] = CloudFile(path.read_bytes())
        for name, text in log.made_files():
            if name not in run.files or not run.files[name].data:
                run.files[name] = CloudFile(text.encode())
        with self._state:
            self.add_project(run.project, run.entity)
            self.runs[run.entity, run.project, run.id] = run
        for body in log.artifacts:
            contents = {entry.path: {"size": entry.size, "digest": entry.digest} for entry in body.manifest.contents}
            self.add_artifact(
                run.id, body.name, body.type, digest=body.digest, aliases=list(body.aliases), client_id=body.client_id,
                metadata=body.metadata or None, description=body.description or None, manifest={"contents": contents},
            )  # fmt: skip
        return run

    # ------------------------------------------------------------------ HTTP
    def _app(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/graphql":  # so that faults and the list of requests know the operation
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input"] = io.BytesIO(body)
            with contextlib.suppress(ValueError, KeyError, graphql.GraphQLError, StopIteration):
                asked = json.loads(body)
                environ["cloud.operation"] = operation = Operation(asked["query"], asked.get("variables"))
                environ["PATH_INFO"] = f"/graphql/{operation.name}"
        return super()._app(environ, start_response)

    def error(self, status: int, message: str) -> Response:
        code = {401: "PERMISSION_ERROR", 403: "PERMISSION_ERROR", 404: "NOT_FOUND"}.get(status, "INTERNAL")
        body = {"errors": [{"message": message, "extensions": {"code": code}}], "data": None}
        return Response(json.dumps(body), status, mimetype="application/json")

    def answer(self, request: Request) -> Response:
        parts = request.path.lstrip("/").split("/", 1)
        with self._state:
            if parts[0] == "storage":  # signed URLs: no key needed
                return self._storage(request, request.path.split("/", 2)[2])
            if request.authorization is None or request.authorization.password != self.api_key:
                abort(401, "user is not logged in")
            if parts[0] == "graphql":
                operation: Operation = request.environ.get("cloud.operation") or abort(400, "not a GraphQL request")
                data = operation.resolve(self._root())
                self.unknown |= operation.unknown
                return Response(json.dumps({"data": data}), mimetype="application/json")
            if parts[0] == "files":
                _, _, entity, project, run_id, name = request.path.split("/", 5)
                run = self.runs.get((entity, project, run_id)) or abort(404, f"run {run_id} not found")
                self._allow(entity, project)
                if name == "file_stream":
                    return self._file_stream(request, run)
                return self._storage(request, f"runs/{entity}/{project}/{run_id}/{name}")
        abort(404, "not found")

    def _file_stream(self, request: Request, run: CloudRun) -> Response:
        body = request.get_data()
        news = json.loads(gzip.decompress(body) if request.headers.get("Content-Encoding") == "gzip" else body)
        for stream, chunk in (news.get("files") or {}).items():
            run.write(stream, chunk["offset"], chunk["content"])
        run.heartbeat = time.time()
        if news.get("complete"):
            run.finish(news.get("exitcode") or 0)
        else:
            run.final = None
        return Response(
            json.dumps({"exitcode": None, "limits": {}, "stopped": run.stopped}), mimetype="application/json"
        )

    def _storage(self, request: Request, key: str) -> Response:
        """PUT and GET of bytes, whole or a range of them."""
        kind, _, rest = key.partition("/")
        if kind == "runs":
            entity, project, run_id, name = rest.split("/", 3)
            files = (self.runs.get((entity, project, run_id)) or abort(404, "no such run")).files
            if request.method == "PUT":
                files[name] = CloudFile(request.get_data())
            data = files[name].data if name in files else None
        else:
            if request.method == "PUT":
                self.stored[key] = request.get_data()
            data = self.stored.get(key)
        if data is None:
            abort(404, f"no such file: {key}")
        if request.method == "PUT":
            return Response(status=200, headers={"ETag": hashlib.md5(data).hexdigest()})
        response = Response(data, mimetype=mimetypes.guess_type(key)[0] or "application/octet-stream")
        return response.make_conditional(request.environ, accept_ranges=True, complete_length=len(data))

    def _at(self, *parts: str) -> str:
        return f"{self.url}/{'/'.join(quote(part, safe='') for part in parts)}"

    def _allow(self, entity: str, project: str) -> None:
        if (entity, project) in self.forbidden:
            abort(403, f"permission denied to access {entity}/{project}")

    # ------------------------------------------------------------------ GraphQL: roots
    def _root(self) -> Node:
        return {
            "viewer": self._user(),
            "serverInfo": {
                "cliVersionInfo": {"min_cli_version": "0.10.0", "max_cli_version": "99.0.0"},
                "latestLocalVersionInfo": None,
                "features": [{"name": name, "isEnabled": True} for name in sorted(self.features)],
            },
            "__type": lambda name: {
                "name": name,
                "fields": [{"name": one, "args": []} for one in TYPES.get(name, ())],
                "inputFields": [{"name": one} for one in TYPES.get(name, ())],
            },
            "entity": lambda name=None: {"id": token("Entity", name), "name": name, "organization": None},
            "project": self._project,
            "model": self._project,
            "models": lambda entityName=None, first=50, after=None: page(
                sorted(p for p in self.projects if p[0] == (entityName or self.entity)), first, after,
                lambda key: self._project(key[1], key[0]) or {},
            ),
            "artifact": lambda id: self._artifact(self.artifacts.get(id)),
            "clientIDMapping": lambda clientID: next(
                ({"serverID": a.id} for a in self.artifacts.values() if a.client_id == clientID), None
            ),
            **{name: getattr(self, f"_{name}") for name in MUTATIONS},
            "updateArtifactManifest": self._createArtifactManifest,
        }  # fmt: skip

    def _user(self) -> Node:
        return {
            **{"id": token("User", 1), "name": "Ada", "username": "ada", "email": "ada@example.com", "admin": False},
            **{"entity": self.entity, "flags": "{}", "deletedAt": None, "apiKeys": {"edges": []}},
            "teams": {"edges": [{"node": {"name": self.entity}}]},
        }

    def _project(self, name: str | None = None, entityName: str | None = None) -> Node | None:
        entity, name = entityName or self.entity, name or "uncategorized"
        if (entity, name) not in self.projects:
            return None
        self._allow(entity, name)

        def runs(filters: str | None) -> list[CloudRun]:
            here = [r for r in self.runs.values() if (r.entity, r.project) == (entity, name)]
            return [run for run in here if matches(run, json.loads(filters or "{}"))]

        def sweeps(first: int | None = 50, after: str | None = None, **_: Any) -> Node:
            return page(
                [s for s in self.sweeps.values() if (s.entity, s.project) == (entity, name)], first, after, self._sweep
            )

        def run(name: str, missingOk: bool = False, project: str = name) -> Node | None:
            found = self.runs.get((entity, project, name))
            return self._run(found) if found else None

        def artifact(full: str) -> CloudArtifact | None:
            collection, _, version = full.partition(":")
            same = [a for a in self.artifacts.values() if (a.entity, a.project, a.name) == (entity, name, collection)]
            return next((a for a in same if (version or "latest") in (*a.aliases, f"v{a.version}")), None)

        return {
            **{"__typename": "Project", "id": token("Project:v1", name, entity), "internalId": token("ProjectInternalId", 1)},
            **{"name": name, "entityName": entity, "entity": {"id": token("Entity", entity), "name": entity}},
            **{"createdAt": stamp(self.projects[entity, name]), "isBenchmark": False, "readOnly": False, "user": self._user()},
            "runCount": lambda filters=None: len(runs(filters)),
            "runs": lambda filters=None, first=50, after=None, order=None: page(
                ordered(runs(filters), order), first, after, self._run
            ),
            **{"run": run, "bucket": run},
            "totalSweeps": lambda: len([s for s in self.sweeps.values() if (s.entity, s.project) == (entity, name)]),
            "sweeps": sweeps,
            "sweep": lambda sweepName: self._sweep(self.sweeps.get(sweepName)),
            "artifact": lambda name, **_: self._artifact(artifact(name)),
            "artifactCollectionMembership": lambda name: self._membership(artifact(name)),
        }  # fmt: skip

    # ------------------------------------------------------------------ GraphQL: a run
    def _run(self, run: CloudRun) -> Node:
        def line(text: str) -> str:
            if not (self.flat or (self.nan_as_text and ("NaN" in text or "Infinity" in text))):
                return text
            row = dotted(json.loads(text)) if self.flat else json.loads(text)
            return json.dumps(plain(row) if self.nan_as_text else row)

        def history(samples: int | None = None, minStep: int | None = None, maxStep: int | None = None) -> list[str]:
            self._readable(run)
            return [line(one) for one in sample(run.between(minStep, maxStep), samples)]

        def sampled(specs: list[str]) -> list[list[Node]]:
            self._readable(run)
            answers = []
            for spec in map(json.loads, specs):
                high = spec.get("maxStep")  # inclusive here, unlike in history()
                rows = [
                    dotted(json.loads(one))
                    for one in run.between(spec.get("minStep"), None if high is None else high + 1)
                ]
                chosen = [{k: plain(r[k]) for k in spec["keys"]} for r in rows if all(k in r for k in spec["keys"])]
                answers.append(sample(chosen, spec.get("samples")))
            return answers

        def parquet(**_: Any) -> Node:
            self._readable(run)
            live = [{"_step": step} for step in run.steps if step > run.exported][:1]
            return {"parquetUrls": [f"{self.url}/storage/{key}" for key in run.parquet], "liveData": live}

        def tail(lines: list[str]) -> str:
            return json.dumps(lines[-1:])

        internal = run.config.get("_wandb", {}).get("value", {})
        return {
            **{"__typename": "Run", "id": run.storage_id, "projectId": "1", "internalId": token("RunInternalId", run.id)},
            **{"name": run.id, "displayName": run.name, "state": run.state, "tags": run.tags, "notes": run.notes},
            **{"group": run.group, "jobType": run.job_type, "sweepName": run.sweep, "host": run.host},
            **{"commit": run.commit, "description": run.description, "readOnly": False, "user": self._user()},
            **{"createdAt": stamp(run.created), "heartbeatAt": stamp(run.heartbeat), "exitcode": run.exit_code},
            **{"stopped": run.stopped, "shouldStop": run.stopped, "failed": run.state == "failed"},
            **{"running": run.state == "running", "project": lambda: self._project(run.project, run.entity)},
            "config": lambda: json.dumps(run.config),
            "summaryMetrics": lambda: json.dumps(plain(run.summary) if self.nan_as_text else run.summary),
            "systemMetrics": lambda: json.dumps(
                {k: v for k, v in json.loads(run.events[-1] if run.events else "{}").items() if not k.startswith("_")}
            ),
            **{"historyLineCount": len(run.history), "eventsLineCount": len(run.events), "logLineCount": len(run.console)},
            **{"historyTail": lambda: tail(run.history), "eventsTail": lambda: tail(run.events)},
            "wandbConfig": lambda keys=(): json.dumps({k: v for k, v in internal.items() if k in keys}),
            **{"historyKeys": run.history_keys, "history": history, "sampledHistory": sampled, "parquetHistory": parquet},
            "events": lambda samples=None: sample(run.events, samples),
            "logLines": lambda first=None, last=None, after=None, **_: self._log_lines(run, first, last, after),
            "fileCount": lambda: len(run.files),
            "files": lambda first=None, after=None, names=None, pattern=None: self._files(run, first, after, names, pattern),
            "outputArtifacts": lambda first=None, after=None, **_: page(
                [a for a in run.logged if a.state == "COMMITTED"], first, after, self._artifact
            ),
            "inputArtifacts": lambda first=None, after=None, **_: page(run.used, first, after, self._artifact),
        }  # fmt: skip

    def _readable(self, run: CloudRun) -> None:
        if run.id in self.poisoned:
            abort(500, f"history of run {run.id} cannot be read")

    def _files(
        self, run: CloudRun, first: int | None, after: str | None, names: list[str] | None, like: str | None
    ) -> Node:
        listed = names or sorted(run.files)
        if like is not None:
            wildcard = "".join({"%": ".*", "_": "."}.get(char, re.escape(char)) for char in like)
            listed = [name for name in listed if re.fullmatch(wildcard, name, re.DOTALL)]

        def node(name: str) -> Node:
            found = run.files.get(name)  # asked for by name, a file that is not there has md5 "0"
            place = (run.entity, run.project, run.id, name)
            return {
                **{"__typename": "File", "id": token("File", *place), "name": name, "updatedAt": stamp(time.time())},
                **{"sizeBytes": len(found.data) if found else 0, "md5": found.md5 if found else "0"},
                "mimetype": mimetypes.guess_type(name)[0] or "",
                "url": lambda upload=False: (
                    self._at("storage", "runs", *place) if upload else self._at("files", *place)
                ),
                "directUrl": self._at("storage", "runs", *place),
            }

        return page(listed, first, after, node)

    def _log_lines(self, run: CloudRun, first: int | None, last: int | None, after: str | None) -> Node:
        def node(numbered: tuple[int, str]) -> Node:
            number, text = numbered
            if text.startswith("{"):
                with contextlib.suppress(ValueError):
                    parts = json.loads(text)
                    said = {
                        "timestamp": parts.get("ts"),
                        "line": parts.get("content", ""),
                        "label": parts.get("label", ""),
                    }
                    return {"number": number, "level": parts.get("level") or "info", **said}
            level, when, line = re.fullmatch(r"(ERROR )?(\d{4}-\S+ )?(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]
            said = {"timestamp": (when or "").strip() or None, "line": line, "label": ""}
            return {"number": number, "level": "error" if level else "info", **said}

        lines = list(enumerate(run.console))
        return page(lines[-last:] if last else lines, None if last else first, after, node)

    # ------------------------------------------------------------------ GraphQL: what the client changes
    def _upsertBucket(self, input: Node) -> Node:
        given = {key: value for key, value in input.items() if value is not None}
        run = next((r for r in self.runs.values() if r.storage_id == given.get("id")), None)
        entity, project = given.get("entityName") or self.entity, given.get("modelName") or "uncategorized"
        if run is None:
            name = given.get("name") or f"run{next(self._numbers):05}"
            self._allow(entity, project)
            run = self.runs.get((entity, project, name))
        inserted = run is None
        if run is None:
            self.add_project(project, entity)
            run = self.runs[entity, project, name] = CloudRun(entity, project, name, name=f"quiet-{len(self.runs) + 1}")
        fields = {"displayName": "name", "groupName": "group", "jobType": "job_type"}
        for key in ("displayName", "groupName", "jobType", "notes", "description", "host", "commit", "sweep", "tags"):
            if key in given:
                setattr(run, fields.get(key, key), given[key])
        if "config" in given:
            run.config = json.loads(given["config"])
        if "summaryMetrics" in given:
            run.summary = json.loads(given["summaryMetrics"])
        if "name" in given and (inserted or "displayName" in given):  # the run's own process, which (re)starts it
            run.final, run.heartbeat = None, time.time()
        return {"bucket": self._run(run), "inserted": inserted}

    def _createRunFiles(self, input: Node) -> Node:
        place = (input["entityName"], input["projectName"], input["runName"])
        run = self.runs.get(place) or abort(404, f"run {input['runName']} not found")
        files = [{"name": name, "uploadUrl": self._at("storage", "runs", *place, name)} for name in input["files"]]
        return {"runID": run.storage_id, "uploadHeaders": [], "files": files}

    def _notifyScriptableRunAlert(self, input: Node) -> Node:
        self.alerts.append(input)
        return {"success": True}

    # ------------------------------------------------------------------ GraphQL: sweeps
    def _sweep(self, sweep: CloudSweep | None) -> Node | None:
        if sweep is None:
            return None
        runs = [r for r in self.runs.values() if r.sweep == sweep.id]
        agents = [{"id": key, "name": key, "host": host, "state": "RUNNING"} for key, host in sweep.agents.items()]
        return {
            **{"__typename": "Sweep", "id": token("Sweep", sweep.id), "name": sweep.id, "state": sweep.state},
            **{"displayName": sweep.display_name, "method": sweep.config.get("method", "random"), "config": sweep.text},
            **{"description": sweep.config.get("description"), "bestLoss": None, "controller": None, "scheduler": None},
            **{"createdAt": stamp(sweep.created), "updatedAt": None, "heartbeatAt": None, "earlyStopJobRunning": False},
            **{"runCount": len(runs), "runCountExpected": None},
            "project": lambda: self._project(sweep.project, sweep.entity),
            "runs": lambda first=None, after=None, **_: page(runs, first, after, self._run),
            "agents": lambda **_: {"edges": [{"node": node} for node in agents]},
        }

    def _upsertSweep(self, input: Node) -> Node:
        sweep = next((s for s in self.sweeps.values() if token("Sweep", s.id) == input.get("id")), None)
        if sweep is None:
            entity, project = input.get("entityName") or self.entity, input.get("projectName") or "uncategorized"
            self._allow(entity, project)
            self.add_project(project, entity)
            sweep = CloudSweep(f"sweep{next(self._numbers):03}", entity, project, input.get("config") or "{}")
            self.sweeps[sweep.id] = sweep
        sweep.text = input.get("config") or sweep.text
        sweep.state, sweep.display_name = input.get("state") or sweep.state, input.get("displayName")
        return {"sweep": self._sweep(sweep), "configValidationWarnings": []}

    def _createAgent(self, input: Node) -> Node:
        sweep = self.sweeps.get(input["sweep"]) or abort(404, f"sweep {input['sweep']} not found")
        agent = token("Agent", next(self._numbers))
        sweep.agents[agent] = input["host"]
        return {"agent": {"id": agent}}

    def _agentHeartbeat(self, input: Node) -> Node:
        sweep = next((s for s in self.sweeps.values() if input["id"] in s.agents), None) or abort(404, "no such agent")
        commands: list[Node] = []
        if not any(json.loads(input.get("runState") or "{}").values()):
            trial = sweep.next_trial()
            run_id = f"{sweep.id}t{next(self._numbers):03}"
            todo = {"type": "run", "run_id": run_id, "args": trial, "program": sweep.config.get("program")}
            commands = [todo if trial is not None else {"type": "exit"}]
        return {"agent": {"id": input["id"]}, "commands": json.dumps(commands)}

    # ------------------------------------------------------------------ GraphQL: artifacts
    def _artifact(self, artifact: CloudArtifact | None) -> Node | None:
        if artifact is None:
            return None
        contents = artifact.manifest.get("contents", {})
        latest = [a for a in self.artifacts.values() if self._same(a, artifact) and a.state == "COMMITTED"]
        collection = {
            **{"__typename": "ArtifactSequence", "id": token("Collection", artifact.name), "name": artifact.name},
            "project": lambda: self._project(artifact.project, artifact.entity),
            "latestArtifact": {"id": latest[-1].id} if latest else None,
        }
        aliases = [
            {"__typename": "ArtifactAlias", "id": token("Alias", one), "alias": one, "artifactCollection": collection}
            for one in artifact.aliases
        ]
        return {
            **{"__typename": "Artifact", "id": artifact.id, "state": artifact.state, "digest": artifact.digest},
            **{"versionIndex": artifact.version, "artifactType": {"name": artifact.type}, "aliases": aliases},
            **{"artifactSequence": collection, "description": artifact.description, "metadata": artifact.metadata},
            **{"ttlDurationSeconds": -2, "ttlIsInherited": True, "tags": [], "historyStep": artifact.step},
            **{"commitHash": artifact.digest[:20], "fileCount": len(contents), "updatedAt": None},
            **{"size": sum(entry.get("size", 0) for entry in contents.values()), "digestAlgorithm": "MANIFEST_MD5"},
            **{"createdAt": stamp(artifact.created), "storageBytes": 0},
            "currentManifest": {
                "id": artifact.id,
                "file": {"directUrl": self._at("storage", "artifacts", artifact.id, "m")},
            },
        }

    @staticmethod
    def _same(one: CloudArtifact, other: CloudArtifact) -> bool:
        return (one.entity, one.project, one.name) == (other.entity, other.project, other.name)

    def _membership(self, artifact: CloudArtifact | None) -> Node | None:
        node = self._artifact(artifact)
        if artifact is None or node is None:
            return None
        known = {key: node[key] for key in ("versionIndex", "createdAt", "aliases")}
        return {
            **{"__typename": "ArtifactCollectionMembership", "id": token("Membership", artifact.id), **known},
            **{"artifact": node, "artifactCollection": node["artifactSequence"]},
        }

    def _commit(self, artifact: CloudArtifact) -> None:
        artifact.state = "COMMITTED"
        artifact.aliases = list(dict.fromkeys([*artifact.aliases, "latest"]))
        for other in self.artifacts.values():
            if other is not artifact and self._same(other, artifact):
                other.aliases = [alias for alias in other.aliases if alias not in artifact.aliases]

    def _createArtifact(self, input: Node) -> Node:
        entity, project = input.get("entityName") or self.entity, input["projectName"]
        name = input.get("artifactCollectionName") or input["artifactCollectionNames"][0]  # the latter before the core
        run = self.runs.get((entity, project, input.get("runName") or ""))
        here = [a for a in self.artifacts.values() if (a.entity, a.project, a.name) == (entity, project, name)]
        made = next((a for a in here if a.digest == input["digest"] and a.state == "COMMITTED"), None)
        if made is None:
            self.add_project(project, entity)
            made = CloudArtifact(
                token("Artifact", next(self._numbers)), entity, project, input["artifactTypeName"], name, len(here),
                input["digest"], aliases=[one["alias"] for one in input.get("aliases") or []],
                metadata=input.get("metadata"), description=input.get("description"),
                client_id=input.get("clientID") or "", step=input.get("historyStep"),
            )  # fmt: skip
            self.artifacts[made.id] = made
        if run is not None and made not in run.logged:
            run.logged.append(made)
        return {"artifact": self._artifact(made)}

    def _createArtifactManifest(self, input: Node) -> Node:
        place = input.get("artifactID") or input["artifactManifestID"]
        return {"artifactManifest": {"id": place, "file": self._upload("wandb_manifest.json", place, "m")}}

    def _createArtifactFiles(self, input: Node) -> Node:
        def node(spec: Node) -> Node:
            uploaded = self._upload(spec["name"], spec["artifactID"], "files", spec["name"])
            return {**uploaded, "artifact": {"id": spec["artifactID"]}}

        return {"files": {"edges": [{"node": node(spec)} for spec in input["artifactFiles"]]}}

    def _upload(self, name: str, *place: str) -> Node:
        url = self._at("storage", "artifacts", *place)
        known = {"id": token("File", *place), "name": name, "displayName": name, "storagePath": name}
        return {**known, "uploadUrl": url, "uploadHeaders": [], "uploadMultipartUrls": None}

    def _commitArtifact(self, input: Node) -> Node:
        artifact = self.artifacts[input["artifactID"]]
        artifact.manifest = json.loads(self.stored.get(f"artifacts/{artifact.id}/m", b"{}"))
        self._commit(artifact)
        return {"artifact": self._artifact(artifact)}

    def _updateArtifact(self, input: Node) -> Node:
        return {"artifact": self._artifact(self.artifacts.get(input["artifactID"]))}

    def _useArtifact(self, input: Node) -> Node:
        artifact = self.artifacts.get(input["artifactID"]) or abort(404, "no such artifact")
        run = self.runs.get((input["entityName"], input["projectName"], input["runName"])) or abort(404, "no such run")
        if artifact not in run.used:
            run.used.append(artifact)
        return {"artifact": self._artifact(artifact)}


MUTATIONS = [
    *("upsertBucket", "createRunFiles", "notifyScriptableRunAlert", "upsertSweep", "createAgent", "agentHeartbeat"),
    *(
        "createArtifact",
        "createArtifactManifest",
        "createArtifactFiles",
        "commitArtifact",
        "updateArtifact",
        "useArtifact",
    ),
]
