"""Whether an experiment in SwanLab's cloud still runs, and the heartbeats that keep it running.

SwanLab ends an experiment that gave no sign of life for about 30 minutes, does not run it again by itself, and shows
nothing that comes later (its issues 1255, 1304 and 1335). SwanLab 0.10 sends a heartbeat every 10 minutes, none sooner
after one that failed, and goes on uploading into an experiment that was ended.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from typing import Any

import requests

from .batches import ask, log_in_again

log = logging.getLogger("wandb_swan")

BEAT, RETRY = 120.0, 10.0
"""Seconds between two heartbeats, and after one that failed."""
SILENCE = 60.0
"""Seconds without an answer after which the experiment's state is asked for before anything is sent."""


class Presence:
    """Keeps one online experiment alive. Stands in for SwanLab's `Heartbeat`: `stop()` ends it."""

    def __init__(self, core: Any) -> None:
        """Raises AttributeError or ImportError where the installed SwanLab is another."""
        from swanlab.sdk.internal.core_python.api.experiment import send_experiment_heartbeat

        context = core._ctx
        self._beat = send_experiment_heartbeat
        self._id = context.experiment_id
        self._path = f"/project/{context.username}/{context.project}/runs/{context.experiment_id}"
        self.ended: str | None = None
        """The state in which SwanLab's server has put the experiment, None: it runs."""
        self.heard = time.time()
        """When the server last answered, seconds since the epoch: a machine that sleeps stops other clocks."""
        self._over = threading.Event()
        theirs = core._heartbeat
        theirs._timer.cancel()
        core._heartbeat = self
        threading.Thread(target=self._keep_alive, name="wandb_swan heartbeat", daemon=True).start()

    def stop(self) -> None:
        self._over.set()

    def runs(self) -> bool:
        """Whether the server lets the experiment run; True where it does not say.

        Raises:
            requests.RequestException: the server cannot be asked now.
        """
        try:
            experiment = self._get()
        except requests.RequestException as error:
            status = getattr(error.response, "status_code", None)
            if status == 401:
                log_in_again()
            if status is None or status >= 500 or status in (401, 429):
                raise
            return True
        self.heard = time.time()
        state = experiment.get("state")
        if state not in (None, "", "RUNNING") and self.ended is None and not self._over.is_set():
            self.ended = str(state)
            log.warning("SwanLab's server has ended the experiment: it is %s", state)
        return self.ended is None

    def may_send(self) -> bool:
        """Whether records can go to the server now: after a silence the experiment may have been ended.

        Raises:
            requests.RequestException: the server cannot be asked now.
        """
        if self.ended is None and abs(time.time() - self.heard) < SILENCE:
            return True
        return self.runs()

    def link(self, **metadata: Any) -> None:
        """Adds to `wandb_run` in the experiment's config in the cloud; a failure is logged."""
        from swanlab.sdk.internal.core_python.api.upload import upload_config

        try:
            config = dict((self._get().get("profile") or {}).get("config") or {})
            ours = "wandb_run_" if "wandb_run_" in config else "wandb_run"
            entry = dict(config.get(ours) or {"sort": len(config), "desc": ""})
            entry["value"] = {**(entry.get("value") or {}), **metadata}
            user, project, experiment = self._path.split("/")[2], self._path.split("/")[3], self._id
            upload_config(user, project, experiment, content={**config, ours: entry})
        except Exception as error:
            log.warning("the experiment's config does not say %s: %s", metadata, error)

    def _get(self) -> dict[str, Any]:
        experiment = ask(self._path)
        return experiment if isinstance(experiment, dict) else {}

    def _keep_alive(self) -> None:
        pause = BEAT
        while not self._over.wait(pause):
            pause = RETRY
            with suppress(Exception):
                if not self.runs():
                    return
                self._beat(experiment_id=self._id)
                pause = BEAT
