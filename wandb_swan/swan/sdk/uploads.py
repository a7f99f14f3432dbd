"""SwanLab's upload queue: every record that goes in is accounted for, and the wait for it at the end is bounded.

SwanLab 0.10 counts what it dropped as uploaded, and its `finish` waits for a server that is gone without end
(`sdk/internal/core_python/transport`). Neither is public: found by looking, and left alone where it looks otherwise.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import requests
from tenacity import RetryCallState, Retrying, retry_if_result, stop_after_delay, wait_exponential

from . import capabilities
from .batches import Batches, log_in_again
from .capabilities import found
from .older_server import OlderServer
from .presence import Presence
from .session import Session

log = logging.getLogger("wandb_swan")

_HOPELESS = 10.0
"""Seconds without progress after which a server that is too old is no longer waited for."""


class Uploads:
    """Watches what one online SwanLab run still has to send."""

    def __init__(self, session: Session, patience: float) -> None:
        """`patience`: seconds without any progress after which the end of the run is no longer waited for."""
        self.lost: str | None = None
        """Why the journal has to be sent again: a record was dropped before it could be sent."""
        self._why: str | None = None
        self._open: set[int] = set()
        """Numbers of the records that SwanLab's core got and that are neither confirmed nor refused."""
        self._patience = patience
        core: Any = session.core
        self._core = core
        self._stats: Callable[[], Any] | None = getattr(core, "get_operation_stats", None)
        transport: Any = getattr(self._core, "_transport", None)
        self._transport = transport
        self._progress = (0, time.monotonic())
        self._answer: Any = None
        self._batches: Batches | None = None
        self._abandoned = False
        self.first_try = False
        """Whether nothing of this journal was sent before: then SwanLab's client must not leave anything out."""
        self.last_words: dict[str, Any] = {}
        """Metadata that the experiment's config gets once the server has taken everything."""
        self.presence: Presence | None = None
        try:
            self.presence = Presence(core)
        except (AttributeError, ImportError, TypeError) as error:
            found.lack(capabilities.EXPERIMENT_STATE, why=error)
        self._older: OlderServer | None = None
        with suppress(AttributeError, ImportError):
            self._older = OlderServer(core._ctx)
        sender: Any = getattr(transport, "_sender", None)
        try:
            self._batches = Batches(sender, core._ctx)
        except (AttributeError, ImportError, TypeError) as error:
            found.lack(capabilities.KEPT_BATCHES, why=error)
        if self._batches is not None:
            sender.upload = self._settled(sender.upload)
            transport.put = self._noted(transport.put)
            for kind, name in (("scalar", "_upsert_scalars_to_metrics"), ("media", "_upsert_media_to_metrics")):
                if hasattr(core, name):
                    setattr(core, name, self._taken(kind, getattr(core, name)))
        self._bound = hasattr(core, "confirm_run_finish")
        if self._bound:
            drained = self._drained if self._batches is not None else None
            core.confirm_run_finish = self._bounded(core.confirm_run_finish, drained)
            core.get_operation_stats = _no_progress_display

    @property
    def problem(self) -> str | None:
        """Why nothing is being sent at the moment, None if it is."""
        return self.older_server or self._why or (self._batches.problem if self._batches is not None else None)

    @property
    def older_server(self) -> str | None:
        """What SwanLab's server is too old for, None if nothing is known."""
        return self._older.said if self._older is not None else None

    @property
    def broken(self) -> str | None:
        """Why this process cannot bring the run to its end, None if it can: the journal has to be sent again."""
        if self.presence is not None and self.presence.ended is not None:
            return f"SwanLab's server has ended the experiment ({self.presence.ended})"
        return self.lost or (self._batches.broken if self._batches is not None else None)

    @property
    def refused(self) -> Counter[str]:
        """Reason -> records that the server will never take."""
        return self._batches.refused if self._batches is not None else Counter()

    @property
    def sent_at(self) -> float:
        """When the server took something last, or may have, seconds since the epoch; 0.0: never."""
        return self._batches.sent_at if self._batches is not None else 0.0

    @property
    def waiting(self) -> int:
        """Records that SwanLab has not taken yet."""
        if self._stats is None:
            return 0
        stats = self._stats().stats
        return max(0, int(stats.total_records) - int(stats.uploaded_records))

    @property
    def first_line(self) -> int:
        """How many console lines the experiment had when it was opened, if asked before the first one is written."""
        return int(getattr(self._core, "_epoch", 0) or 0)

    def last_step(self, *, without: str = "") -> int:
        """The last step that the experiment had when it was opened, if asked before anything is written; -1: none."""
        metrics = getattr(getattr(self._core, "_metrics", None), "_metrics", None) or {}
        steps = [
            int(metric.min_step)
            for key, metric in metrics.items()
            if key != without and not key.startswith("__swanlab__.")
        ]
        return max([-1, *steps])

    @property
    def place(self) -> str | None:
        """workspace/project/id of the experiment; None where the installed SwanLab is another."""
        try:
            context: Any = self._core._ctx
            return f"{context.username}/{context.project}/{context.experiment_id}"
        except (AttributeError, AssertionError):
            return None

    def metadata(self) -> dict[str, Any]:
        """What the experiment's config says of the part that wrote it last; empty if there is none.

        Raises what SwanLab's client raises.
        """
        from swanlab.sdk.internal.core_python import client

        context: Any = self._core._ctx
        experiment: Any = client.get(f"/project/{context.username}/{context.project}/runs/{context.experiment_id}").data
        config = (experiment.get("profile") or {}).get("config") or {}
        metadata = (config.get("wandb_run_") or config.get("wandb_run") or {}).get("value")
        return metadata if isinstance(metadata, dict) else {}

    def without_error_line(self) -> None:
        """Keeps SwanLab 0.10 from sending the run's error as its last console line (`_store_finish`)."""
        original = getattr(self._core, "_store_finish", None)
        if original is not None:

            def store_finish(record: Any) -> None:
                original(record)

            self._core._store_finish = store_finish

    def _runs(self, deadline: float) -> bool:
        """Whether the experiment still runs, so that what was sent is shown; True if nobody says by the deadline."""
        try:
            return self.presence is None or self.presence.runs()
        except requests.RequestException as error:
            log.warning("SwanLab does not say whether the experiment runs: %s", error)
            return time.monotonic() > deadline

    def abandon(self) -> None:
        """Drops what is waiting, and leaves the experiment as it is: its journal is replayed into another one."""
        self._abandoned = True
        if self.presence is not None:
            self.presence.stop()

    def stalled(self) -> bool:
        """Whether nothing was taken for as long as our patience lasts, which is short where nothing will be."""
        waiting = self.waiting
        if waiting != self._progress[0] or not waiting:
            self._progress = (waiting, time.monotonic())
        patience = self._patience if self.older_server is None else min(self._patience, _HOPELESS)
        return time.monotonic() - self._progress[1] > patience

    def unconfirmed(self) -> str | None:
        """After `run.finish()`: why SwanLab's cloud has not confirmed the run, None if it has."""
        if self.broken is not None:
            return self.broken
        if self._answer is not None and not getattr(self._answer, "success", True):
            return self.problem or str(self._answer.message)
        if self._bound and self._answer is None:
            return "SwanLab did not finish the run"
        if self.older_server is not None:  # and what it did not take was dropped
            return self.older_server
        return f"SwanLab has dropped {len(self._open)} records" if self._open else None

    def _noted(self, original: Callable[[Any], bool]) -> Callable[[Any], bool]:
        """`Transport.put`, after which the records are waiting."""

        def put(records: Any) -> bool:
            self._open.update(record.num for record in records)
            taken = original(records)
            if not taken:
                self.lost = f"SwanLab's upload queue was closed before {len(records)} records came"
            return taken

        return put

    def _taken(self, kind: str, original: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """SwanLab's first look at values, after which those that it leaves out are counted.

        It does not say so (0.10): of a metric that has another type, a step that it has, or, in an experiment that goes
        on, one behind the last. The latter is how what an earlier try has sent is not sent again.
        """

        def taken(values: Any) -> Any:
            records = original(values)
            got = Counter((at.key, at.step) for record in records if (at := getattr(record, kind)).key)
            if sum(got.values()) == len(values):
                return records
            for value in values:
                place = (value.key, value.step)
                got[place] -= 1
                if got[place] >= 0 or value.key.startswith("__swanlab__"):
                    continue
                metric = self._core._metrics.get(value.key)
                if not self.first_try and metric is not None and value.step <= metric.min_step:
                    continue
                log.error("%s at step %d is left out by SwanLab's client", *place)
                self.refused["left out by SwanLab's client: it has the step, a later one, or another type"] += 1
            return records

        return taken

    def _settled(self, upload: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
        """The sender's `upload`, after which confirmed and refused records wait no more."""

        def settled(kind: str, records: Any) -> Any:
            if self._abandoned:  # the journal has it
                return _result(records, ())
            try:
                if self.presence is not None and not self.presence.may_send():
                    return _result((), records)
            except requests.RequestException as error:
                self._why = f"{type(error).__name__}"
                return _result((), records)
            self._why = None
            result = upload(kind, records)
            if result.confirmed_records and self.presence is not None:
                self.presence.heard = time.time()
            self._open.difference_update(record.num for record in result.confirmed_records)
            return result

        return settled

    def _drained(self) -> bool:
        """Waits a moment for SwanLab's upload queue; whether it is empty."""
        return bool(self._transport.join(0.1))

    def _bounded(self, original: Callable[[], Any], drained: Callable[[], bool] | None) -> Callable[[], Any]:
        """`confirm_run_finish`, which SwanLab's own waits in without end."""

        def confirm_run_finish() -> Any:
            if self._abandoned:
                return _failed("the run goes on in another experiment")
            self._progress = (self._progress[0], time.monotonic())
            if drained is None:
                return self._confirm_in_time(original)
            while not drained():
                if self.stalled() or self.broken:
                    return self._given_up()
            if self.last_words and self.presence is not None:
                self.presence.link(**self.last_words)
            deadline = time.monotonic() + self._patience
            while not self._runs(deadline):
                if self.broken:
                    self._answer = _failed(self.broken)
                    return self._answer
                time.sleep(1.0)
            retrying = Retrying(
                retry=retry_if_result(lambda answer: not answer.success),
                stop=stop_after_delay(max(0.0, deadline - time.monotonic())),
                wait=wait_exponential(max=10.0),
                before_sleep=lambda _: log_in_again(),
                retry_error_callback=_last_answer,
            )
            self._answer = retrying(original)
            return self._answer

        return confirm_run_finish

    def _confirm_in_time(self, original: Callable[[], Any]) -> Any:
        """For a core whose queue cannot be watched: its own wait, left alone where nothing moves any more."""
        answers: list[Any] = []
        thread = threading.Thread(target=lambda: answers.append(original()), name="wandb_swan confirm", daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(0.1)
            if self.stalled():
                return self._given_up()
        self._answer = answers[0] if answers else _failed("SwanLab's core did not answer")
        return self._answer

    def _given_up(self) -> Any:
        self._why = (
            f"SwanLab does not take what is sent: {self.problem or 'no answer'}; {self.waiting} records are not sent"
        )
        self._answer = _failed(self._why)
        return self._answer


def _result(confirmed: Sequence[Any], remaining: Sequence[Any]) -> Any:
    from swanlab.sdk.typings.core_python.transport import UploadResult

    return UploadResult(confirmed_records=list(confirmed), remaining_records=list(remaining))


def _last_answer(state: RetryCallState) -> Any:
    assert state.outcome is not None
    return state.outcome.result()


def _failed(message: str) -> Any:
    from swanlab.proto.swanlab.grpc.core.v1.core_pb2 import ConfirmRunFinishResponse

    return ConfirmRunFinishResponse(success=False, message=message)


def _no_progress_display() -> Any:
    """SwanLab's display of the upload waits without end; the mirror has no terminal to show it on."""
    from swanlab.proto.swanlab.grpc.core.v1.core_pb2 import GetOperationStatsResponse

    return GetOperationStatsResponse(success=False, message="not shown")
