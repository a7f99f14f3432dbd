"""Many runs: each one in a worker process, spread by a `concurrent.futures` executor, here or by dask."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, as_completed
from contextlib import suppress
from functools import partial
from pathlib import Path as FilePath
from typing import Any

from rich.console import Console

from ..exceptions import WandbSwanError
from ..swan.discard import discard
from .manifest import Manifest
from .progress import Meter
from .report import Report, RunReport
from .units import Job, Options, Unit

RUNS_A_WORKER = 200
"""After so many runs a worker process is replaced, whatever SwanLab or wandb may have kept in it."""


class Worker:
    """A worker process and the pipe to it."""

    def __init__(self, log: FilePath) -> None:
        """Starts it; what it prints goes to `log`. Raises OSError."""
        script, rest = sys.path[:1], sys.path[1:]  # the script's folder last: its modules are not ours
        code = (
            f"import sys; sys.path[:] = {[*rest, *script]!r}; from _wandb_swan_command import defer; defer(); "
            "from wandb_swan.convert.worker import main; sys.exit(main())"
        )
        log.parent.mkdir(parents=True, exist_ok=True)
        errors = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", code],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, "WANDB_SWAN": "0", "SWANLAB_PROBE_REQUIREMENTS": "false"},
                start_new_session=True,  # Ctrl-C is for the command, which then ends its workers
                text=True,
                encoding="utf-8",
            )
        finally:
            os.close(errors)
        self.runs = 0

    def convert(self, job: str, points: Callable[[int], None]) -> str | None:
        """The report of a run as JSON; None if the process died over it."""
        self.runs += 1
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(job + "\n")
            self._process.stdin.flush()
            for line in self._process.stdout:
                message = json.loads(line)
                if "report" in message:
                    return json.dumps(message["report"])
                points(message["points"])
        except (OSError, ValueError):
            pass
        return None

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

    def kill(self) -> None:
        self._process.kill()


class _Pool:
    """The worker processes of this process: idle ones are used again, since starting one takes a second or two."""

    def __init__(self) -> None:
        self._idle: list[Worker] = []
        self._busy: set[Worker] = set()
        self._lock = threading.Lock()
        self._closed = False

    def take(self, log: FilePath) -> Worker:
        with self._lock:
            worker = self._idle.pop() if self._idle else None
        worker = worker or Worker(log)
        with self._lock:
            self._busy.add(worker)
            closed = self._closed
        if closed:
            worker.kill()
        return worker

    def warm(self, log: FilePath) -> None:
        worker = Worker(log)
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


_pool = _Pool()


def _worker_log(log_dir: FilePath) -> FilePath:
    return log_dir.parent / f"{log_dir.name}.convert.log"


def warm(log_dir: FilePath) -> None:
    """Starts the first worker process while its runs are still being looked for. Raises OSError."""
    _pool.warm(_worker_log(log_dir.absolute()))


def convert_unit(job_json: str, points: Callable[[int], None] = lambda count: None) -> str:
    """Converts one run in a worker process of this machine: what an executor is given. Returns a RunReport as JSON."""
    job = Job.model_validate_json(job_json)
    unit = job.unit
    worker = _pool.take(_worker_log(job.options.log_dir))
    report = worker.convert(job_json, points)
    converted = report is not None and RunReport.model_validate_json(report).state == "converted"
    # After a failure its SwanLab run is still open: another run needs another process.
    exit_code = _pool.give_back(worker, usable=converted)
    if not converted and job.options.mode != "online":
        with suppress(OSError):
            discard(job.options.log_dir / job.run_dir)
    if report is not None:
        return report
    return RunReport(
        source=unit.source,
        run_id=unit.run_id,
        name=unit.name,
        project=unit.project,
        run_dir=job.run_dir,
        state="interrupted",
        reason=f"its worker process ended early (exit code {exit_code}); type the same command again",
    ).model_dump_json()


def convert_all(
    units: Sequence[Unit],
    options: Options,
    *,
    workers: int = 0,
    dask: str | None = None,
    force: bool = False,
    console: Console | None = None,
) -> Report:
    """Converts runs, skips those that are converted already, and notes each in the manifest.

    Ctrl-C ends the workers; the report then lists what was not reached as interrupted, and the same call goes on
    from there.

    Args:
        units: The runs, from `local.units` or `cloud.units`.
        options: How.
        workers: Processes on this machine; 0: one for each processor, at most eight.
        dask: The address of a dask scheduler whose workers share this file system.
        force: Convert again what is converted already; the earlier SwanLab runs are replaced.
        console: Where progress is shown; None: nowhere.

    Raises:
        WandbSwanError: another command is at it, or the scheduler can not be reached.
        OSError: the log directory can not be written.
    """
    begin = time.monotonic()
    workers = workers or min(8, os.cpu_count() or 1)
    options = options.model_copy(update={"log_dir": options.log_dir.absolute(), "cache": options.cache.absolute()})
    manifest = Manifest(options.log_dir)
    reports: dict[str, RunReport] = {}
    try:
        waiting: list[Unit] = []
        for unit in units:
            entry = None if force else manifest.done(unit, options)
            if entry is None:
                waiting.append(unit)
            else:
                reports[unit.key] = _report(unit, "skipped", swanlab=entry.swanlab, identical=entry.identical)
        jobs = [Job(unit=unit, options=options, run_dir=manifest.start(unit, options)) for unit in waiting]
        if jobs:
            manifest.save()
            workers = min(workers, len(jobs))
            _pool.open()
            executor, shut = _executor(workers, dask)
            try:
                with Meter(len(jobs), console or Console(quiet=True)) as meter:
                    for job, report in _converted(jobs, executor, None if dask else meter):
                        reports[job.unit.key] = report
                        if report.state == "converted":
                            manifest.end(job.unit, options, swanlab=report.swanlab, identical=report.identical)
                        meter.ended(job.unit.key, report)
            except KeyboardInterrupt:
                for job in jobs:
                    reports.setdefault(job.unit.key, _report(job.unit, "interrupted", reason="Ctrl-C"))
            finally:
                _pool.close()
                shut()
    finally:
        _pool.close()
        manifest.close()
    return Report(runs=tuple(reports[unit.key] for unit in units), seconds=time.monotonic() - begin, workers=workers)


def _converted(jobs: list[Job], executor: Executor, meter: Meter | None) -> Iterator[tuple[Job, RunReport]]:
    """Each run as it ends. With a meter the runs tell how far they are: not over the network."""
    futures: dict[Future[str], Job] = {}
    for job in jobs:
        told = () if meter is None else (partial(meter.points, job.unit.key),)
        futures[executor.submit(convert_unit, job.model_dump_json(), *told)] = job
    try:
        for future in as_completed(futures):
            job = futures[future]
            try:
                report = RunReport.model_validate_json(future.result())
            except Exception as error:  # the machine of a dask worker has gone
                report = _report(job.unit, "interrupted", reason=f"{type(error).__name__}: {error}")
            yield job, report
    finally:
        for future in futures:
            future.cancel()


def _executor(workers: int, dask: str | None) -> tuple[Executor, Callable[[], None]]:
    """An executor, and how to close it."""
    if dask is None:
        threads = ThreadPoolExecutor(workers, thread_name_prefix="convert")
        return threads, lambda: threads.shutdown(wait=True, cancel_futures=True)
    try:
        from distributed import Client
    except ImportError:
        raise WandbSwanError('--dask needs an extra: type `pip install "wandb-swan[distributed]"`') from None
    try:
        client: Any = Client(dask, timeout="10s")
    except (OSError, ValueError) as error:
        raise WandbSwanError(f"the dask scheduler {dask} can not be reached ({error})") from None
    return client.get_executor(), client.close


def _report(unit: Unit, state: Any, **facts: Any) -> RunReport:
    return RunReport(source=unit.source, run_id=unit.run_id, name=unit.name, project=unit.project, state=state, **facts)
