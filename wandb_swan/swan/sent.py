"""What was sent of a run to SwanLab's cloud before, and how a new try goes on behind it: nothing comes twice."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from ..stream.events import RunStarted
from ..stream.state import State
from .parts import Part

if TYPE_CHECKING:
    from .sdk.uploads import Uploads
    from .sink import Sink

log = logging.getLogger("wandb_swan")


class Sent(BaseModel):
    """What earlier tries have sent, as far as it was written down: by a mirror's status, by a conversion's manifest."""

    model_config = ConfigDict(extra="ignore")

    any_before: bool = False
    """Whether there was an earlier try, of which what it said may have been lost."""
    sent_at: float = 0.0
    """When SwanLab's server took something last, or may have, seconds since the epoch; 0.0: never."""
    part: Part | None = None
    """Where the run's steps go in SwanLab; None until that is known."""
    lines_before: int | None = None
    """Console lines that the experiment had before this run; None: this is the first try."""
    lines_at: str | None = None
    """The URL of that experiment."""
    error_lines: int = 0
    """Console lines that SwanLab has added when the run had ended: a run may go on after that."""
    ended: str = ""
    """How it had ended, with which it does not end once more."""
    refused: dict[str, int] = {}
    """Reason -> values that SwanLab refused in an earlier try: what it has is not sent again, nor refused again."""

    def wait_until_counted(self) -> None:
        """Waits until SwanLab's server counts what it got: who continues an experiment sooner sends it again."""
        from .sdk.unacknowledged import SERVER_LAG  # with SwanLab's client's library

        time.sleep(max(0.0, min(SERVER_LAG, self.sent_at + SERVER_LAG - time.time())))


class Continuation:
    """Brings a run that has just been opened behind what SwanLab has of it, and of others in the same experiment."""

    def __init__(
        self, sink: Sink, sent: Sent, started: RunStarted, *, is_same: Callable[[dict[str, Any]], bool]
    ) -> None:
        """`is_same` says of what the experiment's config holds under `wandb_run` whether it is of this very run.

        What is found out is noted in `sent`.
        """
        self._sink = sink
        self._sent = sent
        self._started = started
        self._is_same = is_same

    def continue_steps(self, new_part: Callable[[], Part], earlier_parts: list[str]) -> None:
        """Steps that would fall on those of an earlier part go on behind them.

        Args:
            new_part: Where steps begin as far as it is known here; asked if no earlier try has decided it.
            earlier_parts: The SwanLab runs, or folders, of the parts before it.
        """
        sent = self._sent
        if sent.part is None:
            sent.part = new_part()
            if self._sink.uploads is not None:
                self._ask(sent.part, self._sink.uploads)
        # An offset that was decided stays; all else this try finds out again.
        sent.part.last_step = sent.part.last_row = -1
        self._sink.part = sent.part
        if sent.part.step_offset:
            self._sink.add_metadata(step_offset=sent.part.step_offset, first_step=sent.part.first_step)
        self._sink.add_metadata(earlier_parts=earlier_parts or None)

    def continue_lines(self) -> None:
        """Console lines that an earlier try has sent are skipped; points SwanLab skips by their steps."""
        uploads = self._sink.uploads
        if uploads is None:
            return
        sent = self._sent
        there = uploads.first_line
        if sent.lines_before is None or sent.lines_at != self._sink.url:
            sent.lines_before = there
            uploads.first_try = sent.lines_at is not None or not sent.any_before
            sent.refused, sent.error_lines, sent.ended = {}, 0, ""
        uploads.refused.update(sent.refused)
        sent.lines_at = self._sink.url
        errors = {"error_lines": sent.error_lines, "ended": sent.ended} if sent.ended else {}
        self._sink.add_metadata(lines_before=sent.lines_before, **errors)
        self._sink.skip_lines(max(0, there - sent.lines_before - sent.error_lines))

    def close(self, state: State, reason: str | None, *, goes_on: bool = False) -> str | None:
        """Ends the SwanLab run as `Sink.close` does, which adds a console line for one that did not end well; once."""
        sent, counts = self._sent, self._sink.counts
        ended = f"{state}, {reason}, {counts['rows']} rows, {counts['lines']} lines"
        again = goes_on or ended == sent.ended
        if again:
            return self._sink.close(state, reason, error_line=False)
        lines = sent.error_lines + (state != "success")
        problem = self._sink.close(state, reason, last_words={"error_lines": lines, "ended": ended})
        if problem is None:
            sent.error_lines, sent.ended = lines, ended
        return problem

    def _ask(self, part: Part, uploads: Uploads) -> None:
        """What others have sent to the experiment comes before this part; what an earlier try of this part has sent,
        of which nothing is known here any more, does not."""
        sent = self._sent
        there = uploads.last_step()
        if there < 0 and not uploads.first_line:
            return
        try:
            metadata = uploads.metadata()
        except Exception as error:
            log.warning("SwanLab does not say whose steps the experiment has: %s", error)
            metadata = {"started_at": self._started.started_at} if sent.any_before else {}
        if self._is_same(metadata):
            offset = metadata.get("step_offset")
            part.step_offset = offset if isinstance(offset, int) else 0
            part.first_step = metadata.get("first_step") or 0
            lines = metadata.get("lines_before")
            if sent.lines_before is None and isinstance(lines, int):
                sent.lines_before, sent.lines_at = lines, self._sink.url
                sent.error_lines, sent.ended = int(metadata.get("error_lines") or 0), str(metadata.get("ended") or "")
            return
        part.steps_before = max(part.steps_before, there)
        if part.rows_before is not None:
            part.rows_before = max(part.rows_before, uploads.last_step(without="alerts"))
