"""One run in W&B's cloud (or a self-hosted W&B), as events read through `wandb.Api`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property, partial
from pathlib import Path as FilePath
from typing import Any

from ..exceptions import WandbSwanError
from ..stream.events import Artifact, Event, NotRead, RunFinished, RunStarted, SummaryChanged, SystemStats
from ..stream.times import seconds
from .artifact_entries import told
from .cloud_artifacts import UNLISTED, CloudArtifacts, artifacts_of, read_manifest
from .cloud_client import ENDED, EXITS, asked, fingerprint, run_at
from .cloud_look import CloudLook, Place, described, settings
from .selection import Options

SYSTEM_SAMPLES = 100_000


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
        self.over = self.trouble = self.fingerprint = ""
        self.on_folder: Callable[[FilePath], None] = lambda folder: None
        self.manifests_of: frozenset[str] = frozenset()
        """Names of the artifacts of which `on_answer` is told what they hold, without their being brought."""
        self.on_answer: Callable[[str, Any], None] = lambda kind, answer: None
        """Told what W&B answers before anything is made of it: `attributes`, `run` (wandb's object), `file` (wandb's
        object, of every file that is brought but media), `folder` (of the files), `row` or, if it may be from an
        export, `exported`, `sample`, `artifact` (wandb's object, and whether it was used), `contents` (an artifact's
        name, digest, whether it was used, and its manifest, or why there is none)."""

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
        yield from self._started(self._run)
        look = self._look()
        yield from look.news()
        yield from self._ended(look)

    def growing(self) -> Iterator[Event | None]:
        """The same of a run that goes on: None says that this is all by now; then W&B is asked for what has come since.

        Raises:
            WandbSwanError: W&B says no at the first look; later ones are tried again, and `trouble` says why.
        """
        yield from self._started(self._run)
        look = self._look()
        while True:
            try:
                yield from look.news(more=look.run.state not in ENDED)
                if look.run.state in ENDED:
                    break
                self.trouble = ""
            except WandbSwanError as error:
                if look.is_first:
                    raise
                self.trouble = str(error)
            yield None
            try:
                look = look.again(asked(f"read the run {self._path}", lambda: _whole(run_at(self._path))))
            except WandbSwanError as error:
                self.trouble = str(error)
        yield from self._ended(look)

    def _look(self) -> CloudLook:
        return CloudLook(self._run, Place(self._path, self._options, self.on_answer, self.on_folder))

    def _started(self, run: Any) -> Iterator[Event]:
        attributes = run._attrs
        yield RunStarted(
            run_id=run.id,
            project=run.project,
            entity=run.entity,
            **described(run),
            sweep_id=attributes.get("sweepName") or "",
            host=attributes.get("host") or "",
            started_at=seconds(attributes.get("createdAt")),
        )

    def _ended(self, look: CloudLook) -> Iterator[Event]:
        """What is asked for once, when nothing more comes."""
        run = look.run
        self.fingerprint = fingerprint(run)
        self.notices += look.history.notices
        self.short += look.history.short + look.files.short
        yield from self._system(run)
        yield from look.rest()
        yield from self._artifacts(run)
        yield SummaryChanged(update=settings(look.summary))
        self.finished_at = max(look.last_time, seconds(run._attrs.get("heartbeatAt")))
        yield self._finished(run.state)

    def _finished(self, state: str) -> RunFinished:
        if state in EXITS:
            return EXITS[state]
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

    def _artifacts(self, run: Any) -> Iterator[Artifact | NotRead]:
        files = None
        if self._options.artifacts is not None:
            files = CloudArtifacts(self._options, partial(self.on_answer, "contents"))
        for used, listing in ((False, run.logged_artifacts), (True, run.used_artifacts)):
            items, whole = asked(f"list the artifacts of {self._path}", partial(artifacts_of, listing))
            if not whole:
                yield NotRead(path=("artifacts",), reason=UNLISTED)
            for item in items:
                self.on_answer("artifact", (item, used))
                artifact = Artifact(
                    name=item.name,
                    type=item.type,
                    aliases=tuple(item.aliases or ()),
                    digest=item.digest or "",
                    description=item.description or "",
                    size=None if item.size is None else int(item.size),
                    used=used,
                )
                if artifact.name in self.manifests_of:
                    self.on_answer("contents", (artifact.name, artifact.digest, used, _manifest(str(item.id))))
                yield from (artifact,) if files is None else files.of(artifact, item)
        if files is not None:
            self.notices += files.files.notices
            self.short += files.files.short


def _manifest(artifact_id: str) -> dict[str, Any] | str:
    """What an artifact holds, or why that cannot be read: it costs that artifact alone."""
    try:
        return read_manifest(artifact_id)
    except Exception as error:
        return f"its manifest cannot be read: {told(error)}"


def _whole(run: Any) -> Any:
    """A run with its config and summary: newer clients fetch them late."""
    if getattr(run, "_lazy", False):
        run.load_full_data()
    return run
