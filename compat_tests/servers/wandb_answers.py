"""The GraphQL answers about projects, runs and sweeps, and what a client changes of them."""

from __future__ import annotations

import contextlib
import json
import mimetypes
import re
import time
from functools import partial
from typing import Any

from werkzeug.exceptions import abort

from .wandb_artifacts import Artifacts
from .wandb_filters import matches, ordered
from .wandb_runs import CloudArtifact, CloudRun, CloudSweep, Node, dotted, plain, sample, stamp, token

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


class Answers(Artifacts):
    """Every field that wandb's clients ask for."""

    def _root(self, kind: str) -> Node:
        if kind == "mutation":
            changes = {name: getattr(self, f"_{name}") for name in MUTATIONS}
            return {**changes, "updateArtifactManifest": self._createArtifactManifest}
        return {
            "viewer": self._user(),
            "serverInfo": {
                "cliVersionInfo": {"min_cli_version": "0.10.0", "max_cli_version": "99.0.0"},
                "latestLocalVersionInfo": None,
                "features": [{"name": name, "isEnabled": True} for name in sorted(self.features)],
            },
            "entity": lambda name=None: {"id": token("Entity", name), "name": name, "organization": None},
            "project": self._project,
            "model": self._project,
            "models": lambda entityName=None, first=50, after=None: self._page(
                sorted(p for p in self.projects if p[0] == (entityName or self.entity)), first, after,
                lambda key: self._project(key[1], key[0]) or {},
            ),
            "artifact": lambda id: self._artifact(self.artifacts.get(id)),
            "clientIDMapping": lambda clientID: next(
                ({"serverID": a.id} for a in self.artifacts.values() if a.client_id == clientID), None
            ),
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
            return self._page(
                [s for s in self.sweeps.values() if (s.entity, s.project) == (entity, name)], first, after, self._sweep
            )

        def run(name: str, project: str = name, **_: Any) -> Node | None:
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
            "runs": lambda filters=None, first=50, after=None, order=None: self._page(
                ordered(runs(filters), order), first, after, self._run
            ),
            **{"run": run, "bucket": run},
            "totalSweeps": lambda: len([s for s in self.sweeps.values() if (s.entity, s.project) == (entity, name)]),
            "sweeps": sweeps,
            "sweep": lambda sweepName: self._sweep(self.sweeps.get(sweepName)),
            "artifact": lambda name, **_: self._artifact(artifact(name)),
            "artifactType": lambda name: {"artifact": lambda name, **_: self._artifact(artifact(name))},
            "artifactCollection": partial(self._collection, entity, name),
            "artifactCollectionMembership": lambda name: self._membership(artifact(name)),
        }  # fmt: skip

    def _run(self, run: CloudRun) -> Node:
        def line(text: str) -> str:
            if not (self.flat or (self.nan_as_text and ("NaN" in text or "Infinity" in text))):
                return text
            row = dotted(json.loads(text)) if self.flat else json.loads(text)
            return json.dumps(plain(row) if self.nan_as_text else row)

        def history(samples: int | None = None, minStep: int | None = None, maxStep: int | None = None) -> list[str]:
            self._readable(run)
            return [line(one) for one in sample(run.between(minStep, maxStep), samples)][: self.page_rows]

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
            live = [{"_step": step} for step in run.steps if step > run.exported][:1] if self.live_data else []
            return {"parquetUrls": [self._signed(*key.split("/")) for key in run.parquet], "liveData": live}

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
            **{"historyKeys": lambda: self._keys(run), "history": history, "sampledHistory": sampled, "parquetHistory": parquet},
            "events": lambda samples=None: sample(run.events, samples),
            "logLines": lambda first=None, last=None, after=None, **_: self._log_lines(run, first, last, after),
            "fileCount": lambda: len(run.files),
            "files": lambda first=None, after=None, names=None, pattern=None: self._files(run, first, after, names, pattern),
            "outputArtifacts": lambda first=None, after=None, **_: self._page(
                [a for a in run.logged if a.state == "COMMITTED"], first, after, self._artifact
            ),
            "inputArtifacts": lambda first=None, after=None, **_: self._page(run.used, first, after, self._artifact),
        }  # fmt: skip

    def _keys(self, run: CloudRun) -> Node | None:
        known = None if self.null_history_keys else run.history_keys()
        return known | {"keys": known["keys"] | run.system_keys()} if known and self.system_keys else known

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
                **{"__typename": "File", "id": token("File", *place), "name": name},
                "updatedAt": stamp(found.updated if found else time.time()),
                **{
                    "sizeBytes": len(found.data) if found else 0,
                    "md5": found.md5 if found and not found.no_md5 else "0",
                },
                "mimetype": mimetypes.guess_type(name)[0] or "",
                "url": lambda upload=False: self._signed("runs", *place) if upload else self._at("files", *place),
                "directUrl": lambda: self._signed("runs", *place),
            }

        return {"uploadHeaders": [], **self._page(listed, first, after, node)}

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
        return self._page(lines[-last:] if last else lines, None if last else first, after, node)

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
        return {"bucket": self._run(run), "inserted": inserted, "serverSettings": {"serverMessages": []}}

    def _createRunFiles(self, input: Node) -> Node:
        place = (input["entityName"], input["projectName"], input["runName"])
        run = self.runs.get(place) or abort(404, f"run {input['runName']} not found")
        files = [{"name": name, "uploadUrl": self._signed("runs", *place, name)} for name in input["files"]]
        return {"runID": run.storage_id, "uploadHeaders": [], "files": files}

    def _notifyScriptableRunAlert(self, input: Node) -> Node:
        self.alerts.append(input)
        return {"success": True}

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
            "runs": lambda first=None, after=None, **_: self._page(runs, first, after, self._run),
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
