"""`swanlab.sync_wandb()`, SwanLab's own way to follow wandb: where wandb is tapped, it is ours."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from typing import Any

from .autoload import KEPT, PEER, take_over, when_imported

_SAYS_NOTHING = {"mode": "online", "wandb_run": True}
"""Its defaults: whether they were given cannot be told."""


def follow() -> dict[str, Any] | None:
    """Takes SwanLab's function over, now or when it is imported; what it has done to wandb already is undone.

    Returns the arguments that it was given then; None: it was not called.
    """
    module = sys.modules.get(PEER)
    if module is not None:
        take_over(module)
        return _undo()
    if not any(map(_awaits, sys.meta_path)):
        when_imported(PEER, take_over)
    return None


def leave() -> None:
    """SwanLab's function does what it did."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not _awaits(finder)]
    theirs: Any = getattr(sys.modules.get(PEER), "sync_wandb", None)
    if hasattr(theirs, KEPT):
        theirs.__code__, theirs.__defaults__ = getattr(theirs, KEPT)
        delattr(theirs, KEPT)


def _awaits(finder: object) -> bool:
    """Whether a finder is ours, this module's or that of the `.pth` file."""
    return type(finder).__name__ == "AwaitedImport" and getattr(finder, "name", "") == PEER


def _undo() -> dict[str, Any] | None:
    import wandb

    given: dict[str, Any] | None = None
    for owner, name, original in _patched(wandb):
        while getattr(patch := inspect.getattr_static(owner, name), "__module__", None) == PEER:
            held = inspect.getclosurevars(patch).nonlocals
            if name == "init":
                given = {switch: held.get(switch) for switch in ("mode", "wandb_run", "workspace", "log_dir")}
            setattr(owner, name, held[original])
    if wandb.run is not None and getattr(getattr(wandb.log, "__func__", None), "__module__", None) == PEER:
        wandb.log = wandb.run.log  # bound when the run started
    if given is None:
        return None
    return {switch: value for switch, value in given.items() if value != _SAYS_NOTHING.get(switch)}


def _patched(wandb: Any) -> Iterator[tuple[Any, str, str]]:
    """Who has what of it, and the name under which it keeps wandb's."""
    yield wandb, "init", "original_init"
    yield wandb.sdk.wandb_run.Run, "log", "original_log"
    yield wandb.sdk.wandb_run.Run, "finish", "original_finish"
    yield wandb.sdk.wandb_config.Config, "update", "original_config_update"
