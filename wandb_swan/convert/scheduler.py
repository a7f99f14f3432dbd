"""Many runs: each one in a worker process, spread by a `concurrent.futures` executor, here or by dask."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, as_completed
from contextlib import suppress
from functools import partial
from typing import Any

from rich.console import Console

from ..exceptions import WandbSwanError
from ..sources import exports
from ..sources.reference import RunReference
from ..sources.selection import Options
from ..swan.sdk.discard import discard
from .jobs import Job
from .manifest import Manifest
from .mirrored import MirroredRuns
from .progress import Meter
from .report import Report, RunReport
from .workers import Worker, pool


def convert_reference(
    job_json: str,
    points: Callable[[int], None] = lambda count: None,
    caught_up: Callable[[Worker, dict[str, Any]], None] = lambda worker, said: None,
) -> str:
    """Converts one run in a worker process of this machine: what an executor is given. Returns a RunReport as JSON.

    `caught_up` is told by the conversion of a run that grows, which then waits for a word (`Worker.tell`).
    """
    job = Job.model_validate_json(job_json)
    reference = job.reference
    worker = pool.take(job.options.log_dir)
    report = worker.convert(job_json, points, partial(caught_up, worker))
    result = RunReport.model_validate_json(report) if report is not None else None
    converted = result is not None and result.state == "converted"
    # After a failure its SwanLab run is still open: another run needs another process.
    exit_code = pool.give_back(worker, usable=converted)
    if not converted and (job.options.mode != "online" or (result is not None and result.refused)):
        with suppress(OSError):
            discard(job.options.log_dir / job.run_dir)
    if report is not None:
        return report
    code = f" (exit code {exit_code})" if exit_code is not None else ""
    return RunReport(
        source=reference.source,
        run_id=reference.run_id,
        name=reference.name,
        project=reference.project,
        run_dir=job.run_dir,
        state="interrupted",
        reason=f"its worker process ended early{code}; type the same command again",
    ).model_dump_json()


def convert_all(
    references: Sequence[RunReference],
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
        references: The runs, from `local_discovery.references` or `cloud_client.references`.
        options: How.
        workers: Processes on this machine; 0: one for each processor, at most eight.
        dask: The address of a dask scheduler whose workers share this file system.
        force: Convert again what is converted already; the earlier SwanLab runs are replaced, whatever they hold.
        console: Where progress is shown; None: nowhere.

    Raises:
        WandbSwanError: another command is at it, or the scheduler cannot be reached.
        OSError: the log directory cannot be written.
    """
    begin = time.monotonic()
    workers = workers or min(8, os.cpu_count() or 1)
    options = options.with_whole_paths()
    manifest = Manifest(options.log_dir)
    reports: dict[str, RunReport] = {}
    try:
        waiting: list[RunReference] = []
        mirrored = mirrored_runs(options, manifest)
        for reference in references:
            report = None if force else skipped(reference, options, manifest, mirrored)
            if report is None:
                waiting.append(reference)
            else:
                reports[reference.key] = report
        jobs = [manifest.start(reference, options, force=force) for reference in waiting]
        if jobs:
            manifest.save()
            workers = min(workers, len(jobs))
            if workers < (os.cpu_count() or 1) and dask is None:
                jobs = [job.model_copy(update={"beside": True}) for job in jobs]
            pool.open()
            executor, shut = _executor(workers, dask)
            try:
                with Meter(len(jobs), console or Console(quiet=True)) as meter:
                    for job, report in _converted(jobs, executor, None if dask else meter):
                        reports[job.reference.key] = report.without_sent()
                        manifest.note(job.reference, options, report)
                        meter.ended(job.reference.key, report)
            except KeyboardInterrupt:
                for job in jobs:
                    reports.setdefault(job.reference.key, report_of(job.reference, "interrupted", reason="Ctrl-C"))
            finally:
                pool.close()
                shut()
                exports.remove_all(options.log_dir)
    finally:
        pool.close()
        manifest.close()
    return Report(
        runs=tuple(reports[reference.key] for reference in references),
        seconds=time.monotonic() - begin,
        workers=workers,
    )


def _converted(jobs: list[Job], executor: Executor, meter: Meter | None) -> Iterator[tuple[Job, RunReport]]:
    """Each run as it ends. With a meter the runs tell how far they are: not over the network."""
    futures: dict[Future[str], Job] = {}
    for job in jobs:
        watch = () if meter is None else (partial(meter.points, job.reference.key),)
        futures[executor.submit(convert_reference, job.model_dump_json(), *watch)] = job
    try:
        for future in as_completed(futures):
            yield futures[future], result_of(future, futures[future].reference)
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
        raise WandbSwanError(f"the dask scheduler {dask} cannot be reached ({error})") from None
    return client.get_executor(), client.close


def result_of(future: Future[str], reference: RunReference) -> RunReport:
    """What has become of a conversion that has ended."""
    try:
        return RunReport.model_validate_json(future.result())
    except Exception as error:  # the machine of a dask worker has gone
        return report_of(reference, "interrupted", reason=f"{type(error).__name__}: {error}")


def mirrored_runs(options: Options, manifest: Manifest) -> MirroredRuns:
    """The runs that need no conversion with these options, since they were mirrored while they ran."""
    return MirroredRuns(options.log_dir, manifest.folders, online=options.mode == "online")


def skipped(reference: RunReference, options: Options, manifest: Manifest, mirrored: MirroredRuns) -> RunReport | None:
    """Why a run is not to be converted now: what the conversion that is there said of itself, or its mirror. None if it
    is to be."""
    entry = manifest.done(reference, options)
    if entry is None:
        folders, reason = mirrored.of(reference)
        return report_of(reference, "skipped", reason=reason, swanlab=str(folders[-1])) if folders else None
    if entry.report is None:  # noted by version 0.1
        return report_of(reference, "skipped", swanlab=entry.swanlab, identical=entry.identical)
    return entry.report.model_copy(update={"state": "skipped", "seconds": 0.0})


def report_of(reference: RunReference, state: Any, **facts: Any) -> RunReport:
    """A report of a run that no worker has made."""
    return RunReport(
        source=reference.source,
        run_id=reference.run_id,
        name=reference.name,
        project=reference.project,
        state=state,
        **facts,
    )
