"""One run of the past: written into one SwanLab run, and compared with its source."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

from ..exceptions import ExperimentEnded, WandbSwanError
from ..journal.status import points_of
from ..parity.answers import noted
from ..parity.cloud import CloudStored
from ..parity.comparison import compare_runs
from ..parity.recorded import Recorded
from ..parity.stored import StoredRun, checked
from ..sources.json_run import JsonRun
from ..sources.local_run import LocalRun
from ..sources.reference import RunReference, Source
from ..sources.selection import LEFT_OUT, Options, Selection
from ..stream.events import Event, HistoryRow, HistoryRows, RunFinished, RunStarted
from ..stream.state import state_of
from ..swan.config import amend_metadata
from ..swan.parts import Part
from ..swan.sdk import run_times
from ..swan.sdk.discard import discard
from ..swan.sdk.past_run import at_once
from ..swan.sdk.store import can_be_read
from ..swan.sent import Continuation, Sent
from ..swan.sink import Sink
from ..swan.target import Target
from .checker import Checker, compared, facts_of
from .jobs import CaughtUp, Job, Word
from .replacement import check
from .report import Lost

log = logging.getLogger("wandb_swan")

PROGRESS_ROWS = 2_000
"""Rows between two words of how far a run is."""
GOES_ON = "the run goes on: the same command takes it up again, and compares it when it has ended"
EXPERIMENTS = 5
"""SwanLab experiments that one conversion tries, where SwanLab's server ends them in the middle of it."""


def source_of(reference: RunReference, options: Options) -> Source:
    """Where a run's events come from."""
    if reference.kind == "local" and reference.logs[0].suffix != ".wandb":
        return JsonRun(reference.logs[0], reference.number)
    if reference.kind == "local":
        return LocalRun(list(reference.logs), reference.number, options)
    from ..sources.cloud_run import CloudRun

    return CloudRun(reference.path, options)


class Conversion:
    """One run on its way into SwanLab."""

    def __init__(
        self,
        job: Job,
        progress: Callable[[int], None],
        caught_up: Callable[[CaughtUp], Word],
        checker: Checker | None = None,
    ) -> None:
        """`progress` is told how many points are written. `caught_up` is asked what to do when all that there is by now
        of a run that grows is on its way to SwanLab. `checker` compares, where a processor is free for it."""
        self._checker = checker if job.beside and not job.follow and job.options.mode != "online" else None
        self._job = job
        self._options = job.options
        self._progress = progress
        self._caught_up = caught_up
        self._online = job.options.mode == "online"
        self._run_dir = job.options.log_dir / job.run_dir
        self.sent = job.sent.model_copy(deep=True)
        """What SwanLab's cloud has been sent, by now."""

    def convert(self) -> dict[str, Any]:
        """Converts the run; what a `RunReport` says of it.

        Raises:
            WandbSwanError: what the user can do something about; and whatever SwanLab raises.
        """
        for _ in range(EXPERIMENTS):
            self._beside = False
            sink = Sink(self._target())
            try:
                return self._converted(sink)
            except ExperimentEnded as error:
                log.warning("%s: the run is read again, into an experiment that runs", error)
                sink.abandon()
            finally:
                if self._beside and self._checker is not None:
                    self._checker.forget()
                if sink.uploads is not None:
                    self.sent.sent_at = max(self.sent.sent_at, sink.uploads.sent_at)
                    self.sent.refused = dict(sink.uploads.refused)
        raise WandbSwanError("SwanLab's server ends every experiment of this run; type the same command again")

    def _target(self) -> Target:
        options = self._options
        return Target(
            mode=options.mode,
            log_dir=options.log_dir,
            project=options.project,
            workspace=options.workspace,
            plotly_inline=options.plotly_inline,
            keep_original=options.keep_original,
            monitor=False,
            past=True,
            run_dir=self._job.run_dir,
        )

    def _converted(self, sink: Sink) -> dict[str, Any]:
        job, options = self._job, self._options
        source = source_of(job.reference, options)
        selection = Selection(options)
        depth = options.verify if self._online or can_be_read() else "none"
        recorded = noted(source) if depth != "none" else None
        self._beside = recorded is not None and self._checker is not None and self._checker.begin(source)
        events = selection.of(source.growing() if job.follow else source.events())
        original = next(events)
        assert isinstance(original, RunStarted)
        tags = tuple(dict.fromkeys((*original.tags, *options.tags)))
        started = original.changed(tags=tags, run_id=job.run_id)

        def folder(path: Any) -> None:
            selection.folder = path
            sink.files_in(path)

        source.on_folder = folder
        discard(self._run_dir)
        quickly = at_once() if options.mode == "offline" and not job.follow else nullcontext()
        with quickly, run_times.original(started.started_at, lambda: source.finished_at):
            continuation = self._open(sink, started, source)
            finished, closed = self._write(sink, source, events)
            for path in selection.too_large:
                sink.losses.counts[path, f"file over --max-file-mb {options.max_file_mb:g}"] += 1
            sink.add_metadata(left_out=selection.all_left_out())
            goes_on = closed or source.goes_on
            state, reason = ("aborted", "the run goes on") if closed else state_of(finished)
            problem = continuation.close(state, reason, goes_on=goes_on)
        if problem:
            raise WandbSwanError(f"SwanLab has not confirmed the run: {problem}; type the same command again")
        if job.replaces and not self._online and (options.log_dir / job.replaces).is_dir():
            if job.force:
                StoredRun(self._run_dir)  # read back, before the other one goes
            else:
                check(options.log_dir / job.replaces, self._run_dir)
        facts: dict[str, Any] = {
            "state": "converted",
            "name": started.name,
            "swanlab": sink.url or str(self._run_dir),
            "counts": dict(sink.counts),
            "short": bool(source.short),
            "goes_on": closed,
            "fingerprint": source.fingerprint,
            "lost": tuple(Lost(**item) for item in sink.lost()),
            "notices": (
                *source.notices,
                *((GOES_ON,) if closed else ()),
                *(source.short if depth == "none" else ()),
                *(f"{count} {LEFT_OUT[what]}" for what, count in selection.left_out.items()),
                *(
                    (f"its list says no more where the files of its artifacts are: --artifacts {artifacts} does",)
                    if (artifacts := job.artifacts_were)
                    else ()
                ),
            ),
        }
        if recorded is None or closed:  # it is compared when it has ended
            return facts
        if self._online:
            theirs = recorded()
            theirs.about["id"] = started.run_id
            return facts | self._compared_online(theirs, sink)
        return facts | self._compared(recorded, started.run_id)

    def _write(self, sink: Sink, source: Source, events: Iterator[Event | None]) -> tuple[RunFinished | None, bool]:
        """Writes what comes, to the end of a run that grows too. Returns its exit, and whether it was left before."""
        finished: RunFinished | None = None
        told = 0
        for event in events:
            if event is None:
                sink.flush()
                word = self._caught_up(self._news(sink, source))
                if word == "close":
                    return None, True
                if word == "end":
                    source.over = "the run ended without an exit record, and has logged nothing for long (killed?)"
                continue
            sink.write(event)
            if isinstance(event, HistoryRow | HistoryRows):
                if sink.counts["rows"] - told >= PROGRESS_ROWS:
                    told = sink.counts["rows"]
                    self._progress(points_of(sink.counts))
            elif isinstance(event, RunFinished):
                finished = event
        return finished, False

    def _news(self, sink: Sink, source: Source) -> CaughtUp:
        where = sink.url or str(self._run_dir)
        return CaughtUp(counts=dict(sink.counts), swanlab=where, trouble=source.trouble)

    def _open(self, sink: Sink, started: RunStarted, source: Source) -> Continuation:
        """Starts the SwanLab run, or goes on with what SwanLab's cloud has of it."""
        if self._online:
            self.sent.wait_until_counted()
        sink.open(started)

        def is_same(metadata: dict[str, Any]) -> bool:
            return self._is_same(metadata, started)

        continuation = Continuation(sink, self.sent, started, is_same=is_same)
        continuation.continue_steps(Part, [])
        continuation.continue_lines()
        sink.add_metadata(**source.metadata)
        if self._online:
            sink.flush()  # the config says whose run this is before the first point is there
        return continuation

    def _is_same(self, metadata: dict[str, Any], started: RunStarted) -> bool:
        """Whether what an experiment's config says is of this run: its start, page, or entity, project and id."""
        if metadata.get("started_at") == started.started_at:
            return True
        reference = self._job.reference
        if reference.url and metadata.get("url") == reference.url:
            return True
        in_wandb = reference.kind == "cloud" or str(metadata.get("url") or "").startswith("http")
        entity = metadata.get("entity") or started.entity  # a live run may not have known it
        ids = metadata.get("id"), metadata.get("project"), entity
        return in_wandb and ids == (started.run_id, started.project, started.entity or entity)

    # -- compared with its source ----------------------------------------------------------------------------------

    def _compared(self, recorded: Callable[[], Recorded], run_id: str) -> dict[str, Any]:
        depth = self._options.verify
        assert depth != "none"
        what = self._run_dir, self._job.reference.source, run_id, depth
        found = self._checker.finish(*what) if self._beside and self._checker is not None else None
        self._beside = False
        if found is None:
            found = compared(recorded(), *what)
        how = f"compared with its source ({depth})"
        amend_metadata(self._run_dir, parity=checked(how=how, identical=found["identical"]))
        return found

    def _compared_online(self, recorded: Recorded, sink: Sink) -> dict[str, Any]:
        """Against what SwanLab's cloud has: the local folder holds only what this try has sent."""
        place = sink.place
        if place is None:
            return {"not_compared": ("all of it: this SwanLab does not say where in its cloud the run is",)}
        if sink.uploads is not None:
            Sent(sent_at=sink.uploads.sent_at).wait_until_counted()
        try:
            stored = CloudStored(place)
            depth = self._options.verify
            assert depth != "none"
            source = self._job.reference.source
            parity = compare_runs(recorded, stored, source, depth=depth, system=True, same_source=True)
        except WandbSwanError as error:  # e.g. a self-hosted SwanLab without that API
            return {"not_compared": (f"all of it: SwanLab's cloud gives nothing back: {error}",)}
        return facts_of(parity, "counts", (*parity.unseen, *stored.unreadable))
