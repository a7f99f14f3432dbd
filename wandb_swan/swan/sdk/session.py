"""One SwanLab run and its inside: where its core is, and what stands around it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from . import capabilities
from .capabilities import found


class Session:
    """A SwanLab run, its core (`swanlab/sdk/protocol/core.py`) and what stands around the core."""

    def __init__(self, run: Any) -> None:
        """`run` is what `swanlab.init` returns."""
        self.run = run
        self.context: Any = getattr(run, "_ctx", None)
        self.core: Any = getattr(self.context, "core", None)
        self.callbacks: Any = getattr(self.context, "callbacker", None)
        """Tell the local dashboard of what was written."""
        self._watcher = getattr(self.core, "_watcher", None)

    def release_watcher(self) -> None:
        """After the end of the run, gives back the inotify instance of SwanLab's file watcher.

        SwanLab 0.10 keeps it if no file was watched. The kernel has 128 of them for a user; a process that writes many
        runs would use them up.
        """
        observer = getattr(self._watcher, "_observer", None)
        if observer is not None and not observer.is_alive():
            with suppress(Exception):
                observer.stop()

    def write_config(self, whole: dict[str, Any], *, own: bool) -> int:
        """Brings `whole` into the run's config; keys that are not in it go, where the run is our `own`.

        Returns how many values are None and stored as empty dicts.
        """
        config = self.run.config
        if own:
            for key in [key for key in config if key not in whole]:
                del config[key]
        config.update(whole)
        empty = [key for key, value in whole.items() if value is None]
        if not empty:
            return 0
        stored = config.__dict__.get("_config")
        if not isinstance(stored, dict):  # SwanLab 0.10 turns a None into {} on its way in
            found.lack(capabilities.EMPTY_CONFIG_VALUES, why="SwanLab's config has another form")
            return len(empty)
        stored.update(dict.fromkeys(empty))
        config.update({})
        return 0
