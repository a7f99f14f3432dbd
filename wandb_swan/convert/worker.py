"""A worker process: converts one run after the other, as it is told on its standard input."""

from __future__ import annotations

import io
import json
import logging
import os
import queue
import shutil
import sys
import threading
import time
from collections.abc import Callable
from typing import IO, Any

from ..exceptions import WandbSwanError
from ..parity.answers import noted
from ..parity.comparison import compare_runs
from ..parity.stored import StoredRun, checked
from ..sources import exports
from ..sources.json_run import JsonRun
from ..sources.local_run import LocalRun
from ..sources.reference import RunReference, Source
from ..sources.selection import LEFT_OUT, Options, Selection
from ..stream.events import HistoryRow, RunFinished, RunStarted
from ..stream.state import state_of
from ..swan.config import amend_metadata
from ..swan.sdk import run_times
from ..swan.sdk.discard import discard
from ..swan.sdk.store import can_be_read
from ..swan.sink import Sink
from ..swan.target import Target
from .jobs import Job
from .replacement import Poorer, check
from .report import Lost, RunReport

log = logging.getLogger("wandb_swan")

PROGRESS_ROWS = 2_000
"""Rows between two words of how far a run is."""


def convert(job: Job, progress: Callable[[int], None]) -> RunReport:
    """Converts one run. Anything that goes wrong is in the report, nothing is raised but the end of the process."""
    begin = time.monotonic()
    reference = job.reference
    facts: dict[str, Any] = {
        "source": reference.source,
        "run_id": reference.run_id,
        "name": reference.name,
        "project": reference.project,
        "run_dir": job.run_dir,
    }
    try:
        facts |= _converted(job, progress)
    except WandbSwanError as error:
        log.error("%s: %s", reference.source, error)
        facts |= {"state": "failed", "reason": str(error), "refused": isinstance(error, Poorer)}
    except Exception as error:
        log.exception("%s", reference.source)
        first_line = (str(error).splitlines() or [""])[0]
        facts |= {"state": "failed", "reason": f"{type(error).__name__}: {first_line}"[:500]}
    return RunReport(**facts, seconds=time.monotonic() - begin)


def source_of(reference: RunReference, options: Options) -> Source:
    """Where a run's events come from."""
    if reference.kind == "local" and reference.logs[0].suffix != ".wandb":
        return JsonRun(reference.logs[0], reference.number)
    if reference.kind == "local":
        return LocalRun(list(reference.logs), reference.number, options)
    from ..sources.cloud_run import CloudRun

    return CloudRun(reference.path, options)


def _converted(job: Job, progress: Callable[[int], None]) -> dict[str, Any]:
    reference, options = job.reference, job.options
    source = source_of(reference, options)
    selection = Selection(options)
    depth = options.verify if can_be_read() else "none"
    recorded = noted(source) if depth != "none" else None
    events = selection.of(source.events())
    started = next(events)
    assert isinstance(started, RunStarted)
    tags = tuple(dict.fromkeys((*started.tags, *options.tags)))
    started = started.changed(tags=tags, run_id=job.run_id)
    sink = Sink(
        Target(
            mode=options.mode,
            log_dir=options.log_dir,
            project=options.project,
            workspace=options.workspace,
            monitor=False,
            past=True,
            run_dir=job.run_dir,
        )
    )

    def folder(path: Any) -> None:
        selection.folder = path
        sink.files_in(path)

    source.on_folder = folder
    finished: RunFinished | None = None
    rows = 0
    discard(options.log_dir / job.run_dir)
    with run_times.original(started.started_at, lambda: source.finished_at):
        sink.open(started)
        sink.add_metadata(**source.metadata)
        for event in events:
            sink.write(event)
            if isinstance(event, HistoryRow):
                rows += 1
                if rows % PROGRESS_ROWS == 0:
                    progress(sink.counts["scalars"] + sink.counts["texts"] + sink.counts["media"])
            elif isinstance(event, RunFinished):
                finished = event
        for path in selection.too_large:
            sink.losses.counts[path, f"file over --max-file-mb {options.max_file_mb:g}"] += 1
        sink.add_metadata(left_out=selection.all_left_out())
        problem = sink.close(*state_of(finished))
    if problem:
        raise WandbSwanError(f"SwanLab has not confirmed the run: {problem}; type the same command again")
    run_dir = options.log_dir / job.run_dir
    if job.replaces and (options.log_dir / job.replaces).is_dir():
        if job.force:
            StoredRun(run_dir)  # read back, before the other one goes
        else:
            check(options.log_dir / job.replaces, run_dir)
    facts: dict[str, Any] = {
        "state": "converted",
        "name": started.name,
        "swanlab": sink.url or str(run_dir),
        "counts": dict(sink.counts),
        "short": bool(source.short),
        "lost": tuple(Lost(**item) for item in sink.lost()),
        "notices": (
            *source.notices,
            *(source.short if depth == "none" else ()),
            *(f"{count} {LEFT_OUT[what]}" for what, count in selection.left_out.items()),
            *(
                (f"its list says no more where the files of its artifacts are: --artifacts {job.artifacts_were} does",)
                if job.artifacts_were
                else ()
            ),
        ),
    }
    if recorded is not None and depth != "none":
        theirs = recorded()
        theirs.about["id"] = started.run_id
        parity = compare_runs(theirs, StoredRun(run_dir), reference.source, depth=depth, system=True, same_source=True)
        facts |= {
            "identical": parity.identical,
            "differences": parity.differences(),
            "verified": depth,
            "not_compared": parity.unseen,
        }
        if options.mode != "online":
            how = f"compared with its source ({depth})"
            amend_metadata(run_dir, parity=checked(how=how, identical=parity.identical))
    return facts


def main() -> int:
    """Reads jobs as JSON lines, writes `{"points": n}` and `{"report": {...}}` lines.

    Ends at once when its standard input does: the command that started it is gone, and what it has half written is
    made anew by the next command.
    """
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever SwanLab and wandb print goes to the log
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # SwanLab prints pictures of floppy disks
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    jobs: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(jobs, sys.stdin), daemon=True).start()
    while True:
        job = Job.model_validate_json(jobs.get())

        def say(**message: Any) -> None:
            out.write(json.dumps(message) + "\n")
            out.flush()

        report = convert(job, lambda points: say(points=points))
        exports.forget()
        say(report=report.model_dump(mode="json"))


def _listen(jobs: queue.SimpleQueue[str], stdin: IO[str]) -> None:
    for line in stdin:
        jobs.put(line)
    shutil.rmtree(os.environ[exports.PLACE], ignore_errors=True)
    os._exit(0)
