"""`swanlab.log()` of a program whose `swanlab.sync_wandb()` is ours: it gets a SwanLab run of its own for that.

SwanLab's own function opens a run in the process, to which such a program may log more. With ours the run is the
mirror's, and these calls would raise.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..journal.handlers import own_errors_suppressed
from .messages import warn

if TYPE_CHECKING:
    from .launch import Capture

_GUARD = "swanlab.sdk.cmd.guard"
_made_for: dict[str, Any] = {}
"""Stream id of a captured run -> SwanLab's run beside it."""


def allow(live: Callable[[], Capture | None]) -> None:
    """From now on a call that needs a SwanLab run opens one, while `live` gives a captured run; again is harmless."""
    guard: Any = sys.modules.get(_GUARD)  # SwanLab 0.10
    theirs = getattr(guard, "has_run", None)
    if theirs is None or hasattr(theirs, "__wrapped__"):
        return

    def has_run() -> bool:
        if theirs():
            return True
        if sys._getframe(1).f_locals.get("allow_finished", True):  # a call that needs none
            return False
        capture = live()
        if capture is not None:
            with own_errors_suppressed(Exception):
                _open(capture)
        return bool(theirs())

    has_run.__wrapped__ = theirs  # type: ignore[attr-defined]
    guard.has_run = has_run


def leave() -> None:
    """SwanLab's calls do what they did."""
    guard: Any = sys.modules.get(_GUARD)
    theirs = getattr(getattr(guard, "has_run", None), "__wrapped__", None)
    if theirs is not None:
        guard.has_run = theirs


def _open(capture: Capture) -> None:
    from ..swan.target import resolve

    swanlab: Any = sys.modules["swanlab"]

    settings, run = capture.settings, capture.run
    mode, _, project, workspace = resolve(
        mode=settings.mode, project=settings.project or run.project or None, workspace=settings.workspace
    )
    _made_for[capture.stream_id] = inspect.unwrap(swanlab.init)(  # who asks holds SwanLab's lock
        project=project,
        workspace=workspace,
        name=run.name,
        description=run.notes,
        group=run.group or None,
        job_type=run.job_type or None,
        mode=mode,
        log_dir=str(settings.log_dir),
    )
    warn(f"what is logged by swanlab.log() goes to a SwanLab run of its own, beside that of wandb's run {run.id}")


def close(capture: Capture) -> None:
    """Ends the SwanLab run with the captured one, as SwanLab's function does; none that the program has made."""
    made = _made_for.pop(capture.stream_id, None)
    swanlab: Any = sys.modules.get("swanlab")
    if made is not None and swanlab.has_run() and swanlab.get_run() is made:
        swanlab.finish()
