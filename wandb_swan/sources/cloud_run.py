"""One run in W&B's cloud (or a self-hosted W&B), as events read through `wandb.Api`."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from pathlib import Path as FilePath
from typing import Any

from ..stream.config import own_events, own_part, without_own
from ..stream.events import (
    Artifact,
    ConfigChanged,
    Event,
    FileSaved,
    MetricDefined,
    NotRead,
    Path,
    RunFinished,
    RunStarted,
    SummaryChanged,
    SystemStats,
    Tree,
)
from .cloud_client import api, asked, every_page, run_at, server
from .cloud_files import RunFiles
from .cloud_history import CloudHistory
from .cloud_rows import spells_specials
from .downloads import Downloads, seconds
from .selection import Options

SYSTEM_SAMPLES = 100_000
_EXITS = {
    "finished": RunFinished(exit_code=0),
    "failed": RunFinished(exit_code=1, reason="W&B says: failed"),
    "crashed": RunFinished(exit_code=1, reason="W&B says: crashed"),
    "killed": RunFinished(exit_code=255, reason="W&B says: killed", interrupted=True),
}


class CloudRun:
    """One run of W&B's cloud. Nothing is sampled, but for the system metrics where W&B has more than 100,000."""

    def __init__(self, path: str, options: Options | None = None) -> None:
        """`path` is `entity/project/run id`."""
        self._path = path
        self._options = options or Options()
        self.run_id = path.rsplit("/", maxsplit=1)[-1]
        self.notices: list[str] = []
        self.short: list[str] = []
        self.finished_at = 0.0
        self.goes_on = False
        self.on_folder: Callable[[FilePath], None] = lambda folder: None
        self.on_answer: Callable[[str, Any], None] = lambda kind, answer: None
        """Told what W&B answers before anything is made of it: `attributes`, `run` (wandb's object), `file` (wandb's
        object, of every file that is brought but media), `folder` (of the files), `row` or, if it may be from an
        export, `exported`, `sample`, `artifact` (wandb's object, and whether it was used)."""

    @cached_property
    def _run(self) -> Any:
        return asked(f"read the run {self._path}", lambda: _whole(run_at(self._path)))

    @property
    def metadata(self) -> dict[str, Any]:
        """Facts for the config key `wandb_run`."""
        return {"url": self._run.url, "state": self._run.state}

    def events(self) -> Iterator[Event]:
        """Everything that W&B has of the run: first the RunStarted, last the RunFinished.

        Raises:
            WandbSwanError: W&B says no, or not after several tries.
        """
        run = self._run
        attributes = run._attrs
        self.on_answer("attributes", attributes)
        self.on_answer("run", run)
        yield RunStarted(
            run_id=run.id,
            project=run.project,
            entity=run.entity,
            name=run.name or "",
            notes=attributes.get("notes") or attributes.get("description") or "",
            tags=tuple(run.tags or ()),
            group=attributes.get("group") or "",
            job_type=attributes.get("jobType") or "",
            sweep_id=attributes.get("sweepName") or "",
            host=attributes.get("host") or "",
            started_at=seconds(attributes.get("createdAt")),
        )
        summary = _summary(run)
        files, saved = self._files(run, summary)
        yield ConfigChanged(update=_settings(run.config))
        own = own_part(run.rawconfig or {})
        yield from own_events(own)
        yield from _metrics(own.get("m"))
        history = CloudHistory(
            run,
            self._path,
            summary,
            files.written_summary(),
            on_row=lambda row, exported: self.on_answer("exported" if exported else "row", row),
        )
        for row in history.rows():
            self.finished_at = max(self.finished_at, row.timestamp)
            yield row
        self.notices += history.notices
        self.short += history.short
        yield from self._system(run)
        yield from files.console(seconds(attributes.get("createdAt")))
        yield from saved
        yield from self._artifacts(run)
        yield SummaryChanged(update=_settings(summary))
        self.finished_at = max(self.finished_at, seconds(attributes.get("heartbeatAt")))
        yield self._finished(run.state)

    def _finished(self, state: str) -> RunFinished:
        if state in _EXITS:
            return _EXITS[state]
        self.goes_on = True
        self.notices.append(f"the run was {state} when it was converted: type the same command again when it has ended")
        return RunFinished(exit_code=255, reason=f"W&B says: {state}", interrupted=True)

    def _system(self, run: Any) -> Iterator[SystemStats]:
        if not self._options.system:
            return
        samples = asked(
            f"read the system metrics of {self._path}",
            lambda: run.history(stream="system", samples=SYSTEM_SAMPLES, pandas=False),
        )
        if len(samples) >= SYSTEM_SAMPLES:
            self.notices.append(f"system metrics: W&B gives at most {SYSTEM_SAMPLES} samples")
        for sample in samples:
            self.on_answer("sample", sample)
            values = {
                key.removeprefix("system."): value
                for key, value in sample.items()
                if key.startswith("system.") and value is not None
            }
            stamp = sample.get("_timestamp")
            seconds = float(stamp) if isinstance(stamp, int | float) else 0.0
            yield SystemStats(timestamp=seconds, values=values)

    def _files(self, run: Any, summary: Tree) -> tuple[RunFiles, list[FileSaved | NotRead]]:
        """Brings the files here; the events of those that are the user's."""
        options = self._options
        # The digest tells apart what is spelled alike as a folder, and the same path on two servers.
        digest = hashlib.sha256("\0".join((server(), run.entity, run.project, run.id)).encode()).hexdigest()[:16]
        folder = Downloads(options.cache / f"{_safe(run.id)}-{digest}", api().settings, api(), run.file)
        listed = asked(f"list the files of {self._path}", partial(every_page, run.files, per_page=200))
        files = RunFiles(folder, options, summary=spells_specials(summary))
        saved = files.fetch(listed, partial(self.on_answer, "file"))
        self.short += files.short
        self.on_folder(folder.root)
        self.on_answer("folder", folder.root)
        return files, saved

    def _artifacts(self, run: Any) -> Iterator[Artifact]:
        for used, listing in ((False, run.logged_artifacts), (True, run.used_artifacts)):
            for item in asked(f"list the artifacts of {self._path}", partial(every_page, listing)):
                self.on_answer("artifact", (item, used))
                yield Artifact(
                    name=item.name,
                    type=item.type,
                    aliases=tuple(item.aliases or ()),
                    digest=item.digest or "",
                    description=item.description or "",
                    size=None if item.size is None else int(item.size),
                    used=used,
                )


def _whole(run: Any) -> Any:
    """A run with its config and summary: newer clients fetch them late."""
    if getattr(run, "_lazy", False):
        run.load_full_data()
    return run


def _summary(run: Any) -> Tree:
    """The summary as plain JSON."""
    text = run._attrs.get("summaryMetrics")
    summary = json.loads(text) if isinstance(text, str) else text
    return dict(summary) if isinstance(summary, dict) else {}


def _settings(tree: Tree) -> tuple[tuple[Path, Any], ...]:
    """Every top-level value that is the user's, with its path."""
    return tuple(((key,), value) for key, value in without_own(tree).items())


def _metrics(definitions: Any) -> Iterator[MetricDefined]:
    """`define_metric` calls: MetricRecords whose fields have their protobuf numbers as names."""
    records = [item for item in definitions if isinstance(item, dict)] if isinstance(definitions, list) else []
    names = [str(item.get("1") or item.get("2") or "") for item in records]
    for item, name in zip(records, names, strict=True):
        place = item.get("5")
        axis = item.get("4") or (names[place - 1] if isinstance(place, int) and 0 < place <= len(names) else "")
        options = item.get("6")
        hidden = 2 in options if isinstance(options, list) else bool((options or {}).get("2"))
        if name:
            yield MetricDefined(name=name, step_metric=str(axis), hidden=hidden)


def _safe(name: str) -> str:
    """A name from the server as the name of a folder."""
    return re.sub(r"[^\w\-]", "_", name)[:100] or "_"
