"""The SwanLab run's config: wandb's config, and under `wandb_run` what SwanLab has no other place for."""

from __future__ import annotations

import logging
import math
import re
from pathlib import Path as FilePath
from typing import Any

import yaml

from ..atomic_file import write_whole
from ..stream import nested
from ..stream.config import apply
from ..stream.events import ConfigChanged, Path, RunChanged, RunStarted, SummaryChanged, Tree
from ..stream.steps import INTERNAL
from ..stream.values import classified, items
from ..yaml_file import dump_yaml, load_yaml
from . import limits
from .sdk.session import Session

log = logging.getLogger("wandb_swan")

FIELDS = ("name", "notes", "tags", "group", "job_type")
"""What SwanLab takes at a run's start only, and in its own length."""


_OF_SUMMARY = re.compile(r"_summary_[0-9a-f]{20}\.")


class RunConfig:
    """What is to be in the config. `write` brings it there, if anything has changed."""

    def __init__(self, started: RunStarted) -> None:
        self._started = started
        self._config: Tree = {}
        self._summary: Tree = {}
        self._changed = True
        self.written: dict[str, Any] = {}
        """What `write` brought into SwanLab's config last."""
        self._metadata: dict[str, Any] = {
            "id": started.run_id,
            "project": started.project,
            "entity": started.entity,
            "host": started.host,
            "started_at": started.started_at or None,
            "sweep_id": started.sweep_id,
            "forked_from": started.forked_from,
        }
        taken = limits.described(started)
        if taken["group"] != limits.name(started.group):
            taken["group"] = None  # the sweep's
        taken |= {"notes": taken["description"], "tags": tuple(taken["tags"])}
        self._metadata |= {
            field: value for field in FIELDS if (value := getattr(started, field)) != (taken[field] or type(value)())
        }

    def add_metadata(self, **metadata: Any) -> None:
        """Adds facts of the run to the reserved key `wandb_run`."""
        self._metadata.update(metadata)
        self._changed = True

    def run_changed(self, now: RunChanged) -> None:
        """Keeps what SwanLab cannot change any more."""
        for field in FIELDS:
            value = getattr(now, field)
            if value != getattr(self._started, field) or field in self._metadata:
                self.add_metadata(**{field: value})

    def change(self, event: ConfigChanged) -> None:
        apply(self._config, event)
        self._changed = True

    def summarise(self, event: SummaryChanged) -> None:
        if event.whole:
            self._summary = {}
        apply(self._summary, event)

    def add_summary(self, last: dict[Path, Any]) -> None:
        """Tells the summary without the values that are just a metric's last one, which `last` holds.

        Media are one value, whatever wandb's summary has of them: their fields one by one, with the smallest and the
        largest of each where `define_metric("*", summary=)` says so (of a plain list as a whole, under `last`), and the
        caption of an earlier step.
        """
        kept: Tree = {}
        for path, value, _, _, media in classified(self._summary):
            at = path[:-1] if media and path[-1] == "last" and path not in last else path
            came = at in last and (nested.alike(last[at], value) or (media and items(last[at]) and not _by_hand(value)))
            if not came and path[0] not in INTERNAL:
                nested.merge(kept, path, value)
        self.add_metadata(summary=kept)

    def write(self, session: Session, *, own: bool) -> int:
        """Brings it into the SwanLab run's config; keys that are not ours go, where the run is our `own`.

        Returns how many values SwanLab has otherwise.
        """
        if not self._changed:
            return 0
        self._changed = False
        ours = "wandb_run" if "wandb_run" not in self._config else "wandb_run_"
        metadata = {key: value for key, value in self._metadata.items() if value not in ("", None, [], {})}
        self.written = whole = _plain({**self._config, ours: metadata})
        return session.write_config(whole, own=own)


def _by_hand(media: Any) -> bool:
    """Whether media were set in the summary: wandb names their files `<key>_summary_<hash>`, with a step in rows."""
    return _OF_SUMMARY.search(nested.spelled(media)) is not None


def amend_metadata(run_dir: FilePath, **metadata: Any) -> None:
    """Adds to `wandb_run` in the config of a SwanLab run folder that is closed. Never raises: it is a help."""
    path = run_dir / "files" / "config.yaml"
    try:
        config = load_yaml(path.read_text("utf-8"))
        entry = config.get("wandb_run_") or config["wandb_run"]
        entry["value"] |= metadata
        write_whole(path, dump_yaml(config))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        log.warning("%s does not say %s: %s", run_dir, metadata, error)


def _plain(value: Any) -> Any:
    """A JSON value that comes back from SwanLab's config as it is."""
    if isinstance(value, str):
        return limits.config_text(value)
    if isinstance(value, float) and not math.isfinite(value):  # SwanLab's config says "Inf" of both infinities
        return "NaN" if math.isnan(value) else "Inf" if value > 0 else "-Inf"
    if isinstance(value, dict):
        return {limits.config_text(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
