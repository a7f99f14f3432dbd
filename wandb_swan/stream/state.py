"""How a run ended, as SwanLab has it: one of three states, and a reason."""

from __future__ import annotations

from typing import Literal

from .events import RunFinished

State = Literal["success", "crashed", "aborted"]
"""SwanLab's own words for the end of a run (`swanlab.finish(state=...)`)."""


def state_of(finished: RunFinished | None, *, torn: str | None = None) -> tuple[State, str | None]:
    """SwanLab's state and reason for wandb's exit; None for a success's reason.

    `torn` is what is known of the end of a damaged record: of a run that failed it is the better reason.
    """
    if finished is None:
        return "crashed", torn or "exit code unknown"
    if finished.interrupted:
        return "aborted", finished.reason or "interrupted by Ctrl-C"
    if finished.exit_code:
        return "crashed", torn or finished.reason or f"exit code {finished.exit_code}"
    return "success", None
