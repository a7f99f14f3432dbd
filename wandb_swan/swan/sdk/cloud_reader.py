"""Reads one experiment back from SwanLab's cloud, or a self-hosted SwanLab, through SwanLab's own `swanlab.Api`.

Read at 0.10.0 and 0.10.3 (`swanlab/api`). A request of that API that fails is an empty answer, not an error; here it
is one. Points come whole from the CSV export of a metric alone; the API's other way is a curve of at most 1500
points, without NaN. Media come as signed addresses with captions, console lines 1000 at a time, saved files not at all.
"""

from __future__ import annotations

import csv
import io
import math
import os
import re
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import PurePosixPath
from threading import get_ident
from typing import IO, Any, Final, TypeVar
from urllib.parse import unquote, urlsplit

import requests
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from ...exceptions import WandbSwanError
from ...stream.series import Series

T = TypeVar("T")

AT_ONCE = 4
"""Metrics exported at once: as many requests as SwanLab's own API makes."""
TRIES, PAUSE = 3, float(os.environ.get("WANDB_SWAN_RETRY_PAUSE", "1"))
"""Of one question, and seconds before the second, doubled each time. SwanLab's client itself asks up to six times."""
TIMEOUT = 30.0
"""Seconds without a byte."""
SAMPLE = 1500
"""Points that SwanLab gives of a curve at most; it picks them."""
LOG_PAGE = 1000
"""Console lines that SwanLab gives at once (`api/metric.py`)."""
SETTLING = 60.0
"""Seconds after its end in which a server may still count what it got: 5 to 10 were seen."""
_BUSY: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_CUT: Final = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
_NO_VALUE: Final = frozenset({"", "\\N", "null"})
NEVER_READ: Final = (
    "saved files",
    "the settings of charts",
    "the text and times of console lines",
    "the content and times of texts, pictures and other media",
    "the times of points beyond milliseconds",
)


class Refused(WandbSwanError):
    """The server said no, in one sentence; `status` is that of HTTP, None where nobody answered."""

    def __init__(self, text: str, status: int | None) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True)
class CloudItem:
    """One file of a media point. `url` is signed: it is a secret, and its time runs out."""

    filename: str
    caption: str
    url: str = field(repr=False)


@dataclass
class CloudColumn:
    """One metric of an experiment."""

    key: str
    kind: str
    """scalar, text, image, ...; `media` where it is not known which one."""
    points: int
    """At least so many, unless it is `whole`."""
    last_step: int | None
    whole: bool
    """Whether the server gave every point."""
    series: Series | None = None
    """The points of a whole scalar metric; times are seconds since the epoch, 0.0 where there is none."""
    items: dict[int, list[CloudItem]] = field(default_factory=dict)
    """Step -> files, of a media metric."""


class CloudExperiment:
    """One experiment, read when the object is made; files of media are fetched when they are asked for."""

    def __init__(self, path: str) -> None:
        """Reads `path`, which is workspace/project/run-id, with the login and the server of SwanLab's own settings.

        Raises:
            WandbSwanError: no login, no such experiment, no permission, or no answer; the text says what to do.
        """
        parts = path.strip("/").split("/")
        if len(parts) != 3 or any(part != part.strip() or not part for part in parts):
            raise WandbSwanError(f"{path!r} names no SwanLab experiment: give workspace/project/run-id")
        self.path = "/".join(parts)
        self.columns: dict[str, CloudColumn] = {}
        self.unreadable: list[str] = list(NEVER_READ)
        """What was not, or cannot be, read back."""
        with redirect_stdout(io.StringIO()):  # SwanLab's client prints every answer that says no
            self._client = _Client(self.path)
            with self._client.session:
                self._read()

    def _read(self) -> None:
        run = self._client.asked("read", self._opened)
        self.url = str(run.url)
        self.config = _config(run.profile)
        self.description: dict[str, Any] = {
            "name": run.name or "",
            "description": run.description or "",
            "tags": [str(label["name"] if isinstance(label, dict) else label) for label in run.labels or ()],
            "group": run.group or "",
            "job_type": run.job_type or "",
        }
        self.state = str(run.state or "unknown").lower()
        """running, finished, crashed, aborted, offline, or unknown."""
        self.created_at, self.finished_at = _seconds(run.created_at), _seconds(run.finished_at)
        """Seconds since the epoch, 0.0 where the server does not say."""
        if self.state == "running" or time.time() - self.finished_at < SETTLING:
            self.unreadable.append("what the server got in the last seconds: it shows it some 10 s later")
        scalars = self._client.asked("list the metrics of", lambda: list(run.series(metric_type="SCALAR")))
        media = self._client.asked("list the media of", lambda: list(run.series(metric_type="MEDIA")))
        latest = self._latest(run)
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="export") as threads:
            exported = list(threads.map(self._exported, scalars))
        for key, series in zip(scalars, exported, strict=True):
            self.columns[key.key] = self._scalar(run, key.key, series, latest.get(key.key))
        for key in media:
            self.columns[key.key] = self._media(run, key.key)
        self.lines = self._lines(run)

    def _opened(self) -> Any:
        """SwanLab's `Experiment`, loaded: it asks when it is first looked at, and keeps an empty answer for good."""
        run = self._client.api.run(self.path)
        if not run.created_at_ts or not run.project_id or run.profile is None:
            raise ValueError("the server does not say what it is")
        return run

    def _latest(self, run: Any) -> dict[str, int]:
        """The last step of every scalar metric, where the server says it: a second witness of what it exports."""
        try:
            summary = self._client.asked("read the summary of", run.summary)
        except Refused as refusal:
            self.unreadable.append(f"whether what the server exports is all that it has ({refusal})")
            return {}
        return {key: item["step"] for key, item in summary.items() if isinstance((item or {}).get("step"), int)}

    def _exported(self, key: Any) -> Series | None:
        """Every point of a scalar metric; None where the server does not export it."""
        try:
            answer = self._client.asked(f"export {key.key!r} of", key.export_csv)
        except Refused as refusal:
            if refusal.status in (401, 403) or refusal.status is None or not 400 <= refusal.status < 500:
                raise
            return None
        url = (answer.data or {}).get("url") if answer.ok else None
        if not url:
            return None
        with tempfile.TemporaryFile() as file:
            try:
                self._client.download(f"download the points of {key.key!r} of", url, file)
                return _points(file)
            except (ValueError, csv.Error):
                return None

    def _scalar(self, run: Any, key: str, series: Series | None, latest: int | None) -> CloudColumn:
        if series is not None and (last := max(series.steps, default=-1)) >= (-1 if latest is None else latest):
            return CloudColumn(key, "scalar", len(series), last if len(series) else None, True, series)
        if series is not None:
            self.unreadable.append(f"{key}: the points after step {last}; the server says that there are some")
            return CloudColumn(key, "scalar", len(series), latest, False)
        # The points of a curve are some of a metric's points, and no others: its number is a lower bound.
        curve = self._client.asked(f"read {key!r} of", lambda: run.metrics([key], sample=SAMPLE), in_threads=True)
        steps = [int(point["index"]) for one in curve.get("list") or () for point in one.get("metrics") or ()]
        self.unreadable.append(
            f"{key}: the number of its points and their values; its export is refused or has another form"
        )
        last_step = max([*steps, *(() if latest is None else (latest,))], default=None)
        return CloudColumn(key, "scalar", len(steps), last_step, False)

    def _media(self, run: Any, key: str) -> CloudColumn:
        found = self._client.asked(f"read {key!r} of", lambda: run.medias([key], all=True))
        metrics = [point for one in found.get("list") or () for point in one.get("metrics") or ()]
        items = {int(point["index"]): [_item(item) for item in point.get("items") or ()] for point in metrics}
        kinds = {_kind(item.url) for held in items.values() for item in held}
        kind = kinds.pop() if len(kinds) == 1 else "media"
        if kind == "media":
            self.unreadable.append(f"{key}: whether it is a text, a picture or something else")
        return CloudColumn(key, kind, len(items), max(items, default=None), True, items=items)

    def _lines(self, run: Any) -> int:
        """How many console lines there are.

        `count` may be that of all lines or of the answer: SwanLab does not say. Where it may be either, they are read.
        """
        seen: set[int] = set()
        while True:
            begin = max(seen, default=-1) + 1
            page = self._client.asked("count the console lines of", partial(run.logs, offset=begin))
            lines, count = page.get("logs") or [], page.get("count")
            if not begin and isinstance(count, int) and (count > len(lines) or len(lines) < LOG_PAGE):
                return max(count, len(lines))
            epochs = {line["epoch"] for line in lines if isinstance(line.get("epoch"), int)}
            if lines and epochs <= seen:  # offsets mean something else on this server
                self.unreadable.append(f"the number of console lines beyond {max(len(seen), len(lines))}")
                return max(len(seen), len(lines))
            seen |= epochs
            if len(lines) < LOG_PAGE:
                return len(seen)

    def fetch(self, item: CloudItem) -> bytes:
        """The content of a media file. Raises WandbSwanError: it is not there, or cannot be fetched."""
        with tempfile.TemporaryFile() as file:
            self._client.download(f"download {item.filename} of", item.url, file)
            return file.read()


class _Client:
    """`swanlab.Api`, logged in, with its failures as errors and a bounded number of tries."""

    def __init__(self, path: str) -> None:
        """Raises WandbSwanError: no login, or a server that does not take it or does not answer."""
        import swanlab

        try:
            settings = swanlab.Settings()
        except Exception as error:  # its text may hold the key
            raise WandbSwanError(
                f"SwanLab's settings are wrong ({type(error).__name__}): check SWANLAB_* and its config.yaml"
            ) from None
        self._path, self._host, self._key = path, str(settings.api_host).rstrip("/"), settings.api_key
        self._failures: dict[int, Exception] = {}
        """By thread: the failure of its last request that failed."""
        if not self._key:
            raise WandbSwanError("no SwanLab login: type `swanlab login`, or set SWANLAB_API_KEY")
        self._told("log in to read", self._log_in)  # SwanLab's own login does not say why it fails
        self.api: Any = self._told("log in to read", swanlab.Api)
        try:
            self.session: Any = self.api._ctx.client._session
            self._send = self.session.send
            _ = swanlab.api.experiment.Experiment.created_at_ts  # it came in SwanLab 0.9
        except AttributeError as error:
            has = f"SwanLab {swanlab.__version__} has another API than 0.10, whose experiments are read here"
            raise WandbSwanError(f"{has} ({error}): type `pip install -U wandb-swan swanlab`") from error
        self.session.send = self._sent

    def _log_in(self) -> None:
        answer = requests.post(f"{self._host}/api/login/api_key", headers={"authorization": self._key}, timeout=TIMEOUT)
        if answer.status_code in (401, 403):
            raise Refused(f"{self._host} does not accept the SwanLab login; type `swanlab login`", answer.status_code)
        answer.raise_for_status()

    def _sent(self, request: Any, **options: Any) -> Any:
        try:
            response = self._send(request, **options)
            response.json()  # what is none, a proxy's page, is an empty answer too
            return response
        except Exception as error:
            self._failures[get_ident()] = error
            raise

    def asked(self, what: str, question: Callable[[], T], *, in_threads: bool = False) -> T:
        """The answer to a question to SwanLab's API about the experiment.

        It is asked again where the failure may pass. in_threads: SwanLab makes its requests in threads of its own; no
        other question may be asked meanwhile. Raises Refused: the server says no, or does not answer.
        """

        def once() -> T:
            if in_threads:
                self._failures.clear()
            self._failures.pop(get_ident(), None)
            try:
                answer = question()
            except Exception:
                if get_ident() not in self._failures:
                    raise
            for thread, failure in self._failures.copy().items():
                if in_threads or thread == get_ident():
                    raise failure
            return answer

        return self._told(what, once)

    def download(self, what: str, url: str, file: IO[bytes]) -> None:
        """Brings a signed address into an empty file, and rewinds it. Raises Refused."""

        def once() -> None:
            file.seek(0)
            file.truncate()
            with requests.get(url, stream=True, timeout=TIMEOUT) as response:
                response.raise_for_status()
                for chunk in response.iter_content(1 << 20):
                    file.write(chunk)
                announced = response.headers.get("Content-Length", "")
                if announced.isdigit() and response.raw.tell() != int(announced):  # urllib3 1.26 does not look
                    raise requests.ConnectionError("cut")
            file.seek(0)

        self._told(what, once)

    def _told(self, what: str, question: Callable[[], T]) -> T:
        """The answer, or the one sentence that says why there is none: without addresses, which may be signed."""
        where = f"cannot {what} the SwanLab experiment {self._path}"
        try:
            return Retrying(
                stop=stop_after_attempt(TRIES),
                wait=wait_exponential(multiplier=PAUSE, max=20),
                retry=retry_if_exception(_may_pass),
                reraise=True,
            )(question)
        except WandbSwanError:
            raise
        except _CUT as error:
            status = None
            text = f"{self._host} does not answer ({type(error).__name__}); try again later, or check SWANLAB_API_HOST"
        except requests.JSONDecodeError:
            status, text = None, f"{self._host} does not answer as SwanLab does; check SWANLAB_API_HOST and your proxy"
        except Exception as error:
            status = getattr(getattr(error, "response", None), "status_code", None)
            plain = re.sub(r"\?\S+", "", " ".join(str(error).split())).replace(str(self._key), "***")[:300]
            text = _advice(status) or f"{type(error).__name__}: {plain}"
        raise Refused(f"{where}: {text}", status) from None


def _advice(status: int | None) -> str:
    """What to do about an answer that says no; empty where nobody knows."""
    if status == 401:
        return "SwanLab does not accept the login; type `swanlab login`"
    if status == 403:
        return "no permission; ask its owner for access"
    if status == 404:
        return "there is none that this login may see; check workspace/project/run-id and SWANLAB_API_HOST"
    if status in _BUSY:
        return f"the server is busy or broken (HTTP {status}); try again later"
    return ""


def _may_pass(error: BaseException) -> bool:
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status in _BUSY if isinstance(status, int) else isinstance(error, _CUT)


def _points(file: IO[bytes]) -> Series:
    """The points of an export of one metric: step, value, time in milliseconds (`api/helper/extractor.py`).

    There is a row for each step that the metric has; one without a value is taken for NaN: an assumption. Raises
    ValueError, csv.Error: another form.
    """
    rows = csv.reader(io.TextIOWrapper(file, "utf-8-sig", newline=""))
    if next(rows, ["nothing"])[:1] != ["step"]:
        raise ValueError("no header")
    series = Series()
    for row in rows:
        if row:
            step, value, stamp = row
            series.add(int(step), math.nan if value in _NO_VALUE else float(value), int(stamp) / 1000 if stamp else 0.0)
    return series


def _config(profile: Any) -> dict[str, Any]:
    """The config as it was given: SwanLab keeps `{key: {value, sort, desc}}`."""
    whole: dict[str, Any] = (profile or {}).get("config") or {}
    return {key: item.get("value") for key, item in whole.items() if isinstance(item, dict)}


def _item(item: dict[str, Any]) -> CloudItem:
    url = str(item.get("url") or "")
    return CloudItem(_place(url).name, str(item.get("caption") or ""), url)


def _kind(url: str) -> str:
    """The kind of a media file: its address ends with `media/<kind>/<filename>` (`transport/sender/media.py`)."""
    parts = _place(url).parts
    return parts[-2] if len(parts) > 2 and parts[-3] == "media" else "media"


def _place(url: str) -> PurePosixPath:
    return PurePosixPath(unquote(urlsplit(url).path))


def _seconds(moment: Any) -> float:
    try:
        return datetime.fromisoformat(str(moment).replace("Z", "+00:00")).timestamp()
    except ValueError:
        return 0.0
