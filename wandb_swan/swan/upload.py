"""SwanLab's upload queue: what the server refuses is not dropped, and the wait for it at the end is bounded.

SwanLab 0.10 (`sdk/internal/core_python/transport`) drops every batch that the server answers with 4xx, an expired
login or a quota among them, then reports a complete upload; and its `finish` waits for a server that is gone without
end. Neither is public: found by looking, and left alone where it looks otherwise.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from .answers import LostAnswers

log = logging.getLogger("wandb_swan")

FINAL = frozenset({400, 413, 415, 422})
"""Answers to the content itself: the same batch will never be taken. All others may pass, so the batch waits."""


class Uploads:
    """Watches what one online SwanLab run still has to send."""

    def __init__(self, run: Any, patience: float) -> None:
        """`patience`: seconds without any progress after which the end of the run is no longer waited for."""
        self.problem: str | None = None
        """Why nothing is being sent at the moment, None if it is."""
        self.refused: Counter[str] = Counter()
        """Reason -> records that the server will never take."""
        self._patience = patience
        core: Any = getattr(getattr(run, "_ctx", None), "core", None)
        self._core = core
        self._transport: Any = getattr(self._core, "_transport", None)
        self._tracker: Any = getattr(self._core, "_tracker", None)
        self._progress = (0, time.monotonic())
        self.sent_at = 0.0
        """When the server took something last, seconds since the epoch; 0.0: never."""
        self._answer: Any = None
        self._lost = LostAnswers(getattr(self._core, "_ctx", None))
        sender = getattr(self._transport, "_sender", None)
        if sender is not None and hasattr(self._core, "confirm_run_finish"):
            sender.upload = self._kept(sender.upload)
            self._core.confirm_run_finish = self._bounded(self._core.confirm_run_finish)
            self._core.get_operation_stats = _no_progress_display
        else:
            log.warning("this SwanLab's upload queue has another form: what the server refuses is lost")

    @property
    def waiting(self) -> int:
        """Records that SwanLab has not taken yet."""
        if self._tracker is None:
            return 0
        stats = self._tracker.snapshot()
        return max(0, int(stats.total_records) - int(stats.uploaded_records))

    @property
    def first_line(self) -> int:
        """How many console lines the experiment had when it was opened, if asked before the first one is written."""
        return int(getattr(self._core, "_epoch", 0) or 0)

    @property
    def last_step(self) -> int:
        """The last step that the experiment had when it was opened, if asked before anything is written; -1: none."""
        metrics = getattr(getattr(self._core, "_metrics", None), "_metrics", None) or {}
        steps = [int(metric.min_step) for key, metric in metrics.items() if not key.startswith("__swanlab__.")]
        return max([-1, *steps])

    def without_error_line(self) -> None:
        """An earlier try has sent the run's error as its last console line, as SwanLab 0.10 does (`_store_finish`)."""
        original = getattr(self._core, "_store_finish", None)
        if original is not None:

            def store_finish(record: Any) -> None:
                original(record)

            self._core._store_finish = store_finish

    def stalled(self) -> bool:
        """Whether nothing was taken for as long as our patience lasts."""
        waiting = self.waiting
        if waiting != self._progress[0] or not waiting:
            self._progress = (waiting, time.monotonic())
        return time.monotonic() - self._progress[1] > self._patience

    def unconfirmed(self) -> str | None:
        """After `run.finish()`: why SwanLab's cloud has not confirmed the run, None if it has."""
        if self._answer is None or getattr(self._answer, "success", True):
            return None
        return self.problem or str(self._answer.message)

    def _kept(self, original: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
        def upload(kind: str, records: Any) -> Any:
            there, unknown = self._lost.settle(kind, records)
            if unknown:
                self.problem = "the answer to a batch was lost: asking whether SwanLab has it"
                result = original(kind, ())
                result.remaining_records = list(records)
                return result
            result = original(kind, [record for record in records if id(record) not in there])
            result.confirmed_records += [record for record in records if id(record) in there]
            waits: set[int] = set()
            self.problem = None
            for failure in result.failures:
                self._lost.lost(kind, failure)
                remain = {id(record) for record in result.remaining_records}
                if isinstance(failure.status, int) and 400 <= failure.status < 500 and failure.status not in FINAL:
                    waits |= {id(record) for record in failure.records}
                lost = [record for record in failure.records if id(record) not in remain | waits]
                if lost:
                    reason = f"refused by SwanLab's server: {failure.message}"
                    self.refused[reason] += len(lost)
                    log.error("%d %s records: %s", len(lost), kind, reason)
                else:
                    self.problem = f"{failure.status or ''} {failure.message}".strip()
                if failure.status == 401:
                    _log_in_again()
            if not result.failures:
                self.sent_at = time.time()
                self._lost.took(kind, records)
            if waits:
                result.remaining_records = [
                    record
                    for record in records
                    if id(record) in waits or any(record is other for other in result.remaining_records)
                ]
                result.confirmed_records = [record for record in result.confirmed_records if id(record) not in waits]
            return result

        return upload

    def _bounded(self, original: Callable[[], Any]) -> Callable[[], Any]:
        def confirm_run_finish() -> Any:
            self._progress = (self._progress[0], time.monotonic())
            while not self._transport.join(0.1):
                if self.stalled():
                    told = f"{self.waiting} records are not sent"
                    self.problem = f"SwanLab does not take what is sent: {self.problem or 'no answer'}; {told}"
                    self._answer = _failed(self.problem)
                    return self._answer
            deadline = time.monotonic() + self._patience
            pause = 1.0
            while True:
                self.problem = None
                self._answer = original()
                if self._answer.success or time.monotonic() + pause > deadline:
                    return self._answer
                _log_in_again()
                time.sleep(pause)
                pause = min(2 * pause, 10.0)

        return confirm_run_finish


def _log_in_again() -> None:
    """Has the next request log in first: sessions end, and SwanLab renews only those whose end it knows."""
    from swanlab.sdk.internal.core_python import client

    current = getattr(client, "_default_client", None)
    if current is not None:
        current._expired_at = None


def _failed(message: str) -> Any:
    from swanlab.proto.swanlab.grpc.core.v1.core_pb2 import ConfirmRunFinishResponse

    return ConfirmRunFinishResponse(success=False, message=message)


def _no_progress_display() -> Any:
    """SwanLab's display of the upload waits without end; the mirror has no terminal to show it on."""
    from swanlab.proto.swanlab.grpc.core.v1.core_pb2 import GetOperationStatsResponse

    return GetOperationStatsResponse(success=False, message="not shown")
