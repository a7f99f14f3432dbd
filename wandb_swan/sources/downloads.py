"""Brings the files of a cloud run here: several at once, checked, and only what is not there already."""

from __future__ import annotations

import base64
import hashlib
import logging
import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import requests
from tenacity import (
    RetryCallState,
    Retrying,
    before_sleep_log,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential,
)

from ..atomic_file import replacing

log = logging.getLogger("wandb_swan")

AT_ONCE = 8
TRIES = 6
FIRST_PAUSE, LAST_PAUSE = float(os.environ.get("WANDB_SWAN_RETRY_PAUSE", "1")), 60.0
"""Seconds between two tries: doubled each time; a server's Retry-After comes before it."""
TIMEOUT = 60.0
"""Seconds without a byte."""
RENEWALS = 3
"""How often the address of one file is asked for again."""
_RUN_OUT = {400, 401, 403}
"""What an object store says to a signed address that is no longer good: S3 403, Google's store 400."""
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
        before_sleep=before_sleep_log(log, logging.WARNING),
        reraise=True,
    )


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


def _has_errors(error: BaseException) -> bool:
    """Whether W&B answered 200 with `errors` that are no refusal: a resolver of its server failed.

    wandb's core (0.27 and later) gives them as `input: ...`; its GraphQL client before as an Exception of their dict.
    """
    text = str(error)
    of_core = type(error).__name__ == "WandbApiFailedError" and text.startswith("input:")
    of_client = type(error).__name__ == "TransportQueryError" or (type(error) is Exception and "'message':" in text)
    return (of_core or of_client) and _REFUSAL.search(text) is None


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    response = getattr(error, "response", None)
    if isinstance(response, requests.Response):
        with suppress(ValueError):
            return min(LAST_PAUSE, float(response.headers.get("Retry-After", "")))
    return float(wait_exponential(multiplier=FIRST_PAUSE, max=LAST_PAUSE)(state))


def seconds(moment: Any) -> float:
    """An ISO time of W&B (UTC where it says no zone) in seconds since the epoch; 0.0 if there is none."""
    if not isinstance(moment, str) or not moment:
        return 0.0
    try:
        parsed = datetime.fromisoformat(moment.replace("Z", "+00:00"))
    except ValueError:
        return 0.0
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=timezone.utc)).timestamp()


def updated(file: Any) -> float:
    """When W&B got a file, seconds since the epoch; 0.0 where it does not say."""
    return seconds(getattr(file, "_attrs", {}).get("updatedAt"))


def _digest(file: Any) -> str:
    """The MD5 that W&B has of a file, in base64; empty if it has none."""
    digest = str(getattr(file, "md5", None) or "")
    return "" if digest == "0" else digest


class NotBrought(NamedTuple):
    """Why a file did not arrive whole."""

    reason: str
    may_pass: bool
    """Whether another try, later, may bring it."""


class Downloads:
    """A folder of a run's files."""

    def __init__(self, root: Path, settings: dict[str, Any], client: Any, again: Callable[[str], Any]) -> None:
        """`again` asks W&B for the `File` of a name once more: its address may be good for minutes."""
        self.root = root
        self._again = again
        self._host = urlsplit(str(settings["base_url"])).netloc
        self._key = client.api_key
        root.mkdir(parents=True, exist_ok=True)
        self._resolved = root.resolve()

    def refuses(self, name: str) -> str | None:
        """Why a file of this name is not brought here, or None: a path from the server must not leave the folder."""
        parts = PurePosixPath(name)
        if not name or "\0" in name or "\\" in name or parts.is_absolute() or ".." in parts.parts or ":" in name[:2]:
            return "its path leaves the run's folder"
        if not (self.root / name).resolve().is_relative_to(self._resolved):
            return "its path leaves the run's folder"
        return None

    def fetch(self, files: list[Any]) -> dict[str, NotBrought]:
        """Brings wandb's `File`s here. Returns by name those that did not arrive whole."""
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="download") as threads:
            failures = list(threads.map(self._fetch, files))
        return {file.name: failure for file, failure in zip(files, failures, strict=True) if failure}

    def _fetch(self, file: Any) -> NotBrought | None:
        path = self.root / file.name
        if self._is_whole(path, file) and self._is_current(path, file):
            return None
        current, renewals = file, RENEWALS

        def bring() -> None:
            nonlocal current, renewals
            try:
                self._bring(current, path)
            except requests.HTTPError as error:
                if not renewals or error.response is None or error.response.status_code not in _RUN_OUT:
                    raise
                renewals -= 1
                current = self._again(file.name)
                raise Spoiled("its address has run out") from error

        try:
            retrying()(bring)
        except Exception as error:
            with suppress(OSError):
                path.unlink()  # as it was before: nobody shall take it for what it is now
            return NotBrought(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}", may_pass(error))
        return None

    def _bring(self, file: Any, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The key is for W&B alone: not for the bucket that a signed address leads to.
        auth = ("api", self._key) if self._key and urlsplit(file.url).netloc == self._host else None
        with replacing(path) as part:
            with requests.get(file.url, auth=auth, stream=True, timeout=TIMEOUT) as response:
                response.raise_for_status()
                with part.open("wb") as out:
                    for chunk in response.iter_content(1 << 20):
                        out.write(chunk)
            if not self._is_whole(part, file):
                size = part.stat().st_size
                raise Spoiled(f"{size} bytes arrived, {file.size} were announced, or their MD5 is another")
            if time := updated(file):
                os.utime(part, (time, time))

    def _is_current(self, path: Path, file: Any) -> bool:
        """Whether what was brought here before is what W&B has now: where there is no MD5, its time says it."""
        if _digest(file):
            return True
        with suppress(OSError):
            return abs(path.stat().st_mtime - updated(file)) < 1
        return False

    @staticmethod
    def _is_whole(path: Path, file: Any) -> bool:
        try:
            if path.stat().st_size != file.size:
                return False
            digest = _digest(file)
            if not digest:
                return True
            with path.open("rb") as content:
                found = hashlib.md5(usedforsecurity=False)  # hashlib.file_digest is not in Python 3.10
                while chunk := content.read(1 << 20):
                    found.update(chunk)
            return bool(base64.b64encode(found.digest()).decode() == digest)
        except OSError:
            return False
