"""One batch of records on its way to SwanLab's cloud: confirmed by its own requests, refused for good, or sent again.

SwanLab 0.10 (`sdk/internal/core_python/transport`) drops what the server answers with 4xx, an expired login or a quota
among them, and calls it confirmed; so it does with a media batch of which one file cannot be read, or for which the
server's answer has another form. Found by looking, and left alone where it looks otherwise.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import requests

from .unacknowledged import UnacknowledgedBatches

log = logging.getLogger("wandb_swan")

FINAL = frozenset({400, 413, 415, 422})
"""Answers to the content itself: the same batch will never be taken. All others may pass, so the batch waits."""
TRIES = 3
"""How often a record is sent whose failure no server explains, or that the object store refuses: a signature of its
URL that has run out is answered with 400 or 403 there."""
_COLUMNS = 3000
"""Columns that SwanLab sends in one request."""
_SPLITS = 64
"""Requests that may be spent on finding the refused records of one batch."""


class HeldBack(requests.RequestException):
    """Not sent: SwanLab takes no step behind one that it has, so a step waits for the earlier ones of its metric."""


class Batches:
    """Stands in for the `upload` of SwanLab's sender."""

    def __init__(self, sender: Any, context: Any) -> None:
        """Raises AttributeError or ImportError where the installed SwanLab is another."""
        from swanlab.sdk.internal.core_python.transport import sender as module

        self._original: Callable[[str, Sequence[Any]], Any] = sender.upload
        self._context = context
        self._lost = UnacknowledgedBatches(context)
        self._tries: Counter[int] = Counter()
        self._media: Sequence[Any] = ()
        self._stored: set[str] = set()
        """Paths of the objects that the store has, of records that are not confirmed yet."""
        self._before_api: list[BaseException] = []
        """The exceptions of requests that a batch's points did not go with: to the object store, to sign it."""
        self.problem: str | None = None
        """Why nothing is being sent at the moment, None if it is."""
        self.broken: str | None = None
        """Why records cannot be sent by this process any more."""
        self.refused: Counter[str] = Counter()
        """Reason -> records that the server will never take."""
        self.sent_at = 0.0
        """When the server took something last, or may have, seconds since the epoch; 0.0: never."""
        put = module.put_media_resources
        # Another run of this process may have put its own in this place.
        module.put_media_resources = self._in_order(getattr(put, "wandb_swan_original", put))
        self._patch, self._put = module, module.put_media_resources
        for session in (sender._ensure_session(), current_client()._session):
            if check_answer not in session.hooks["response"]:
                session.hooks["response"].append(check_answer)
        sender.upload = self.upload

    def upload(self, kind: str, records: Sequence[Any]) -> Any:
        """Returns SwanLab's `UploadResult`: `confirmed_records` are sent or refused, the others will come again."""
        there, unknown = self._lost.settle(kind, records)
        result = self._original(kind, ())
        if unknown:
            self.problem = "the answer to a batch was lost: asking whether SwanLab has it"
            result.remaining_records = list(records)
            return result
        self.problem = None
        waiting = self._send(kind, [record for record in records if id(record) not in there], [_SPLITS])
        if not waiting and kind == "media":
            self._stored.clear()
        result.confirmed_records = [record for record in records if id(record) not in waiting]
        result.remaining_records = [record for record in records if id(record) in waiting]
        return result

    def _send(self, kind: str, records: list[Any], splits: list[int]) -> set[int]:
        """Sends records in their order; refused ones are counted. Returns the ids of those that have to come again."""
        if kind == "column" and len(records) > _COLUMNS:  # behind a refused request SwanLab drops the next ones
            for at in range(0, len(records), _COLUMNS):
                if self._send(kind, records[at : at + _COLUMNS], splits):
                    return {id(record) for record in records[at:]}
            return set()
        ready = self._whole(records) if kind == "media" else records
        waiting = {id(record) for record in records[len(ready) :]}
        if not ready:
            return waiting
        self._media, self._before_api = ready, []
        if getattr(self._patch, "put_media_resources", None) is not self._put:
            self._patch.put_media_resources = self._put
        try:
            result = self._original(kind, ready)
        except Exception as error:  # SwanLab would drop the batch, or send again what is there already
            log.warning("a batch of %s records failed", kind, exc_info=True)
            self.problem = f"{type(error).__name__}: {error}"
            return {id(record) for record in records}
        final: dict[int, str] = {}
        remain = {id(record) for record in ready} - {id(record) for record in result.confirmed_records}
        for failure in result.failures:
            stored = any(failure.exception is error for error in self._before_api) or "file upload failed" in str(
                failure.message
            )
            if not stored and self._lost.lost(kind, failure):
                self.sent_at = time.time()
            if failure.status == 401:
                log_in_again()
            for record in failure.records:
                if self._passes(failure, record, stored):
                    remain.add(id(record))
                else:
                    final[id(record)] = str(failure.message)
            if not isinstance(failure.exception, HeldBack):
                self.problem = f"{failure.status or ''} {failure.message}".strip()
        refused = [record for record in ready if id(record) in final]
        remain -= final.keys()
        waiting |= remain
        taken = [record for record in ready if id(record) not in remain | final.keys()]
        if taken:
            self.sent_at = time.time()
            self._lost.took(kind, taken)
        return waiting | self._refuse(kind, refused, final, splits)

    def _refuse(self, kind: str, records: list[Any], reasons: dict[int, str], splits: list[int]) -> set[int]:
        """Counts refused records, those that are to blame alone: the others of their batch are sent without them."""
        if len(records) > 1 and splits[0] > 0:
            splits[0] -= 2
            middle = len(records) // 2
            waiting = self._send(kind, records[:middle], splits)
            if waiting:
                return waiting | {id(record) for record in records[middle:]}
            return self._send(kind, records[middle:], splits)
        for record in records:
            reason = f"refused by SwanLab's server: {reasons[id(record)]}"
            self.refused[reason] += 1
            self._tries.pop(record.num, None)
            log.error("%s %s: %s", kind, _name(kind, record), reason)
        return set()

    def _passes(self, failure: Any, record: Any, stored: bool) -> bool:
        """Whether a failure may pass."""
        answered = isinstance(failure.exception, requests.RequestException)
        if failure.status in FINAL and not stored:
            return False
        if (answered and failure.status not in FINAL) or "prepare" in str(failure.message):
            return True
        self._tries[record.num] += 1
        return self._tries[record.num] < TRIES

    def _whole(self, records: list[Any]) -> list[Any]:
        """The media records before the first one whose files are not all there: SwanLab would send it without them."""
        from swanlab.sdk.internal.pkg import adapter

        for at, record in enumerate(records):
            folder = self._context.media_dir / adapter.medium[record.media.type]
            for item in record.media.value.items:
                if not item.HasField("payload") and not (folder / item.filename).is_file():
                    self.broken = f"SwanLab's own copy of a value is gone before it was sent: {folder / item.filename}"
                    self.problem = self.broken
                    return records[:at]
        return records

    def _in_order(self, original: Callable[..., dict[int, BaseException]]) -> Callable[..., dict[int, BaseException]]:
        """`put_media_resources`, after which no step goes to the server before an earlier one of its metric."""

        def put_media_resources(session: Any, experiment_id: str, payloads: Any, **options: Any) -> Any:
            open_ = [at for at, payload in enumerate(payloads) if payload.remote_path not in self._stored]
            try:
                failed = original(session, experiment_id, [payloads[at] for at in open_], **options)
            except Exception as error:
                self._before_api.append(error)
                raise
            failures = {open_[at]: error for at, error in failed.items()}
            self._stored |= {payloads[at].remote_path for at in open_ if at not in failures}
            late: dict[str, BaseException] = {}
            for at, payload in enumerate(payloads):
                key = self._media[payload.task_index].media.key
                failure = failures.get(at)
                if failure is not None and not isinstance(failure, requests.RequestException):
                    failure = failures[at] = HeldBack(f"{type(failure).__name__}: {failure}")
                if failure is not None:
                    late.setdefault(key, failure)
                elif key in late:
                    failures[at] = HeldBack(f"after {late[key]}")
            self._before_api += failures.values()
            return failures

        put_media_resources.wandb_swan_original = original  # type: ignore[attr-defined]
        return put_media_resources


def check_answer(response: Any, *_: Any, **__: Any) -> None:
    """Raises `requests.RequestException` for a 2xx answer that says no: a proxy's page, or SwanLab's form of an error.

    SwanLab 0.10 looks at the status alone. A hook of a `requests` session.
    """
    if not response.ok or response.request.method not in ("POST", "PUT"):
        return
    start = response.content[:1000].lstrip()
    answer: Any = None
    if start.startswith(b"{"):
        try:
            answer = response.json()
        except ValueError:
            answer = None
    if start.startswith(b"<") or (isinstance(answer, dict) and {"code", "message"} == set(answer)):
        error = start[:200].decode("utf-8", "replace")
        raise requests.RequestException(f"answered {response.status_code} and: {error}", request=response.request)


def log_in_again() -> None:
    """Has the next request log in first: sessions end, and SwanLab renews only those whose end it knows."""
    from swanlab.sdk.internal.core_python import client

    current = getattr(client, "_default_client", None)
    if current is not None:
        current._expired_at = None


def ask(path: str) -> Any:
    """What SwanLab's server answers to a GET, without its client's words on a failure. Raises what that raises."""
    from swanlab.sdk.internal.core_python import client

    try:
        return client.get(path, log_error=False).data
    except TypeError:  # SwanLab 0.8 always says them
        return client.get(path).data


def current_client() -> Any:
    """SwanLab's client of this process. Raises AttributeError or ImportError where it has another form."""
    from swanlab.sdk.internal.core_python import client

    return client._default_client


def _name(kind: str, record: Any) -> str:
    value = getattr(record, kind)
    return f"{value.key} at step {value.step}" if kind in ("scalar", "media") else str(value).replace("\n", " ")[:200]
