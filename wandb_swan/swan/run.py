"""One SwanLab run: how it is started, under which id, and how it ends."""

from __future__ import annotations

import logging
import shutil
from contextlib import suppress
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

import swanlab

from ..exceptions import ExperimentEnded, WandbSwanError
from ..stream.events import RunChanged, RunStarted
from ..stream.state import State
from . import limits
from .sdk import capabilities, dashboard, quick_config, whole_settings
from .sdk.capabilities import Capability, found
from .sdk.description import rewrite, show_in_dashboard, update_experiment
from .sdk.presence import Presence
from .sdk.session import Session
from .sdk.survey import survey
from .target import Target

if TYPE_CHECKING:
    from .sdk.uploads import Uploads

log = logging.getLogger("wandb_swan")

_CONTINUATIONS = 20
"""How often SwanLab's server may have ended experiments of one run."""


class SwanLabRun:
    """The SwanLab run that one wandb run is written into."""

    def __init__(self, target: Target, run: Any = None) -> None:
        """`run` is a SwanLab run of the user's: its name, project and end are the user's."""
        self._target = target
        self._run: Any = run
        self.own = run is None
        self.session: Session
        self.uploads: Uploads | None = None
        """What an online run still has to send."""
        self.continues: str | None = None
        """The URL of the experiment that SwanLab's server had ended, in whose place this one is."""
        self._described: dict[str, Any] = {}
        """What SwanLab calls name, description, tags, group and job type of the run."""
        self._changed = False
        """Whether SwanLab has others."""

    @property
    def dir(self) -> str | None:
        """The absolute path of the run folder; None before the run is open."""
        return str(FilePath(self._run.dir).absolute()) if self._run is not None else None

    @property
    def url(self) -> str | None:
        return self._run.url if self._run is not None and self._target.mode == "online" else None

    @property
    def place(self) -> str | None:
        """workspace/project/id of the experiment in SwanLab's cloud; None where it is not there, or cannot be told."""
        return self.uploads.place if self.uploads is not None else None

    @property
    def handle(self) -> Any:
        """What `swanlab.init` returned."""
        return self._run

    def open(self, started: RunStarted) -> None:
        """Starts the SwanLab run. Raises what `swanlab.init` raises: no key, no server, a wrong workspace."""
        if not self.own:
            self.session = Session(self._run)
            survey(self.session)
            dashboard.mend(self.session)
            return
        before = self._folders(started)
        try:
            self._open(started)
        except BaseException:
            self.abandon()
            for folder in self._folders(started) - before:
                shutil.rmtree(folder, ignore_errors=True)  # what SwanLab left behind holds nothing
            raise

    def _folders(self, started: RunStarted) -> set[FilePath]:
        """Those that may be of the run."""
        log_dir, run_dir = self._target.log_dir, self._target.run_dir
        if run_dir:  # the others may be many
            return {log_dir / run_dir} if (log_dir / run_dir).exists() else set()
        ours = limits.run_id(started.run_id).replace("-", "_")
        return {folder for folder in log_dir.glob("run-*") if folder.name.split("-", 2)[-1] == ours}

    def _open(self, started: RunStarted) -> None:
        target = self._target
        whole_settings.read_once()
        quick_config.install()
        settings = whole_settings.only(
            interactive=False,
            terminal=swanlab.Settings.Terminal(proxy_type="none"),
            **({} if target.monitor else {"probe": _no_probe()}),
            **({"run": swanlab.Settings.Run(dir=target.run_dir)} if target.run_dir else {}),
        )
        ended: list[tuple[Presence, str]] = []
        while True:
            self._run = self._init(started, settings, ended)
            self.session = Session(self._run)
            survey(self.session)
            dashboard.mend(self.session)
            if target.mode != "online":
                break
            from .sdk.uploads import Uploads

            self.uploads = Uploads(self.session, target.patience)
            presence = self.uploads.presence
            if presence is None or presence.runs():
                break
            ended.append((presence, str(self._run.url)))
            self.abandon()
            if target.run_dir:  # what is in it, the next one has
                shutil.rmtree(target.log_dir / target.run_dir, ignore_errors=True)
        for presence, _ in ended:
            presence.link(continued_in=str(self._run.url))
        if ended:
            self.continues = ended[-1][1]
            log.warning("%s was ended by SwanLab's server: the run goes on in %s", self.continues, self._run.url)

    def _init(self, started: RunStarted, settings: Any, ended: list[tuple[Presence, str]]) -> Any:
        target, run_id, notes = self._target, limits.run_id(started.run_id), started.notes
        if len(ended) > _CONTINUATIONS:
            raise WandbSwanError(f"SwanLab's server does not let {run_id} run")
        if ended:
            run_id = limits.run_id(f"{started.run_id}-continued-{len(ended)}")
            notes = f"Goes on from {ended[-1][1]}, which SwanLab had ended. {notes}"
        described = limits.described(started)
        described["name"] = described["name"] or limits.name(started.run_id)
        if ended:
            described["description"] = limits.description(notes)
        self._described = described
        return swanlab.init(
            mode=target.mode,
            log_dir=str(target.log_dir),
            project=limits.project(target.project or started.project),
            workspace=limits.workspace(target.workspace) if target.workspace else None,
            id=run_id,
            resume="allow" if target.mode == "online" else None,
            **{name: value or None for name, value in described.items()},
            settings=settings,
        )

    def missing(self) -> list[Capability]:
        """The capabilities that a run of this kind needs and does not have, whose cost no value of its own counts."""
        needed = [capabilities.READ_BACK]
        if self.own and not self._target.past:
            needed.append(capabilities.TRAINER_METADATA)
        if self.own and self._target.past:
            needed.append(capabilities.RUN_TIMES)
        if self._target.mode == "local":
            needed.append(capabilities.LOCAL_DASHBOARD)
        if self._target.mode == "online":
            needed += [capabilities.KEPT_BATCHES, capabilities.EXPERIMENT_STATE, capabilities.CONTINUATION]
            needed.remove(capabilities.READ_BACK)
        return [capability for capability in needed if not found.has(capability)]

    def describe(self, now: RunChanged) -> None:
        """Name, description, tags, group and job type, as they are now. An online run gets them by `tell_server`, any
        other has them when it is finished.
        """
        if not self.own:
            return
        described = limits.described(now)
        for field in ("name", "group"):  # the id and the sweep, where the user gave none
            described[field] = described[field] or self._described[field]
        if described == self._described:
            return
        self._described = described
        self._changed = True

    def tell_server(self) -> None:
        """Tells SwanLab's server what has changed of them. Raises whatever it, or SwanLab's client, says no with."""
        if self.uploads is not None and self._changed:
            self._changed = False
            update_experiment(self.session, self._described)

    def finish(self, state: State, reason: str | None, *, error_line: bool) -> None:
        """Ends the SwanLab run. `error_line`: whether the run's error is to be sent as a console line."""
        if self.uploads is not None and not error_line:
            self.uploads.without_error_line()
        self._run.finish(state=state, error=reason or ("unknown" if state != "success" else None))
        self.session.release_watcher()
        if self._changed and self.uploads is None:
            self._write_described(FilePath(self._run.dir))

    def _write_described(self, run_dir: FilePath) -> None:
        try:
            rewrite(run_dir, self._described)
            if self._target.mode == "local":
                show_in_dashboard(run_dir, self._described)
        except Exception as error:  # `wandb_run` in the config has them
            log.warning("%s keeps the name it was started with: %s: %s", run_dir, type(error).__name__, error)

    def raise_if_broken(self) -> None:
        """Raises ExperimentEnded or WandbSwanError where this process cannot bring the run to its end."""
        if self.uploads is None or self.uploads.broken is None:
            return
        ended = self.uploads.presence is not None and self.uploads.presence.ended
        raise (ExperimentEnded if ended else WandbSwanError)(self.uploads.broken)

    def abandon(self) -> None:
        """Lets go of an experiment that SwanLab's server has ended."""
        if self.uploads is not None:
            self.uploads.abandon()
        with suppress(Exception):
            self._run.finish()


def _no_probe() -> Any:
    return swanlab.Settings.Probe(
        hardware=False, runtime=False, requirements=False, conda=False, git=False, swanlab=True, monitor=False
    )
