"""Brings the files of a cloud run here: several at once, checked, and only what is not there already."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import requests

from ..atomic_file import replacing
from ..stream.times import seconds
from .artifact_entries import WholeFiles, digest_of, told, without_query
from .cloud_client import login_for
from .retries import Spoiled, may_pass, retrying

AT_ONCE = 8
TIMEOUT = 60.0
"""Seconds without a byte."""
RENEWALS = 3
"""How often W&B is asked for one file again."""
EXPIRED = frozenset({400, 401, 403, 404, 410})
"""What an object store says to a signed address that is no longer good: S3 and Azure 403, Google's store 400."""


@contextmanager
def opened(address: str, *, session: requests.Session | None = None, **more: Any) -> Iterator[requests.Response]:
    """The answer of an address that W&B gave, read as it comes. `more` is what `requests.get` takes.

    Raises:
        requests.RequestException: without the address, whose signature is a secret.
    """
    try:
        get = session.get if session is not None else requests.get
        with get(address, stream=True, timeout=TIMEOUT, **more) as response:
            if response.status_code >= 400:
                raise requests.HTTPError(f"{response.status_code} {response.reason}", response=response)
            yield response
    except requests.HTTPError:
        raise
    except requests.RequestException as error:
        raise type(error)(without_query(str(error))) from None


def has_expired(error: Exception) -> bool:
    """Whether an object store may have said this because the address has run out."""
    response = getattr(error, "response", None)
    return isinstance(error, requests.HTTPError) and response is not None and response.status_code in EXPIRED


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
    """A folder of a run's files, for every look at the run."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._whole = WholeFiles()
        root.mkdir(parents=True, exist_ok=True)

    def fetch(self, files: list[Any], again: Callable[[str], Any]) -> dict[str, NotBrought]:
        """Brings wandb's `File`s here.

        Args:
            files: What W&B has.
            again: Asks W&B for the `File` of a name once more: its address may be good for minutes, its content be
                replaced. Raises `Absent` where it is there no more.

        Returns:
            Those that did not arrive whole, by name.
        """
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="download") as threads:
            failures = list(threads.map(lambda file: self._fetch(file, again), files))
        return {file.name: failure for file, failure in zip(files, failures, strict=True) if failure}

    def _fetch(self, file: Any, again: Callable[[str], Any]) -> NotBrought | None:
        path = self.root / file.name
        if self._whole.has(path, _digest(file), file.size) and self._is_current(path, file):
            return None
        current, renewals = file, RENEWALS

        def bring() -> None:
            nonlocal current, renewals
            try:
                self._bring(current, path)
            except (requests.HTTPError, Spoiled) as error:
                if not renewals or not (isinstance(error, Spoiled) or has_expired(error)):
                    raise
                renewals -= 1
                current = again(file.name)
                raise error if isinstance(error, Spoiled) else Spoiled("its address has run out") from error

        try:
            retrying()(bring)
        except Exception as error:
            with suppress(OSError):
                path.unlink()  # as it was before: nobody shall take it for what it is now
            return NotBrought(told(error), may_pass(error))
        return None

    def _bring(self, file: Any, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        digest = _digest(file)
        with replacing(path) as part:
            with opened(file.url, auth=login_for(file.url)) as response, part.open("wb") as out:
                for chunk in response.iter_content(1 << 20):
                    out.write(chunk)
            size = part.stat().st_size
            if size != file.size or (digest and digest_of(part) != digest):
                raise Spoiled(f"{size} bytes arrived, {file.size} were announced, or their MD5 is another")
            if time := updated(file):
                os.utime(part, (time, time))
        self._whole.add(path, digest)

    def _is_current(self, path: Path, file: Any) -> bool:
        """Whether what was brought here before is what W&B has now: where there is no MD5, its time says it."""
        if _digest(file):
            return True
        with suppress(OSError):
            return abs(path.stat().st_mtime - updated(file)) < 1
        return False
