"""Batches whose answer was lost on the way: the server is asked whether it has them before they are sent again."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

import requests
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

log = logging.getLogger("wandb_swan")

SERVER_LAG = 12.0
"""Seconds until SwanLab's server counts what it got (5 to 10, says SwanLab's issue 1576): a run that is continued
sooner would get points twice."""
PATIENCE = 10 * SERVER_LAG
"""Seconds for which a server that fails when it is asked is asked again."""
_CLOCK_SKEW = 86_400
_APPENDED = ("scalar", "media", "log")
"""Kinds that the server appends: sent twice, they are there twice."""


class UnacknowledgedBatches:
    """Knows the highest step of each metric that the server took, and the last batch of each kind that is in doubt."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self._taken: dict[tuple[str, str], int] = {}
        self._doubt: dict[str, tuple[Sequence[Any], dict[str, int], float]] = {}
        """Kind -> the records, the new highest steps that would tell, when the answer was lost."""

    def took(self, kind: str, records: Sequence[Any]) -> None:
        """The server has these."""
        if kind in _APPENDED:
            self._taken.update({(kind, key): step for key, step in self._news(kind, records).items()})

    def lost(self, kind: str, failure: Any) -> bool:
        """Remembers a failed batch if the server may have it nevertheless; returns whether it may."""
        if kind not in _APPENDED or not _may_have_arrived(failure):
            return False
        self._doubt[kind] = failure.records, self._news(kind, failure.records), time.monotonic()
        return True

    def settle(self, kind: str, records: Sequence[Any]) -> tuple[set[int], bool]:
        """Returns the ids of those records that the server has, and whether the others have to wait to be known."""
        doubtful, news, since = self._doubt.get(kind, ((), {}, 0.0))
        ids = {id(record) for record in doubtful}
        if not news or not any(id(record) in ids for record in records):
            return set(), False
        counted: dict[str, int] = {}
        waited = time.monotonic() - since
        try:
            counted = self._counted(kind)
        except Exception as error:
            if isinstance(error, requests.RequestException):
                status = getattr(error.response, "status_code", None)
                if status is None or (status in (401, 429) or (status >= 500 and waited < PATIENCE)):
                    return set(), True  # the server is away, or unwell: it will be asked again
            log.warning("SwanLab does not say whether it has a batch whose answer was lost: %s", error)
        if any(counted.get(key, -1) >= step for key, step in news.items()):
            del self._doubt[kind]
            log.info("the server has %d %s records whose answer was lost", len(ids), kind)
            return ids, False
        if waited < SERVER_LAG:
            return set(), True
        del self._doubt[kind]
        return set(), False

    def _news(self, kind: str, records: Sequence[Any]) -> dict[str, int]:
        """The metrics whose highest step is in these records, with that step."""
        found: dict[str, int] = {}
        for record in records:
            key, step = _place(kind, record)
            if step > max(found.get(key, -1), self._taken.get((kind, key), -1)):
                found[key] = step
        return found

    def _counted(self, kind: str) -> dict[str, int]:
        from swanlab.sdk.internal.core_python.api.experiment import get_experiment_summary

        since = int(time.time()) - _CLOCK_SKEW  # only what came lately matters
        summary: Any = get_experiment_summary(self._context.project_id, self._context.experiment_id, created_at=since)
        return {"" if kind == "log" else item["key"]: int(item["step"]) for item in summary.get(kind) or ()}


def _place(kind: str, record: Any) -> tuple[str, int]:
    value = getattr(record, kind)
    return ("", value.epoch) if kind == "log" else (value.key, value.step)


def _may_have_arrived(failure: Any) -> bool:
    """No answer, or a proxy's word that it got none: unlike a refused connection, the server may have the batch."""
    if failure.status is not None or failure.exception is None:
        return failure.status in (502, 504)
    error = failure.exception
    first = error.args[0] if error.args else None
    not_sent = isinstance(getattr(first, "reason", first), NewConnectionError | ConnectTimeoutError)
    return isinstance(error, requests.RequestException) and not not_sent
