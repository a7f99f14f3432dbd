"""A run as its transaction log tells it: what fills the loopback W&B from real offline runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import yaml

from wandb_swan.parity.plain import parsed, payloads, put, seconds, value_of

from .wandb_runs import CloudRun, Node


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
        for record in map(parsed, payloads(log)):
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
            put(tree, list(item.nested_key) or [item.key], json.loads(item.value_json))
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
            put(row, list(item.nested_key) or [item.key], value_of(item))
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
