"""The parts of a run: each time wandb records under one run id, a journal and a part of the run in SwanLab.

wandb offline does not know that a run id exists, and counts from step 0 again (a job that is requeued, W&B not
uploaded). SwanLab keeps the first value of a step and takes no older step into an experiment that goes on. So a part
whose steps would fall on those of an earlier one goes on behind it: all its steps are moved by one offset.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from ..journal.models import MirrorStatus, PartSteps

log = logging.getLogger("wandb_swan")


class Part(PartSteps):
    """The steps of one part, as they are given out."""

    def place(self, step: int) -> int:
        """SwanLab's step of one of wandb's; the first one decides the offset of all."""
        if self.step_offset is None:
            self.first_step = step
            before = self.steps_before if self.rows_before is None else self.rows_before
            self.step_offset = max(0, before + 1 - step)
        placed = step + self.step_offset
        self.last_step = max(self.last_step, placed)
        self.last_row = max(self.last_row, placed)
        return placed


def part_of(status: MirrorStatus) -> Part | None:
    """The part that a mirror's status tells of, None if it tells of none."""
    return Part(**status.part.model_dump()) if status.part is not None else None


def after(earlier: Iterable[MirrorStatus], *, mode: str, project: str, resumed: bool) -> Part:
    """A new part behind earlier ones, told by their statuses, in the same project and kind of place.

    `resumed`: wandb itself goes on behind its last row, and knows no steps of alerts.
    """
    last = last_row = -1
    for status in earlier:
        part = status.part
        if part is not None and (status.mode, status.project) == (mode, project):
            last, last_row = max(last, part.last_step), max(last_row, part.last_row)
    return Part(steps_before=last, rows_before=last_row if resumed else None)
