"""SwanLab's cloud on loopback: answers what the unmodified SwanLab SDK (0.8.3 to 0.10.3) sends, for assertions.

Seen in the client: paths and payloads; each section of `swanlab_cloud.py` names the modules of SwanLab's SDK.

Maintainers: a resumed experiment is append-only and nothing is overwritten; a (key, step) that is sent again is
there twice, says the report that they answer (SwanHubX/SwanLab issue 1576, April 2026).
Maintainers: steps are counted asynchronously; who resumes 5 to 10 seconds after a short experiment may get an older
count (SwanHubX/SwanLab issue 1576, August 2026).
Maintainers: no step below the highest that was uploaded is taken into an experiment (SwanHubX/SwanLab issue 1318).
Maintainers: an experiment of which nothing came for 30 minutes is marked as interrupted; from then on it is not
updated, also when the network is back (SwanHubX/SwanLab issues 1255, 1304, 1335).
Seen in the client: what comes while an experiment is not RUNNING is outside the window that is shown
(core_python/sync).
Seen in the client: opening sets an existing experiment back to RUNNING, by a comment in core_python/sync, which issue
1335 contradicts for one that was interrupted; `reopens=True` plays the comment.
Assumption: an interrupted experiment's state is CRASHED; the SDK knows no other word.
Assumption: every heartbeat, batch and opening is a sign of life.
Assumption: what comes for an interrupted experiment is answered with 201 and counted in the latest steps all the same.
Assumption: opening an interrupted experiment (`resume`) answers 200 with the state it has.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import secrets
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from werkzeug.exceptions import Conflict, NotFound, Unauthorized
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from .swanlab_reads import ROUTES, SwanLabReads, route
from .swanlab_state import Experiment, Line, MediaItem, Project


def _seconds(text: str) -> float:
    """Epoch seconds of protobuf's JSON timestamp (0 to 9 decimals, `Z`)."""
    whole, _, decimals = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(whole).replace(tzinfo=timezone.utc).timestamp() + float(f"0.{decimals or 0}")


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _now() -> str:
    return _iso(datetime.now(timezone.utc))


STORE = "^/store/"
PRESIGN = "/presigned/put$|/files/prepare"
METRICS = "/house/metrics$"
"""Patterns for `fail`: the object store, what signs uploads to it, and the points' API fail apart from each other."""


class SwanLabCloud(SwanLabReads):
    """`with SwanLabCloud() as cloud:` runs it in a thread; `cloud.env(home)` points the SDK of a subprocess to it.

    `projects["workspace/project"]` and `experiment(run_id)` hold what came in, `unknown` the requests without a route.
    summary_lag: seconds until a point counts in the latest steps that a resume asks for (the real server: 5 to 10).
    unique_ids: 409 where a run id exists in another project, as the server did when ids were global (SwanLab PR 1141).
    silence: seconds without a sign of life after which an experiment is interrupted (the real server: about 1800).
    reopens: whether opening an interrupted experiment lets it run, and be shown, again.
    version: None plays a server from before views (self-hosted before 2.6.2), which wants columns per experiment.
    signs: False plays one that is older still, and does not sign uploads to its object store.

    Seen in the client: a server from before views has neither `POST /projects/<user>` nor `/series`; SwanLab 0.9 and
    0.10 go back to `POST /project` and to columns per experiment there, 0.8 knows no other, 0.11 will know them no more.
    Assumption: views came with self-hosted 2.6.2; SwanLab's client names no version.
    Assumption: a server that is older still answers 404 to `POST /api/resources/presigned/put`, as a user reports of
    self-hosted 2.5.0 (SwanHubX/self-hosted issue 85).
    Assumption: a server with views still has `POST /project` and columns per experiment, since SwanLab 0.8 asks for them.
    """

    def __init__(
        self,
        api_key: str = "loopback-key",
        username: str = "swan",
        *,
        summary_lag: float = 0.0,
        unique_ids: bool = False,
        silence: float = math.inf,
        reopens: bool = False,
        version: int | None = 1,
        signs: bool = True,
    ) -> None:
        super().__init__()
        self.api_key, self.username, self.version, self.signs = api_key, username, version, signs
        self.summary_lag, self.unique_ids = summary_lag, unique_ids
        self.silence, self.reopens = silence, reopens
        self.renames = True
        """Whether an experiment that is there takes what is posted when it is opened again.

        Assumption: an experiment that is opened again takes the name, description, group, job type and labels that are
        posted; a comment in SwanLab's client speaks of an "update mode"."""
        self.unknown: list[str] = []
        self._sessions: set[str] = set()
        self._ids = (f"c{n:024d}" for n in itertools.count(1))
        self._urls = Map([Rule(path, methods=[method], endpoint=name) for method, path, name in ROUTES])

    # ------------------------------------------------------------------ for the tests
    def env(self, home: Path | str = "/nonexistent/swanlab") -> dict[str, str]:
        """Environment that makes the SDK talk to this server and read no settings of the user (sdk/internal/settings).

        home: SwanLab's own folder (credentials, config.yaml); it need not exist.
        """
        return {
            "SWANLAB_API_HOST": self.url,
            "SWANLAB_WEB_HOST": self.url,
            "SWANLAB_API_KEY": self.api_key,
            "SWANLAB_ROOT": str(home),
            "SWANLAB_SAVE_DIR": str(home),
            "SWANLAB_CONFIG_DIR": str(Path(home) / "etc"),
            "SWANLAB_INTERACTIVE": "false",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }

    def experiment(self, run_id: str | None = None) -> Experiment:
        """The experiment of this run id (or the only one). Raises KeyError, naming those that exist."""
        found = [experiment for experiment in self.experiments if run_id in (None, experiment.run_id, experiment.cuid)]
        if len(found) != 1:
            raise KeyError(f"{len(found)} experiments are {run_id!r}; there are {[e.run_id for e in self.experiments]}")
        return found[0]

    def expire_sessions(self) -> None:
        """Forget who is logged in: requests get 401 until the client logs in again."""
        self._sessions.clear()

    # ------------------------------------------------------------------ dispatch
    def answer(self, request: Request) -> Response:
        try:
            name, args = self._urls.bind_to_environ(request.environ).match()
        except Exception:
            self.unknown.append(f"{request.method} {request.path}")
            raise
        open_to_all = name in ("_ping", "_log_in") or request.path.startswith("/store/")
        if not open_to_all and request.cookies.get("sid") not in self._sessions:
            raise Unauthorized("log in first")
        with self._lock:
            self._interrupt()
            body = getattr(self, name)(request, **args)
        if isinstance(body, Response):
            return body
        body, status = body if isinstance(body, tuple) else (body, 200)
        return Response(json.dumps(body), status, mimetype="application/json")

    def _interrupt(self) -> None:
        for experiment in self.experiments:
            if experiment.state == "RUNNING" and time.time() - experiment.sign > self.silence:
                experiment.state, experiment.finished_at, experiment.interrupted = "CRASHED", _now(), True
                experiment.states.append("CRASHED")

    @staticmethod
    def _folder(experiment: Experiment) -> str:
        return f"{experiment.project.cuid}/{experiment.cuid}"

    # ------------------------------------------------------------------ login: sdk/internal/pkg/client, cli/ping
    @route("GET", "/api")
    def _ping(self, request: Request) -> Response:
        return Response("OK")

    @route("POST", "/api/login/api_key")
    def _log_in(self, request: Request) -> Any:
        if request.headers.get("Authorization") != self.api_key:
            raise Unauthorized("wrong API key")
        self._sessions.add(sid := secrets.token_hex(16))
        expires = datetime.now(timezone.utc) + timedelta(days=30)
        return {"sid": sid, "expiredAt": _iso(expires), "userInfo": {"name": "Swan", "username": self.username}}

    # ------------------------------------------------------------------ project: core_python/api/project
    @route("GET", "/api/project/<user>/<name>")
    def _get_project(self, request: Request, user: str, name: str) -> Any:
        return self._project_json(self._project_of(user, name))

    @route("POST", "/api/projects/<user>")
    def _create_project(self, request: Request, user: str) -> Any:
        if self.version is None:
            raise NotFound
        return self._project_named(user, request.get_json())

    @route("POST", "/api/project")  # deprecated/project; SwanLab 0.8
    def _create_old_project(self, request: Request) -> Any:
        body = request.get_json()
        return self._project_named(body.get("username", self.username), body)

    def _project_named(self, user: str, body: dict[str, Any]) -> Any:
        path = f"{user}/{body['name']}"
        known = path in self.projects
        if not known:
            self.projects[path] = Project(next(self._ids), user, body["name"], body.get("visibility", "PRIVATE"))
        return self._project_json(self.projects[path]), 200 if known else 201

    def _project_json(self, project: Project) -> dict[str, Any]:
        known = {
            "cuid": project.cuid,
            "name": project.name,
            "username": project.workspace,
            "path": f"/{project.workspace}/{project.name}",
            "visibility": project.visibility,
            "group": {"username": project.workspace},
            "_count": {"experiments": len(project.experiments), "contributors": 1, "collaborators": 0, "clones": 0},
        }
        return known if self.version is None else known | {"version": self.version}

    # ------------------------------------------------------------------ experiment: core_python/api/experiment
    @route("POST", "/api/project/<user>/<name>/experiment")
    def _open_experiment(self, request: Request, user: str, name: str) -> Any:
        project, body = self._project_of(user, name), request.get_json()
        run_id = body.get("cuid") or secrets.token_hex(10)
        experiment = project.experiments.get(run_id)
        if experiment is None and self.unique_ids and any(e.run_id == run_id for e in self.experiments):
            raise Conflict(f"{run_id} belongs to another project")
        if known := experiment is not None:
            if "name" in body and self.renames:
                experiment.name, experiment.description = body["name"], body.get("description", experiment.description)
                experiment.group = body.get("cluster", experiment.group)
                experiment.job_type = body.get("job", experiment.job_type)
                experiment.tags = [label["name"] for label in body.get("labels", [])] or experiment.tags
            if self.reopens or not experiment.interrupted:
                experiment.state, experiment.finished_at, experiment.interrupted = "RUNNING", None, False
                experiment.states.append("RUNNING")
                experiment.sign = time.time()
        else:
            experiment = Experiment(next(self._ids), run_id, project, body.get("createdAt", _now()))
            experiment.name, experiment.description = body.get("name", ""), body.get("description", "")
            experiment.group, experiment.job_type = body.get("cluster", ""), body.get("job", "")
            experiment.tags = [label["name"] for label in body.get("labels", [])]
            experiment.colors = body.get("colors", [])
            project.experiments[run_id] = experiment
        experiment.opened.append(body)
        return self._experiment_json(experiment), 200 if known else 201

    @route("GET", "/api/project/<user>/<name>/runs/<run>")
    def _get_experiment(self, request: Request, user: str, name: str, run: str) -> Any:
        return self._experiment_json(self._find(run, self._project_of(user, name)))

    @route("PUT", "/api/project/<user>/<name>/runs/<run>/state")
    def _set_state(self, request: Request, user: str, name: str, run: str) -> Any:
        experiment, body = self._find(run, self._project_of(user, name)), request.get_json()
        if experiment.interrupted:
            return {}
        experiment.state, experiment.finished_at = body["state"], body["finishedAt"]
        experiment.states.append(body["state"])
        return {}

    @route("PUT", "/api/project/<user>/<name>/runs/<run>/profile")
    def _set_profile(self, request: Request, user: str, name: str, run: str) -> Any:
        self._find(run, self._project_of(user, name)).profile.update(request.get_json())
        return {}

    @route("POST", "/api/house/experiments/<run>/heartbeat")
    def _heartbeat(self, request: Request, run: str) -> Any:
        experiment = self._find(run)
        experiment.sign = time.time()
        experiment.heartbeats.append(experiment.sign)
        return {}

    @route("GET", "/api/house/metrics/summaries/<project>/<run>")
    def _latest_steps(self, request: Request, project: str, run: str) -> Any:
        latest: dict[str, list[dict[str, Any]]] = {"log": [], "media": [], "scalar": []}
        for (kind, key), tops in self._find(run).tops.items():
            steps = [top for at, top in tops if at <= time.time() - self.summary_lag]
            if steps:
                latest[kind].append({"key": key, "step": steps[-1]})
        return {kind: items or None for kind, items in latest.items()}

    # ------------------------------------------------------------------ data: core_python/api/upload, transport/sender
    @route("POST", "/api/projects/<user>/<name>/series")
    def _add_columns(self, request: Request, user: str, name: str) -> Any:
        if self.version is None:
            raise NotFound
        for column in request.get_json()["series"]:
            self._project_of(user, name).columns.setdefault(column["key"], {}).update(column)
        return {}, 201

    @route("POST", "/api/experiment/<run>/columns")  # deprecated/sender
    def _add_experiment_columns(self, request: Request, run: str) -> Any:
        for column in request.get_json():
            self._find(run).project.columns.setdefault(column["key"], {}).update(column)
        return {}, 201

    @route("POST", "/api/house/metrics")
    def _add_metrics(self, request: Request) -> Any:
        body = request.get_json()
        experiment, kind = self._find(body["experimentId"]), body["type"]
        shown = None if experiment.interrupted else experiment
        experiment.sign = time.time()
        highest: dict[str, int] = {}
        for point in body["metrics"]:
            at = _seconds(point["create_time"])
            if kind == "log":
                key, step = "LOG", point["epoch"]
                if shown:
                    experiment.console.append(Line(step, point["level"], point["message"], at))
            elif kind == "scalar":
                key, step = point["key"], point["index"]
                value = math.nan if point["data"] == "nan" else point["data"]
                self._keep(shown, experiment.scalars, key, step, (value, at))
            else:
                key, step = point["key"], point["index"]
                captions = [more.get("caption") for more in point["more"]]
                items = [
                    MediaItem(path, caption, self.objects.get(f"{self._folder(experiment)}/{path}"))
                    for path, caption in itertools.zip_longest(point["data"], captions)
                ]
                self._keep(shown, experiment.media, key, step, items)
            highest[key] = max(step, highest.get(key, step))
            if experiment.state != "RUNNING":
                experiment.late_points += 1
        for key, step in highest.items():
            tops = experiment.tops.setdefault((kind, key), [])
            if not tops or step > tops[-1][1]:
                tops.append((time.time(), step))
        return {}, 201

    @staticmethod
    def _keep(shown: Experiment | None, kept: dict[str, dict[int, Any]], key: str, step: int, value: Any) -> None:
        if shown is None:
            return
        first = kept.setdefault(key, {}).setdefault(step, value)
        if first is not value:
            shown.duplicate_points.append((key, step, first, value))

    @route("POST", "/api/resources/presigned/put")
    def _sign_media(self, request: Request) -> Any:
        if not self.signs:
            raise NotFound
        body = request.get_json()
        folder = self._folder(self._find(body["experimentId"]))
        return {"urls": self._presigned(f"{folder}/{path}" for path in body["paths"])}

    @route("PUT", "/store/<path:key>")
    def _put_object(self, request: Request, key: str) -> Response:
        part = request.args.get("part")
        data = request.get_data()
        self.objects[key if part is None else f"{key}#{part}"] = data
        return Response(headers={"ETag": f'"{hashlib.md5(data).hexdigest()}"'})

    @route("GET", "/store/<path:key>")
    def _get_object(self, request: Request, key: str) -> Response:
        if key not in self.objects:
            raise NotFound(key)
        return Response(self.objects[key], mimetype="application/octet-stream")

    # ------------------------------------------------------------------ files: core_python/api/save
    @route("POST", "/api/experiment/<run>/files/prepare")
    def _sign_files(self, request: Request, run: str) -> Any:
        folder = self._folder(self._find(run))
        return {"urls": self._presigned(f"{folder}/files/{file['path']}" for file in request.get_json()["files"])}

    @route("POST", "/api/experiment/<run>/files/complete")
    def _complete_files(self, request: Request, run: str) -> Any:
        experiment = self._find(run)
        for file in request.get_json()["files"]:
            experiment.file_states[file["path"]] = file["state"]
            data = self.objects.get(f"{self._folder(experiment)}/files/{file['path']}")
            if file["state"] == "UPLOADED" and data is not None:
                experiment.files[file["path"]] = data
        return {}, 201

    @route("POST", "/api/experiment/<run>/files/prepare-multipart")
    def _sign_parts(self, request: Request, run: str) -> Any:
        folder, files = self._folder(self._find(run)), []
        for file in request.get_json()["files"]:
            urls = self._presigned([f"{folder}/files/{file['path']}"] * file["count"])
            parts = [{"partNumber": n, "url": f"{url}&part={n}"} for n, url in enumerate(urls, 1)]
            files.append({"uploadId": secrets.token_hex(8), "parts": parts})
        return {"files": files}

    @route("POST", "/api/experiment/<run>/files/complete-multipart")
    def _complete_parts(self, request: Request, run: str) -> Any:
        experiment = self._find(run)
        for file in request.get_json()["files"]:
            key = f"{self._folder(experiment)}/files/{file['path']}"
            numbers = sorted(part["partNumber"] for part in file["parts"])
            experiment.files[file["path"]] = b"".join(self.objects.pop(f"{key}#{number}") for number in numbers)
            experiment.file_states[file["path"]] = "UPLOADED"
        return {}, 201
