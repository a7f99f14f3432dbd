"""Where a SwanLab run is made: what our settings leave open, SwanLab's own settings decide."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Any

import swanlab
from pydantic import BaseModel, ConfigDict

from ..defaults import FINISH_TIMEOUT, RecordingMode


def patience_within(finish_timeout: float) -> float:
    """Seconds without progress after which a mirror gives up, so that `finish()`, which waits so long, hears of it."""
    return max(1.0, 0.8 * finish_timeout)


class Target(BaseModel):
    """Where and how the SwanLab run is made. `mode` is already decided."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: RecordingMode
    log_dir: FilePath
    project: str | None = None
    workspace: str | None = None
    files: FilePath | None = None
    """The wandb run's files folder: media and saved files are read there."""
    placed: Callable[[str], FilePath | None] | None = None
    """Where a path of the training's machine is found from here: of links in that folder."""
    plotly_inline: bool = False
    keep_original: bool = False
    patience: float = patience_within(FINISH_TIMEOUT)
    """Seconds without any progress after which an online run that has ended is no longer waited for."""
    monitor: bool = True
    """Whether SwanLab watches the machine: yes for a live run."""
    past: bool = False
    """A run of the past: its system metrics become scalars, and it has its own times and folder name."""
    run_dir: str | None = None
    """The name of the run folder in the log directory. None: SwanLab names it."""


def logged_in() -> bool:
    """Whether SwanLab credentials are found, wherever SwanLab looks for them."""
    return bool(swanlab.Settings().api_key)


def obstacle(mode: str) -> str | None:
    """What keeps SwanLab from recording in a mode, and what to type; None if nothing is seen to."""
    if mode == "local" and importlib.util.find_spec("swanboard") is None:
        return 'mode local needs SwanLab\'s dashboard: type `pip install "swanlab[dashboard]"`'
    if mode == "online" and not logged_in():
        return "no SwanLab login: type `swanlab login`, or use mode offline"
    return None


def resolve(
    *, mode: str | None, project: str | None, workspace: str | None
) -> tuple[Any, bool, str | None, str | None]:
    """Mode, whether it is offline for want of credentials, project and workspace: ours, else SwanLab's own settings."""
    theirs = swanlab.Settings()
    no_credentials = False
    if mode is None and "mode" in theirs.model_fields_set:
        mode = theirs.mode
    if mode is None:
        no_credentials = not theirs.api_key
        mode = "offline" if no_credentials else "online"
    return (
        mode,
        no_credentials,
        project or theirs.project.name,
        workspace or theirs.project.workspace,
    )
