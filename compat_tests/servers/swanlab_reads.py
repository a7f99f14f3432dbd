"""The half of SwanLab's cloud that is read: what its web page and `swanlab.Api` ask for."""

from __future__ import annotations

import csv
import io
import itertools
import math
import secrets
from collections.abc import Callable, Iterable, Mapping
from statistics import mean, median
from typing import Any
from urllib.parse import quote

from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Request

from .faults import LoopbackServer
from .swanlab_state import Experiment, MediaItem, Project

ROUTES: list[tuple[str, str, str]] = []


def route(method: str, *paths: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(handler: Callable[..., Any]) -> Callable[..., Any]:
        ROUTES.extend((method, path, handler.__name__) for path in paths)
        return handler

    return register


def _number(value: float) -> float | str:
    """A value in JSON, which has no NaN: SwanLab's client expects the words "NaN", "INF", "-INF" (`typings/metric.py`)."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "INF" if value > 0 else "-INF"


class SwanLabReads(LoopbackServer):
    """Projects and experiments, found by name and id, and what is told of them."""

    def __init__(self) -> None:
        super().__init__()
        self.projects: dict[str, Project] = {}
        self.objects: dict[str, bytes] = {}

    @property
    def experiments(self) -> list[Experiment]:
        """All experiments, in the order they were created."""
        return [experiment for project in self.projects.values() for experiment in project.experiments.values()]

    def _project_of(self, user: str, name: str) -> Project:
        project = self.projects.get(f"{user}/{name}")
        if project is None:
            raise NotFound(f"no project {user}/{name}")
        return project

    def _find(self, run: str, project: Project | None = None) -> Experiment:
        for experiment in self.experiments if project is None else project.experiments.values():
            if run in (experiment.cuid, experiment.run_id):
                return experiment
        raise NotFound(f"no experiment {run}")

    def _presigned(self, keys: Iterable[str]) -> list[str]:
        return [f"{self.url}/store/{quote(key)}?signature={secrets.token_hex(8)}" for key in keys]

    @staticmethod
    def _experiment_json(experiment: Experiment) -> dict[str, Any]:
        return {
            "cuid": experiment.cuid,
            "slug": experiment.run_id,
            "name": experiment.name,
            "description": experiment.description,
            "labels": [{"name": tag} for tag in experiment.tags],
            "cluster": experiment.group,
            "job": experiment.job_type,
            "colors": experiment.colors,
            "state": experiment.state,
            "show": True,
            "createdAt": experiment.created_at,
            "finishedAt": experiment.finished_at or "",
            "profile": experiment.profile,
            "user": {"username": experiment.project.workspace, "name": experiment.project.workspace},
        }

    @route("POST", "/api/project/<user>/<name>/runs/shows")
    def _list_runs(self, request: Request, user: str, name: str) -> Any:
        return [self._experiment_json(experiment) for experiment in self._project_of(user, name).experiments.values()]

    @route("POST", "/api/house/metrics/<kind>/keys")
    def _list_keys(self, request: Request, kind: str) -> Any:
        found = [self._find(ref["experimentId"]) for ref in request.get_json()["experiments"]]
        keys = {key: None for e in found for key in (e.media if kind == "media" else e.scalars)}
        return {"keys": list(keys), "hasMore": False, "nextCursor": ""}

    @route("POST", "/api/house/metrics/summaries")
    def _summarize(self, request: Request) -> Any:
        body = request.get_json()
        return {
            ref["experimentId"]: {
                key: self._statistics(steps)
                for key, steps in self._find(ref["experimentId"]).scalars.items()
                if key in body.get("keys", (key,))
            }
            for ref in body["experiments"]
        }

    @staticmethod
    def _statistics(steps: Mapping[int, tuple[float, float]]) -> dict[str, Any]:
        last = max(steps)
        values = [value for value, _ in steps.values() if math.isfinite(value)]
        known = {"step": last, "value": _number(steps[last][0])}
        if values:
            known |= {"min": min(values), "max": max(values), "avg": mean(values), "median": median(values)}
        return known

    @route("POST", "/api/house/metrics/scalar")
    def _read_scalars(self, request: Request) -> Any:
        body = request.get_json()
        return [
            {
                "key": ref["key"],
                "metrics": [
                    {"index": step, "data": value, "timestamp": int(at * 1000)}
                    for step, (value, at) in self._sampled(ref, int(body.get("num", 1500)))
                ],
            }
            for ref in body["columns"]
        ]

    def _sampled(self, ref: dict[str, Any], most: int) -> list[tuple[int, tuple[float, float]]]:
        """A curve as the server gives it.

        Seen in the client: at most `num` points, and none that is not finite (`api/experiment.py`).
        Assumption: a curve of no more points is not sampled. The server picks by LTTB; here each n-th is taken.
        """
        steps = self._find(ref["experimentId"]).scalars.get(ref["key"], {})
        curve = sorted((step, point) for step, point in steps.items() if math.isfinite(point[0]))
        return curve if len(curve) <= most else [curve[at * len(curve) // most] for at in range(most)]

    @route("POST", "/api/house/metrics/scalar/value")
    def _read_statistics(self, request: Request) -> Any:
        body, answer = request.get_json(), []
        for ref in body["columns"]:
            steps = self._find(ref["experimentId"]).scalars.get(ref["key"])
            if steps:
                value, at = steps[last := max(steps)]
                index = int(at * 1000) if body["xType"] == "timestamp" else last
                answer.append({"key": ref["key"], "latest": {"index": index, "data": _number(value)}})
        return answer

    @route("POST", "/api/house/metrics/scalar/export")
    def _export_scalars(self, request: Request) -> Any:
        """Assumption: a column without a name is called by its experiment; SwanLab's client leaves an empty one out."""
        columns = request.get_json()["columns"]
        series = [self._find(column["experimentId"]).scalars.get(column["key"], {}) for column in columns]
        names = [f"{column.get('experimentName', column['experimentId'])}-{column['key']}" for column in columns]
        text = io.StringIO()
        rows = csv.writer(text)
        rows.writerow(["step", *(f"{name}_{part}" for name in names for part in ("step", "timestamp"))])
        for step in sorted(set().union(*series)):
            points = [steps.get(step) for steps in series]
            cells = (("", "") if point is None else (repr(point[0]), int(point[1] * 1000)) for point in points)
            rows.writerow([step, *itertools.chain.from_iterable(cells)])
        key = f"exports/{secrets.token_hex(8)}.csv"
        self.objects[key] = text.getvalue().encode()
        return {"cosKey": key}

    @route("POST", "/api/files/presigned/get", "/api/resources/presigned/get")
    def _sign_reads(self, request: Request) -> Any:
        body = request.get_json()
        prefix = f"{body['prefix']}/" if "prefix" in body else ""
        return {"urls": self._presigned(prefix + path for path in body["paths"])}

    @route("POST", "/api/house/metrics/f_media")
    def _read_media(self, request: Request) -> Any:
        return [
            {
                "key": ref["key"],
                "metrics": [self._media_json(step, items) for step, items in sorted(self._media_of(ref).items())],
            }
            for ref in request.get_json()["columns"]
        ]

    @route("POST", "/api/house/metrics/media")
    def _read_media_step(self, request: Request) -> Any:
        body = request.get_json()
        steps = sorted(set().union(*(self._media_of(ref) for ref in body["columns"])))
        step = body.get("step", steps[-1] if steps else 0)
        metrics = [
            {"key": ref["key"], **self._media_json(step, self._media_of(ref)[step])}
            for ref in body["columns"]
            if step in self._media_of(ref)
        ]
        return {"steps": steps, "step": step, "metrics": metrics}

    def _media_of(self, ref: dict[str, Any]) -> dict[int, list[MediaItem]]:
        return self._find(ref["experimentId"]).media.get(ref["key"], {})

    @staticmethod
    def _media_json(step: int, items: list[MediaItem]) -> dict[str, Any]:
        more = [{} if item.caption is None else {"caption": item.caption} for item in items]
        return {"index": step, "data": [item.path for item in items], "more": more}

    @route("GET", "/api/house/metrics/log")
    def _read_log(self, request: Request) -> Any:
        """Assumption: of console lines, `epoch` is the first line's number, `level` the lowest one, `count` that of all lines."""
        lines = sorted(self._find(request.args["experimentId"]).console, key=lambda line: line.epoch)
        shown = [line for line in lines if line.epoch >= int(request.args.get("epoch", 0))]
        logs = [{"epoch": line.epoch, "level": line.level, "message": line.message} for line in shown]
        return {"logs": logs[: int(request.args.get("size", 1000))], "count": len(lines)}
