"""A run in a local `wandb/` folder, as events read from its transaction logs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError
from pydantic import BaseModel, ConfigDict
from wandb.proto import wandb_internal_pb2 as pb

from ..exceptions import WandbSwanError
from ..journal.framing import FILE_HEADER
from ..journal.reader import LogReader
from ..stream.events import Artifact, Event, HistoryRow, HistoryRows, RunChanged, RunFinished, RunStarted
from ..stream.records import Decoder
from ..stream.summary import LoggedSummary
from ..stream.together import HISTORY, decoded, with_fields
from ..stream.wire import record_field
from .reference import RunReference
from .selection import Options

if TYPE_CHECKING:
    from .local_artifacts import LocalArtifacts

IDLE = 1800.0
"""Seconds in which a log that says no end of its run may be silent before the run is taken as killed: an epoch may
take long, and what comes later all the same is converted then."""
LAST_BLOCK = 1.0
"""Seconds after the exit record in which the rest of a log is written."""
_TELEMETRY, _RUN, _EXIT = 11, 17, 18
"""Field numbers of `wandb_internal.Record`."""
_KEPT = 32 << 20
"""Bytes of a log that is read once: one that is larger is read twice, to be held by nobody."""
_LFS = b"version https://git-lfs.github.com/"


class Segment(BaseModel):
    """One transaction log: what one process recorded of a run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    log: FilePath
    started: RunStarted
    described: RunChanged
    """Name, notes, tags, group and job type as they were last."""
    exit_code: int | None = None
    resumed: bool = False
    """Whether it goes on with a run that W&B's server knew."""
    rows: int = 0
    first_step: int | None = None
    last_step: int | None = None
    torn: str | None = None


def survey(log: FilePath, keep: list[tuple[int, bytes]] | None = None) -> Segment | None:
    """Reads a whole log without decoding its values. None if no run was started in it. Raises OSError.

    All its records go into `keep`, with the field numbers of their contents.
    """
    decoder = Decoder()
    described: RunChanged | None = None
    resumed = False
    rows, first, last = 0, b"", b""
    with LogReader(log) as reader:
        for kind, payload in with_fields(reader):
            if keep is not None:
                keep.append((kind, payload))
            if kind == HISTORY:
                rows += 1
                first, last = first or payload, payload
            elif kind == _TELEMETRY:
                resumed = resumed or _says_resumed(payload)
            elif kind in (_RUN, _EXIT):
                for event in decoder.feed(payload):
                    if isinstance(event, RunStarted | RunChanged):
                        described = _described(event)
        torn = reader.torn()
    if decoder.started is None or described is None:
        return None
    return Segment(
        log=log,
        started=decoder.started,
        described=described,
        resumed=resumed or decoder.started.resumed or decoder.started.starting_step > 0,
        exit_code=decoder.finished.exit_code if decoder.finished else None,
        rows=rows,
        first_step=_step(first),
        last_step=_step(last),
        torn=torn,
    )


def _described(event: RunStarted | RunChanged) -> RunChanged:
    return RunChanged(**{name: getattr(event, name) for name in RunChanged.model_fields})


def _says_resumed(payload: bytes) -> bool:
    """No run record of a log does: it was written before the server answered."""
    try:
        return bool(pb.Record.FromString(payload).telemetry.feature.resumed)
    except DecodeError:
        return False


def why_none(log: FilePath) -> tuple[str, bool]:
    """Why no run can be read from a log, and whether it is damaged: then it may have held one. Raises OSError."""
    if log.stat().st_size <= len(FILE_HEADER):
        return "is empty", False
    with log.open("rb") as file:
        if file.read(len(_LFS)) == _LFS:
            return "is a Git LFS pointer in place of the log; `git lfs pull` brings it", False
    with LogReader(log) as reader:
        records = sum(1 for _ in reader)
        torn = reader.torn()
    return (torn, True) if torn else (f"holds no run ({records} records)", False)


def _step(payload: bytes) -> int | None:
    rows = [event for event in Decoder().feed(payload) if isinstance(event, HistoryRow)]
    return rows[0].step if rows else None


class LocalRun:
    """One run in one or, if it was resumed, several transaction logs."""

    def __init__(self, logs: list[FilePath], number: int = 1, options: Options | None = None) -> None:
        self.logs = logs
        self._artifacts: LocalArtifacts | None = None
        if options is not None and options.artifacts is not None:
            from .local_artifacts import LocalArtifacts  # with all that brings files: seldom asked for

            self._artifacts = LocalArtifacts(options)
        self.number = number
        """Over 1 where the run id was used before, for another run."""
        self.notices: list[str] = []
        """What a reader of the report should know: torn files, rows that a later log replaced."""
        self.short: list[str] = []
        self.finished_at = 0.0
        """The time of the last thing that happened, seconds since the epoch."""
        self._records: list[tuple[int, bytes]] | None = None
        """Those of a single log that is not large, until they are decoded."""
        self.goes_on = False
        self.over = self.trouble = self.fingerprint = ""
        self.on_folder: Callable[[FilePath], None] = lambda folder: None
        """Told the files folder of what comes next: media and saved files are there."""
        self.on_answer: Callable[[str, Any], None] = lambda kind, answer: None

    @cached_property
    def segments(self) -> list[Segment]:
        """The logs, in order of time."""
        found = [segment for log in self.logs if (segment := survey(log, self._records)) is not None]
        return sorted(found, key=lambda segment: (segment.started.started_at, segment.log.parent.name))

    @cached_property
    def started(self) -> RunStarted | None:
        """The run's start, without reading the whole log."""
        return head(self.logs[0])

    @property
    def run_id(self) -> str:
        """wandb's id; with a number where it was used before for another run."""
        name = self.started.run_id if self.started else self.logs[0].stem.removeprefix("run-")
        return name if self.number == 1 else f"{name}-{self.number}"

    @property
    def state(self) -> str:
        """As W&B calls it: finished, failed, killed, or crashed where there is no exit."""
        code = self.segments[-1].exit_code if self.segments else None
        return {None: "crashed", 0: "finished", 255: "killed"}.get(code, "failed")

    @property
    def metadata(self) -> dict[str, Any]:
        """Facts for the config key `wandb_run`."""
        started = self.started
        return {"id": started.run_id if started else None, "converted_from": [log.parent.name for log in self.logs]}

    def reference(self) -> RunReference:
        """The run as a piece of work."""
        started = self.started
        stats = [log.stat() for log in self.logs]
        return RunReference(
            kind="local",
            source=", ".join(f"{log.parent.name}/{log.name}" for log in self.logs),
            origin=f"{self.logs[0].parent.name}/{self.logs[0].name}",
            run_id=self.run_id,
            name=started.name if started else "",
            project=started.project if started else "",
            started_at=started.started_at if started else min(stat.st_mtime for stat in stats),
            tags=started.tags if started else (),
            fingerprint=_fingerprint(self.logs, stats),
            logs=tuple(log.absolute() for log in self.logs),
            number=self.number,
            apart=f"{started.started_at:.6f}" if started else "",
            growing=time.time() - max(stat.st_mtime for stat in stats) < IDLE,
            changed_at=max(stat.st_mtime for stat in stats),
        )

    def events(self) -> Iterator[Event]:
        """Everything that happened: first the RunStarted, last the RunFinished.

        Raises:
            WandbSwanError: no log holds a started run.
            OSError: a log cannot be read.
        """
        for event in self._told(grows=False):
            assert event is not None
            yield event

    def growing(self) -> Iterator[Event | None]:
        """The same of a run whose last log is still written: None says that this is all by now."""
        yield from self._told(grows=True)

    def _told(self, *, grows: bool) -> Iterator[Event | None]:
        if len(self.logs) == 1 and not grows and self.logs[0].stat().st_size <= _KEPT:
            self._records = []
        segments = self.segments
        if not segments:
            whys = ((log.name, *why_none(log)) for log in self.logs)
            raise WandbSwanError("; ".join(why if damaged else f"{name} {why}" for name, why, damaged in whys))
        first, last = segments[0], segments[-1]
        summary = LoggedSummary()
        own = {"run_id": self.run_id, "resumed": len(segments) > 1}
        yield first.started.changed(**dict(last.described), **own)
        finished: RunFinished | None = None
        told = said = last.described
        for number, segment in enumerate(segments):
            cut = _cut_at(segments[number + 1 :])
            for event in self._segment(segment, cut, summary, grows=grows and segment is last):
                if isinstance(event, RunStarted | RunChanged):  # the start has what they said until the survey
                    said = _described(event)
                    continue
                if segment is last and said != told and (event is None or isinstance(event, RunFinished)):
                    told = said
                    yield said
                if isinstance(event, RunFinished):
                    finished = event
                else:
                    yield event
        assert finished is not None
        if self._artifacts is not None:
            self.notices += self._artifacts.files.notices
            self.short += self._artifacts.files.short
        yield from summary.events()
        yield finished

    def _segment(
        self, segment: Segment, cut: int | None, summary: LoggedSummary, *, grows: bool
    ) -> Iterator[Event | None]:
        self.on_folder(segment.log.parent / "files")
        decoder = Decoder()
        replaced = 0
        ended = not grows
        with LogReader(segment.log, patient=grows) as reader:
            while True:
                if grows:  # before the look: what comes after it is looked at again
                    with suppress(OSError):  # it was removed: what is open has all of it
                        self.fingerprint = _fingerprint(self.logs, [log.stat() for log in self.logs])
                kept, self._records = self._records, None
                for event in decoded(kept or with_fields(reader), decoder, summary, together=cut is None):
                    if isinstance(event, HistoryRow) and cut is not None and (event.step or 0) >= cut:
                        replaced += 1
                        continue
                    if isinstance(event, HistoryRows):
                        self.finished_at = max(self.finished_at, *event.timestamps)
                    else:
                        self.finished_at = max(self.finished_at, getattr(event, "timestamp", 0.0))
                    if isinstance(event, Artifact) and self._artifacts is not None:
                        yield from self._artifacts.of(event, decoder.manifest, segment.started, segment.log.parent)
                    else:
                        yield event
                self.trouble = str(reader.trouble or "")
                if ended or self.over or reader.damage:
                    break
                if decoder.finished is not None:  # wandb's core writes the log's last block some milliseconds later
                    ended = True
                    time.sleep(LAST_BLOCK)
                else:
                    yield None
            torn = segment.torn if kept else reader.torn()
        if torn:
            self.notices.append(f"{torn}: converted up to there")
        if replaced:
            self.notices.append(f"{segment.log.name}: {replaced} rows from step {cut} on were replaced when it resumed")
        yield from decoder.finish(reason=torn or self.over or "the run ended without an exit record (killed?)")


def _fingerprint(logs: list[FilePath], stats: list[os.stat_result]) -> str:
    return ",".join(f"{log.name}:{stat.st_size}:{stat.st_mtime_ns}" for log, stat in zip(logs, stats, strict=True))


def _cut_at(later: list[Segment]) -> int | None:
    """The first step that a later log of the run writes again: wandb counts the rows before it, and not those after."""
    starts = [
        segment.started.starting_step or (segment.first_step if segment.first_step is not None else None)
        for segment in later
    ]
    return min((start for start in starts if start is not None), default=None)


def head(log: FilePath) -> RunStarted | None:
    """The start of a log's run. None if none was started or the file cannot be read."""
    decoder = Decoder()
    try:
        with LogReader(log) as reader:
            for payload in reader:
                if record_field(payload) == _RUN:
                    for _ in decoder.feed(payload):
                        pass
                    break
    except OSError:
        return None
    return decoder.started
