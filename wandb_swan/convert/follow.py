"""`convert --follow`: runs kept in step: new ones come, running ones grow, those that have ended are compared and left.

Each round lists the runs once. A run that grows has a worker process that has caught up with it and waits; it is told
when the list says that there is more. Where more runs grow than there are workers, they take turns.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from ..exceptions import WandbSwanError
from ..journal.paths import shown
from ..sources import exports
from ..sources.local_run import IDLE
from ..sources.reference import RunReference
from ..sources.selection import Options
from .choice import Chosen
from .jobs import CaughtUp, Job, Word
from .manifest import Manifest
from .mirrored import MirroredRuns
from .report import Report, RunReport
from .scheduler import convert_reference, mirrored_runs, report_of, result_of, skipped
from .stop import Stopped, ignore_signals, stoppable
from .workers import Worker, pool

WORKERS = 8
"""Worker processes if not given, whatever the number of processors: most of them wait."""
TURN = 300.0
"""Seconds for which a run that grows keeps its worker when others wait: to take it up again, all of it is read."""
BACKOFF, LAST_BACKOFF = 2, 3600.0
"""How much longer it takes each time until a run that has failed is tried again, and the longest time in seconds."""
CLOSING = 60.0
"""Seconds that conversions have at the end of the command to close their SwanLab runs."""


@dataclass
class _Task:
    """A conversion that is being made."""

    job: Job
    reference: RunReference
    """As it was when it was looked at last."""
    began: float
    worker: Worker | None = None
    """Waits for a word; None: it is at work."""
    points: int | None = None
    """That it had written when it had caught up last; None: it has not yet."""
    close: bool = False
    """It is to be closed when it has caught up."""


@dataclass
class _Failures:
    count: int = 0
    again_at: float = 0.0


@dataclass
class _News:
    """What has happened since the last round."""

    grown: set[str] = field(default_factory=set)
    points: int = 0


class Following:
    """Keeps runs in step until it is stopped."""

    def __init__(
        self,
        look: Callable[[], Chosen],
        options: Options,
        *,
        every: float,
        workers: int,
        console: Console | None,
        on_report: Callable[[Report], None],
    ) -> None:
        """
        Args:
            look: Lists the runs; asked at each round.
            options: How they are converted.
            every: Seconds between two rounds.
            workers: Worker processes; 0: `WORKERS`.
            console: Where is said what happens; None: nowhere.
            on_report: Told after each round in which something has happened.
        """
        self._options = options.with_whole_paths()
        self._look = look
        self._every = every
        self._workers = workers or WORKERS
        self._console = console or Console(quiet=True)
        self._on_report = on_report
        self._begin = time.monotonic()
        self._inbox: queue.SimpleQueue[tuple[Literal["caught up", "ended"], str, Any]] = queue.SimpleQueue()
        self._known: dict[str, RunReference] = {}
        self._left: set[str] = set()
        """Those that are listed no more and were looked at a last time."""
        self._tasks: dict[str, _Task] = {}
        self._waiting: list[str] = []
        self._failures: dict[str, _Failures] = {}
        self._reports: dict[str, RunReport] = {}
        self._place = Chosen([]).place
        self._news = _News()
        self._changed = False
        self._manifest: Manifest

    def run(self) -> int:
        """Follows until Ctrl-C or SIGTERM; returns the exit code.

        Raises:
            WandbSwanError: the first look finds no project or folder, or another command is at it.
            OSError: the log directory cannot be written.
        """
        chosen: Chosen | None = self._look()
        self._manifest = Manifest(self._options.log_dir)
        threads = ThreadPoolExecutor(self._workers, thread_name_prefix="follow")
        pool.open()
        with stoppable() as signals:
            try:
                while True:
                    if signals:  # some library has caught what it raised
                        raise Stopped(signals[0])
                    self._round(chosen, threads)
                    self._wait(threads)
                    chosen = self._looked()
            except Stopped as stopped:
                self._stop()
                return stopped.code
            finally:
                ignore_signals()
                pool.close()
                threads.shutdown(wait=True, cancel_futures=True)
                exports.remove_all(self._options.log_dir)
                self._manifest.close()

    # -- a round ---------------------------------------------------------------------------------------------------

    def _looked(self) -> Chosen | None:
        try:
            return self._look()
        except (WandbSwanError, OSError) as error:
            self._say(f"{error}; the next look is in {self._every:.0f} s")
            return None

    def _round(self, chosen: Chosen | None, threads: ThreadPoolExecutor) -> None:
        """Takes in what the list of runs says."""
        if chosen is None:
            return
        if chosen.place != self._place:
            self._changed = True
        self._place = chosen.place
        now = {reference.key: reference for reference in chosen.runs}
        mirrored = mirrored_runs(self._options, self._manifest)
        for key, reference in now.items():
            self._known[key] = reference
            if key in self._tasks:
                self._look_at(self._tasks[key], reference)
            elif key not in self._waiting and self._is_wanted(key, mirrored):
                self._waiting.append(key)
        self._waiting = [key for key in self._waiting if key in now or self._follows(key)]
        self._left -= now.keys()
        for key in self._known:
            if key not in now and key not in self._left:
                self._look_a_last_time(key)
        self._fill(threads)

    def _is_wanted(self, key: str, mirrored: MirroredRuns) -> bool:
        """Whether a run is to be converted now."""
        reference = self._known[key]
        failures = self._failures.get(key)
        if failures is not None and time.monotonic() < failures.again_at:
            return False
        report = skipped(reference, self._options, self._manifest, mirrored)
        if report is None:
            return True
        if key not in self._reports or self._reports[key].state != "converted":
            self._note(key, report)
        return False

    def _look_at(self, task: _Task, reference: RunReference) -> None:
        """What the list says of a run that is being converted."""
        if reference.logs != task.reference.logs:  # it was resumed: all its logs are one run
            self._tell(task, "close")
        elif task.worker is None:
            return  # at work: the next round compares with what it knew when it began to
        elif reference.fingerprint != task.reference.fingerprint:
            task.reference = reference
            self._tell(task, "more")
        elif reference.kind == "local" and time.time() - reference.changed_at > IDLE:
            self._tell(task, "end")

    def _look_a_last_time(self, key: str) -> None:
        """A run that is listed no more was removed, is no longer asked for, or has ended (`--state running`): what came
        at its end is taken before it is left."""
        task = self._tasks.get(key)
        if task is None:
            if self._follows(key) and key not in self._waiting:  # it had its turn
                self._waiting.append(key)
        elif task.worker is not None:
            self._left.add(key)
            self._tell(task, "more")
            task.close = True

    def _follows(self, key: str) -> bool:
        """Whether a run is in SwanLab as far as it had come when it was looked at last."""
        return key in self._reports and self._reports[key].state == "following"

    def _tell(self, task: _Task, word: Word) -> None:
        task.close = task.close or word == "close"
        if task.worker is None:
            return
        worker, task.worker = task.worker, None
        with suppress(OSError):  # it has died, which its thread says
            worker.tell(word)

    def _fill(self, threads: ThreadPoolExecutor) -> None:
        """Gives free workers to the runs that wait; where there is none, a run that has had its turn leaves its own.

        One worker is kept for runs that have ended, so that they do not wait for turns.
        """
        most_growing = max(1, self._workers - 1)
        for key in list(self._waiting):
            growing = [task for task in self._tasks.values() if task.job.follow]
            reference = self._known[key]
            if len(self._tasks) < self._workers and (not reference.growing or len(growing) < most_growing):
                self._waiting.remove(key)
                self._start(key, reference, threads)
                continue
            had = [task for task in growing if task.worker and not task.close and time.monotonic() - task.began > TURN]
            if had and not any(task.close for task in growing):
                self._tell(min(had, key=lambda task: task.began), "close")

    def _start(self, key: str, reference: RunReference, threads: ThreadPoolExecutor) -> None:
        job = self._manifest.start(reference, self._options, follow=reference.growing)
        self._manifest.save()
        self._tasks[key] = _Task(job, reference, time.monotonic())

        def caught_up(worker: Worker, said: dict[str, Any]) -> None:
            self._inbox.put(("caught up", key, (worker, CaughtUp.model_validate(said))))

        def ended(future: Future[str]) -> None:
            self._inbox.put(("ended", key, future))

        future = threads.submit(convert_reference, job.model_dump_json(), caught_up=caught_up)
        future.add_done_callback(ended)

    # -- what conversions say --------------------------------------------------------------------------------------

    def _wait(self, threads: ThreadPoolExecutor) -> None:
        """Until the next round: hears what conversions say, and says what has happened."""
        until = time.monotonic() + self._every
        while (left := until - time.monotonic()) > 0:
            try:
                item = self._inbox.get(timeout=min(left, 1.0))
            except queue.Empty:
                continue
            self._hear(*item)
            self._fill(threads)
        if self._news.grown:
            count = len(self._news.grown)
            self._say(f"{count} run{'s' if count > 1 else ''} grown by {self._news.points:,} points")
        self._news = _News()
        if self._changed:
            self._changed = False
            self._on_report(self.report())

    def _hear(self, kind: str, key: str, said: Any) -> None:
        task = self._tasks[key]
        if kind == "ended":
            self._ended(key, task, said)
            return
        task.worker, caught_up = said
        self._caught_up(key, task, caught_up)
        if task.close:
            self._tell(task, "close")

    def _caught_up(self, key: str, task: _Task, said: CaughtUp) -> None:
        reference = task.reference
        report = report_of(reference, "following", swanlab=said.swanlab, counts=said.counts)
        before, task.points = task.points, report.points
        if before is None:
            self._say(f"{_name(reference)}: follows, {report.points:,} points so far, {_place(said.swanlab)}")
        elif report.points > before:
            self._news.grown.add(key)
            self._news.points += report.points - before
        if said.trouble:
            task.reference = reference.model_copy(update={"fingerprint": ""})  # look again at the next round
            self._say(f"{_name(reference)}: {said.trouble}; the next look is in {self._every:.0f} s")
        if report.points != before:
            self._note(key, report)

    def _ended(self, key: str, task: _Task, future: Future[str]) -> None:
        del self._tasks[key]
        reference = task.job.reference
        report = result_of(future, reference)
        self._manifest.note(reference, self._options, report)
        if report.state == "converted" and not report.goes_on:
            where = f"{_verdict(report)}, {_place(report.swanlab)}"
            self._say(f"{_name(reference)}: converted, {report.points:,} points{where}")
        if report.state == "converted" and not report.short:
            self._failures.pop(key, None)
        else:
            failures = self._failures.setdefault(key, _Failures())
            failures.count += 1
            pause = min(LAST_BACKOFF, self._every * BACKOFF**failures.count)
            failures.again_at = time.monotonic() + pause
            if report.state != "converted":
                self._say(f"{_name(reference)}: failed: {report.reason}; tried again in {pause:.0f} s")
        self._manifest.save()
        state = "following" if report.goes_on else report.state
        self._note(key, report.without_sent().model_copy(update={"state": state}))

    # -- the end and the report ------------------------------------------------------------------------------------

    def _stop(self) -> None:
        """Has the conversions close their SwanLab runs, and says how to go on."""
        until = time.monotonic() + CLOSING
        with suppress(Stopped):  # a second Ctrl-C
            for task in self._tasks.values():
                self._tell(task, "close")
            while self._tasks and (left := until - time.monotonic()) > 0:
                with suppress(queue.Empty):
                    self._hear(*self._inbox.get(timeout=min(left, 1.0)))
        ignore_signals()
        for key in (*self._tasks, *self._waiting):
            if key in self._tasks or not self._follows(key):
                self._note(key, report_of(self._known[key], "interrupted", reason="stopped before it was done"))
        self._on_report(self.report())
        go_on = sum(run.state in ("following", "interrupted", "failed") for run in self._reports.values())
        whole = len(self._reports) - go_on
        self._say(f"stopped: {whole} done, {go_on} not yet; type the same command again to go on")

    def report(self) -> Report:
        """What has become of each run by now."""
        runs = tuple(self._reports[key] for key in self._known if key in self._reports)
        seconds = time.monotonic() - self._begin
        return Report(runs=runs, place=self._place, seconds=seconds, workers=self._workers)

    def _note(self, key: str, report: RunReport) -> None:
        if self._reports.get(key) != report:
            self._reports[key] = report
            self._changed = True

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def _name(reference: RunReference) -> str:
    return reference.name or reference.run_id


def _place(swanlab: str) -> str:
    """A SwanLab run as a person would type it: its URL, or its folder from here."""
    return swanlab if "://" in swanlab else str(shown(Path(swanlab)))


def _verdict(report: RunReport) -> str:
    return {True: ", identical", False: ", DIFFERENT", None: ""}[report.identical]
