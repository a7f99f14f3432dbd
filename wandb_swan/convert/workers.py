"""The worker processes of this process. Nothing heavy is imported here: the first one starts before the command has."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..capture.process import DEFER, start_python
from ..sources.exports import ExportCache
from .host import Host

_QUIET = {"SWANLAB_PROBE_REQUIREMENTS": "false"}
RUNS_A_WORKER = 200
"""After so many runs a worker process is replaced, whatever SwanLab or wandb may have kept in it."""


class Worker:
    """A worker process and the pipes to it."""

    def __init__(self, log_dir: Path, host: Host | None) -> None:
        """Has the host fork it, or starts it; what it prints goes to `worker_log(log_dir)`. Raises OSError."""
        self._exports = ExportCache(log_dir)
        self._process: Any = _forked(host, self._exports) or _started(log_dir, self._exports)
        self._writing = threading.Lock()
        self.runs = 0

    def convert(
        self, job: str, points: Callable[[int], None], caught_up: Callable[[dict[str, Any]], None]
    ) -> str | None:
        """The report of a run as JSON; None if the process died over it."""
        self.runs += 1
        try:
            self.tell(json.loads(job))
            for line in self._process.stdout:
                message = json.loads(line)
                if "report" in message:
                    return json.dumps(message["report"])
                if "caught_up" in message:
                    caught_up(message["caught_up"])
                else:
                    points(message["points"])
        except (OSError, ValueError):
            pass
        return None

    def tell(self, what: Any) -> None:
        """A job, or a word for the one that it is at. Raises OSError where the process has died."""
        with self._writing:
            self._process.stdin.write(f"{json.dumps(what)}\n".encode())  # ASCII: it is read in its locale's encoding
            self._process.stdin.flush()

    def end(self) -> int | None:
        """Ends the process; returns its exit code, None if nobody knows it."""
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                pipe.close()
        code: int | None
        try:
            code = self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        finally:
            self._exports.remove()
        return code

    def kill(self) -> None:
        self._process.kill()
        self._exports.remove()


def _started(log_dir: Path, exports: ExportCache) -> Any:
    log = worker_log(log_dir)
    log.parent.mkdir(parents=True, exist_ok=True)
    # A session of its own: Ctrl-C is for the command, which then ends its workers.
    return start_python("wandb_swan.convert.worker", log=log, before=DEFER, piped=True, base={**exports.env, **_QUIET})


def _forked(host: Host | None, exports: ExportCache) -> Any:
    try:
        return host and host.fork(exports.place)
    except (OSError, ValueError):
        return None


class Pool:
    """The worker processes of this process: idle ones are used again, and all are forked from one where that can be."""

    def __init__(self) -> None:
        self._idle: list[Worker] = []
        self._busy: set[Worker] = set()
        self._host: Host | None = None
        self._lock = threading.Lock()
        self._closed = False

    def take(self, log_dir: Path) -> Worker:
        with self._lock:
            worker = self._idle.pop() if self._idle else None
            host = self._host_of(log_dir) if worker is None else None
        worker = worker or Worker(log_dir, host)
        with self._lock:
            self._busy.add(worker)
            closed = self._closed
        if closed:
            worker.kill()
        return worker

    def warm(self, log_dir: Path) -> None:
        """Has the workers' imports done meanwhile."""
        with self._lock:
            host = self._host_of(log_dir)
        if host is None:
            worker = Worker(log_dir, None)
            with self._lock:
                self._idle.append(worker)

    def _host_of(self, log_dir: Path) -> Host | None:
        if self._host is not None and not (self._host.log_dir == log_dir and self._host.lives):
            self._host.close()
            self._host = None
        if self._host is None and not self._closed and Host.possible():
            with suppress(OSError):
                self._host = Host(log_dir, worker_log(log_dir), {**ExportCache(log_dir).env, **_QUIET})
        return self._host

    def give_back(self, worker: Worker, *, usable: bool) -> int | None:
        with self._lock:
            self._busy.discard(worker)
            if usable and worker.runs < RUNS_A_WORKER and not self._closed:
                self._idle.append(worker)
                return 0
        return worker.end()

    def close(self) -> None:
        """Ends all workers, busy ones at once."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            busy = list(self._busy)
            host, self._host = self._host, None
        for worker in busy:
            worker.kill()
        for worker in idle:
            worker.end()
        if host is not None:
            host.close()

    def open(self) -> None:
        with self._lock:
            self._closed = False


pool = Pool()


def worker_log(log_dir: Path) -> Path:
    """The file that worker processes print to, beside SwanLab's log directory."""
    return log_dir.parent / f"{log_dir.name}.convert.log"


@contextmanager
def warm(log_dir: Path, *, now: bool) -> Iterator[None]:
    """Starts the first worker process while its runs are still being looked for, if `now`; ends all at the end.

    A command that converts nothing leaves no log behind. Raises OSError.
    """
    log = worker_log(log_dir)
    fresh = not log.exists()
    if now:
        pool.warm(log_dir.absolute())
    try:
        yield
    finally:
        pool.close()
        with suppress(OSError):
            if fresh and log.stat().st_size == 0:
                log.unlink()
