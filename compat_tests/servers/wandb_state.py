"""What the loopback W&B holds, and what a test puts into it and asks of it."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from werkzeug.exceptions import abort

from .wandb_behaviour import Behaviour
from .wandb_exports import Form, parquet
from .wandb_log import LoggedRun
from .wandb_runs import CloudArtifact, CloudFile, CloudRun, CloudSweep, Node, token

FEATURES = {
    *("LARGE_FILENAMES", "ARTIFACT_TAGS", "CLIENT_IDS", "STRUCTURED_CONSOLE_LOGS", "FILESTREAM_GZIP"),
    *("PROJECT_ARTIFACT_COLLECTION_MEMBERSHIP", "TOTAL_COUNT_IN_FILE_CONNECTION", "SWEEPS_QUERY_FILTERING"),
    "USE_ARTIFACT_WITH_ENTITY_AND_PROJECT_INFORMATION",
}


class State(Behaviour):
    """The projects, runs, sweeps and artifacts, and the way to them for a test."""

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

    def add_artifact_files(self, artifact: CloudArtifact, files: dict[str, bytes], **entries: Node) -> None:
        """Puts files into an artifact that the test made up, under any path; `entries` are more of its manifest."""
        contents: dict[str, Node] = {}
        for path, data in files.items():
            contents[path] = {"digest": base64.b64encode(hashlib.md5(data).digest()).decode(), "size": len(data)}
            self.stored[f"artifacts/{artifact.id}/files/{path}"] = data
        layout = {"version": 1, "storagePolicy": "wandb-storage-policy-v1", "storagePolicyConfig": {}}
        artifact.manifest = {**layout, "contents": {**contents, **entries}}
        self.stored[f"artifacts/{artifact.id}/m"] = json.dumps(artifact.manifest).encode()

    def poison(self, run_id: str) -> None:
        """From now on whoever asks for the history of this run gets a 500."""
        self.poisoned.add(run_id)

    def forbid(self, project: str, entity: str | None = None) -> None:
        """From now on whatever is asked of this project is a 403."""
        self.forbidden.add((entity or self.entity, project))

    def lose_manifest(self, artifact: CloudArtifact) -> None:
        """From now on the address that W&B gives of this artifact's manifest is a 404, as of one that was deleted.

        Assumption: W&B names the manifest of an artifact also when its file is gone.
        """
        self.stored.pop(f"artifacts/{artifact.id}/m", None)

    def export(
        self, run_id: str, last_step: int | None = None, files: int = 1, *, form: Form = "structs", doubles: bool = True
    ) -> None:
        """Write the history up to `last_step` to parquet files, as W&B does some time after it came in (the client
        reads them from 0.27 on). form: how what is no scalar is written, see `wandb_exports`."""
        run = self.run(run_id)
        rows = [row for row in run.rows() if last_step is None or row["_step"] <= last_step]
        run.exported = max((row["_step"] for row in rows), default=-1)
        run.parquet, size = [], -(-len(rows) // files) or 1
        for i in range(0, len(rows), size):
            run.parquet.append(f"parquet/{run.entity}/{run.project}/{run.id}/{i}")
            self.stored[run.parquet[-1]] = parquet(rows[i : i + size], form, doubles=doubles)

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

    def _allow(self, entity: str, project: str) -> None:
        if (entity, project) in self.forbidden:
            abort(403, f"permission denied to access {entity}/{project}")

    @staticmethod
    def _same(one: CloudArtifact, other: CloudArtifact) -> bool:
        return (one.entity, one.project, one.name) == (other.entity, other.project, other.name)

    def _commit(self, artifact: CloudArtifact) -> None:
        artifact.state = "COMMITTED"
        artifact.aliases = list(dict.fromkeys([*artifact.aliases, "latest"]))
        for other in self.artifacts.values():
            if other is not artifact and self._same(other, artifact):
                other.aliases = [alias for alias in other.aliases if alias not in artifact.aliases]
