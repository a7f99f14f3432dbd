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

RUNS_A_WORKER = 200
"""After so many runs a worker process is replaced, whatever SwanLab or wandb may have kept in it."""


class Worker:
    """A worker process and the pipe to it."""

    def __init__(self, log_dir: Path) -> None:
        """Starts it; what it prints goes to `worker_log(log_dir)`. Raises OSError."""
        self._exports = ExportCache(log_dir)
        log = worker_log(log_dir)
        log.parent.mkdir(parents=True, exist_ok=True)
        # A session of its own: Ctrl-C is for the command, which then ends its workers.
        self._process = start_python(
            "wandb_swan.convert.worker",
            log=log,
            before=DEFER,
            piped=True,
            base={**self._exports.env, "SWANLAB_PROBE_REQUIREMENTS": "false"},
        )
        self._writing = threading.Lock()
        self.runs = 0

    def convert(
        self, job: str, points: Callable[[int], None], caught_up: Callable[[dict[str, Any]], None]
    ) -> str | None:
        """The report of a run as JSON; None if the process died over it."""
        self.runs += 1
        assert self._process.stdout is not None
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
        assert self._process.stdin is not None
        with self._writing:
            self._process.stdin.write(f"{json.dumps(what)}\n".encode())  # ASCII: it is read in its locale's encoding
            self._process.stdin.flush()

    def end(self) -> int:
        """Ends the process; returns its exit code."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        try:
            return self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()
        finally:
            self._exports.remove()

    def kill(self) -> None:
        self._process.kill()
        self._exports.remove()


class Pool:
    """The worker processes of this process: idle ones are used again, since starting one takes a second or two."""

    def __init__(self) -> None:
        self._idle: list[Worker] = []
        self._busy: set[Worker] = set()
        self._lock = threading.Lock()
        self._closed = False

    def take(self, log_dir: Path) -> Worker:
        with self._lock:
            worker = self._idle.pop() if self._idle else None
        worker = worker or Worker(log_dir)
        with self._lock:
            self._busy.add(worker)
            closed = self._closed
        if closed:
            worker.kill()
        return worker

    def warm(self, log_dir: Path) -> None:
        worker = Worker(log_dir)
        with self._lock:
            self._idle.append(worker)

    def give_back(self, worker: Worker, *, usable: bool) -> int:
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
        for worker in busy:
            worker.kill()
        for worker in idle:
            worker.end()

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
