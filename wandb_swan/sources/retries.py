"""Which errors of W&B's server and of its object store may pass, and the tries that are made until they do."""

from __future__ import annotations

import logging
import os
import re
from contextlib import suppress

import requests
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from .artifact_entries import told

log = logging.getLogger("wandb_swan")

TRIES = 6
FIRST_PAUSE, LAST_PAUSE = float(os.environ.get("WANDB_SWAN_RETRY_PAUSE", "1")), 60.0
"""Seconds between two tries: doubled each time; a server's Retry-After comes before it."""
_REFUSAL = re.compile(
    r"\b40[0134]\b|permission|forbidden|denied|not found|find|no such|logged in|API key|invalid"
    r"|[Cc]annot query|[Uu]nknown"
)
_BUSY = {408, 425, 429, 500, 502, 503, 504}


class Spoiled(Exception):
    """What arrived is not what W&B announced."""


_CUT = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,  # a body that was cut: no ConnectionError, for requests
    ConnectionError,
    TimeoutError,
    Spoiled,
)


def retrying() -> Retrying:
    """Tries again while the server is busy or away, a bounded number of times; the last error is raised."""
    return Retrying(
        stop=stop_after_attempt(TRIES),
        wait=_pause,
        retry=retry_if_exception(may_pass),
        before_sleep=_say,
        reraise=True,
    )


def _say(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    if error is not None:
        log.warning("trying again in %.3g s: %s", getattr(state.next_action, "sleep", 0.0), told(error))


def may_pass(error: BaseException) -> bool:
    """Whether another try may succeed: the server is busy or away, or the connection was cut."""
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    if isinstance(status, int):
        return status in _BUSY
    if _has_errors(error):
        return True
    cause = getattr(error, "exc", None)  # wandb's CommError holds what went wrong
    if isinstance(cause, BaseException) and cause is not error:
        return may_pass(cause)
    return isinstance(error, _CUT)


def is_refusal(error: BaseException) -> bool:
    """Whether W&B says no, by its words."""
    return _REFUSAL.search(str(error)) is not None


def _has_errors(error: BaseException) -> bool:
    """Whether W&B answered 200 with `errors` that are no refusal: a resolver of its server failed.

    wandb's core (0.27 and later) gives them as `input: ...`; its GraphQL client before as an Exception of their dict.
    """
    text = str(error)
    of_core = type(error).__name__ == "WandbApiFailedError" and text.startswith("input:")
    of_client = type(error).__name__ == "TransportQueryError" or (type(error) is Exception and "'message':" in text)
    return (of_core or of_client) and not is_refusal(error)


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    response = getattr(error, "response", None)
    if isinstance(response, requests.Response):
        with suppress(ValueError):
            return min(LAST_PAUSE, float(response.headers.get("Retry-After", "")))
    return float(wait_exponential(multiplier=FIRST_PAUSE, max=LAST_PAUSE)(state))
