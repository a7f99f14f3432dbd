"""A run as its transaction log tells it: what fills the loopback W&B from real offline runs."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import yaml

from .wandb_runs import CloudRun, Node


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
