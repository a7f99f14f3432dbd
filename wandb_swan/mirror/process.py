"""The mirror: a process that follows one journal and replays it into SwanLab, until the run or the trainer ends."""

from __future__ import annotations

import argparse
import io
import logging
import os
import shutil
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from ..capture.process import BUSY, block_signals
from ..defaults import FINISH_TIMEOUT, LOG_DIR
from ..exceptions import ExperimentEnded, WandbSwanError
from ..journal.claim import Claim
from ..journal.life import Trainer, remove_marks
from ..journal.notes import parse_note
from ..journal.paths import earlier_journals, run_folder
from ..journal.reader import LogReader
from ..journal.status import is_whole, read_status, write_status
from ..stream.events import Alert, Artifact, ConsoleLine, Event, FileSaved, HistoryRow, RunChanged, RunStarted
from ..stream.records import Decoder
from ..swan.parts import Part, after, name_successor, part_of
from ..swan.sdk.unacknowledged import SERVER_LAG
from .reconcile import Reconciler

log = logging.getLogger("wandb_swan")

POLL = 0.1
"""Seconds between two looks at a journal that has nothing new."""
STATUS_INTERVAL = 1.0
"""Seconds between two writes of the status file."""
LOG_PATIENCE = 5.0
"""Seconds that wandb's core has, after a finished run, to write the end of its own log."""
RECORDS_A_TURN = 5_000
FIRST_RETRY, LAST_RETRY = 2.0, 60.0
"""Seconds between two tries to start the SwanLab run."""

BACKLOG = 50_000
"""Records that SwanLab's server has not taken, above which the journal is left to wait: memory stays bounded."""

READ_PATIENCE = 60.0
"""Seconds for which a journal that cannot be read is tried again once its training has ended."""
EXPERIMENTS = 5
"""SwanLab experiments that one mirror tries, where SwanLab's server ends them in the middle of the run."""

_ONCE = (ConsoleLine, FileSaved, Alert, Artifact)
"""Events that must not be written a second time when wandb's log repeats them."""


class Superseded(Exception):
    """Another process has taken the journal: nothing of it may be touched any more."""


class Mirror:
    """Replays one journal into one SwanLab run."""

    def __init__(self, journal: Path) -> None:
        self.journal = journal
        self._claim = Claim.of(journal)
        self._trainer = Trainer(journal, {})
        self._live = False
        """Whether the training's process ran when this one came to the journal."""
        self._unread: float | None = None
        """Since when (monotonic) the journal cannot be read."""
        self._superseded: list[str] = []
        """SwanLab folders of earlier tries, removed once a whole one is there."""
        self._status_at = 0.0
        self._mode = ""
        self._no_credentials = False
        self._sent_at = 0.0
        self._part: Part | None = None
        """Where the run's steps go in SwanLab; None until that is known."""
        self._tried = False
        """Whether an earlier try has said anything, of which the status file may have been lost."""
        self._lines_before: int | None = None
        """Console lines that the experiment had before this journal; None: this is the first try."""
        self._refused: dict[str, int] = {}
        """Reason -> values that SwanLab refused in an earlier try: what it has is not sent again, nor refused again."""
        self._lines_at: str | None = None
        """The URL of that experiment."""
        self._fresh(from_log=False)

    def _fresh(self, *, from_log: bool) -> None:
        self._decoder = Decoder()
        self._sink: Any = None
        self._checks = Reconciler(None)
        self._rows_from_log = from_log
        self._written: Counter[type[Event]] = Counter()

    def run(self) -> int:
        """Follows the journal to its end.

        Returns the exit code: 0 finished, 1 not whole in SwanLab, 3 another process is at it.
        """
        try:
            if not self._claim.take():
                log.error("%s is being mirrored by another process", self.journal.name)
                return BUSY
            self._trainer = Trainer.of(self.journal)
            self._live = self._trainer.runs()
            self._remember_earlier_try()
            return self._follow_experiments()
        except Superseded:
            log.error("%s is being mirrored by another process now: this one was silent for too long", self.journal)
            return BUSY
        except (WandbSwanError, OSError) as error:  # what the user can do something about
            log.error("%s", error)
            self._status("failed", reason=str(error))
            return 1
        except Exception as error:
            log.exception("the mirror stopped")
            self._status("failed", reason=f"{type(error).__name__}: {error}")
            return 1
        finally:
            self._claim.release()

    def _follow_experiments(self) -> int:
        """Follows the journal, from its start again if SwanLab's server has ended the experiment meanwhile."""
        for _ in range(EXPERIMENTS):
            try:
                return self._follow()
            except ExperimentEnded as error:
                log.warning("%s: the journal is replayed, into an experiment that runs", error)
                self._sink.abandon()
                self._fresh(from_log=self._rows_from_log)
        raise WandbSwanError("SwanLab's server ends every experiment of this run")

    # -- following -------------------------------------------------------------------------------------------------

    def _follow(self) -> int:
        self._status("starting")
        with LogReader(self.journal, patient=True) as reader:
            while True:
                alive = self._may_grow()  # asked before the read: what was written before the death is read
                if self._held_up(alive=alive):
                    time.sleep(POLL)
                    continue
                logged = self._checks.read_ahead()
                drained = self._turn(reader)
                if self._sink is not None:
                    self._take_from_log(drained=drained)
                if drained and (self._decoder.ended or not alive):
                    return self._end(reader)
                uploads = self._sink.uploads if self._sink is not None else None
                problem = reader.damage or (uploads.problem if uploads is not None else None)
                self._status("running", offset=reader.offset, reason=problem)
                if drained and not logged:
                    time.sleep(POLL)

    def _held_up(self, *, alive: bool) -> bool:
        """Whether SwanLab's server is so far behind that the journal has to wait for it.

        Raises:
            WandbSwanError: the trainer has ended, and the server takes nothing for as long as our patience lasts.
        """
        uploads = self._sink.uploads if self._sink is not None else None
        if uploads is None or uploads.waiting < BACKLOG:
            return False
        reason = f"SwanLab does not take what is sent: {uploads.problem or 'no answer'}"
        if uploads.stalled() and not alive:
            raise WandbSwanError(reason)
        self._status("running", reason=reason)
        return True

    def _turn(self, reader: LogReader) -> bool:
        """Reads what is there, at most some thousand records. Returns whether the journal has no more."""
        events: list[Event] = []
        count = 0
        for payload in reader:
            count += 1
            events.extend(self._decoder.feed(payload))
            if count >= RECORDS_A_TURN:
                break
        if self._decoder.rows_from_core:
            self._checks.from_log = True
        if self._sink is None and self._decoder.started is not None:
            # A name or tags set right after init are known by now: SwanLab takes them only at the start.
            changes = [event for event in events if isinstance(event, RunChanged)]
            started = self._decoder.started
            self._open(started.model_copy(update=changes[-1].model_dump()) if changes else started)
        if events and self._sink is not None:
            for event in events:
                self._write(event)
            self._sink.flush()
        return count < RECORDS_A_TURN and self._readable(reader)

    def _readable(self, reader: LogReader) -> bool:
        """Whether the journal could be read; if not, waits a moment.

        Raises:
            OSError: it could not for as long as our patience lasts, and its training has ended.
        """
        if reader.trouble is None:
            self._unread = None
            return True
        now = time.monotonic()
        if self._unread is None:
            self._unread = now
            log.warning("%s cannot be read (%s): it is tried again", self.journal.name, reader.trouble)
        if now - self._unread > READ_PATIENCE and not self._may_grow():
            raise reader.trouble
        time.sleep(1.0)
        return False

    def _write(self, event: Event) -> None:
        if isinstance(event, HistoryRow):
            if self._checks.from_log and self._checks.active:
                return
            self._checks.live(event)
        elif isinstance(event, RunStarted):
            return
        self._written[type(event)] += 1
        self._sink.write(event)

    def _take_from_log(self, *, drained: bool) -> None:
        rows = 0
        for row in self._checks.follow(self._decoder.step, drained=drained):
            self._sink.write(row)
            rows += 1
        if rows:
            self._sink.flush()

    # -- the SwanLab run -------------------------------------------------------------------------------------------

    def _open(self, started: RunStarted) -> None:
        from ..swan.sdk import probe
        from ..swan.sink import Sink
        from ..swan.target import Target, patience_within, resolve

        begin = self._decoder.begin
        settings = begin.get("settings", {})
        run = begin.get("run", {})
        self._mode, self._no_credentials, project, workspace = resolve(settings)
        log_dir = settings.get("log_dir") or LOG_DIR
        run_dir = None
        if self._mode != "online":
            run_dir, tries = run_folder(self.journal, begin, Path(log_dir), self._superseded)
            self._superseded += [folder for folder in tries if folder not in self._superseded]
        target = Target(
            mode=self._mode,
            log_dir=log_dir,
            project=project,
            workspace=workspace,
            files=run.get("files"),
            plotly_inline=bool(settings.get("plotly_inline")),
            keep_original=bool(settings.get("keep_original")),
            monitor=self._live,
            run_dir=run_dir,
            patience=patience_within(float(settings.get("finish_timeout") or FINISH_TIMEOUT)),
        )
        swan_id = self._rewound_id(started)

        def make() -> Any:
            probe.describe(begin.get("trainer", {}), monitor=self._live)
            return Sink(target)

        self._sink = self._started(make, started.model_copy(update={"run_id": swan_id}))
        self._continue_steps()
        self._continue_lines()
        self._sink.flush()  # the config says whose part this is before the first point is there
        told = {name: run.get(name) for name in ("url", "mode", "fork_from", "resume_from")}
        self._sink.tell(**told, id=started.run_id, versions=begin.get("versions"))
        if run.get("log_written") and run.get("log") and not run.get("shared"):
            self._checks = Reconciler(Path(run["log"]))
            self._checks.from_log = self._rows_from_log or self._decoder.rows_from_core
        self._status("running", force=True)

    def _rewound_id(self, started: RunStarted) -> str:
        """The SwanLab run's id: wandb's, but for `resume_from`, which undoes steps that SwanLab can not forget."""
        if not self._decoder.begin.get("run", {}).get("resume_from"):
            return started.run_id
        return f"{started.run_id}-rewound-{started.started_at:.0f}"

    def _continue_lines(self) -> None:
        """Console lines that an earlier try has sent are skipped; points SwanLab skips by their steps."""
        uploads = self._sink.uploads
        if uploads is None:
            return
        there = uploads.first_line
        if self._lines_before is None or self._lines_at != self._sink.url:
            self._lines_before = there
            uploads.first_try = self._lines_at is not None or not self._tried
            self._refused = {}
        uploads.refused.update(self._refused)
        self._lines_at = self._sink.url
        self._sink.tell(lines_before=self._lines_before)
        self._sink.skip_lines(there - self._lines_before)

    def _continue_steps(self) -> None:
        """Steps of this part that would fall on those of an earlier one go on behind them."""
        started = self._decoder.started
        assert started is not None
        earlier = self._earlier()
        if self._part is None:
            resumed = started.resumed or started.starting_step > 0
            told = [] if self._decoder.begin.get("run", {}).get("resume_from") else earlier  # a SwanLab run of its own
            self._part = after(told, mode=self._mode, project=started.project, resumed=resumed)
            if self._sink.uploads is not None:
                self._ask_for_steps(self._part, started)
        # An offset that was decided stays; all else this try finds out again.
        self._part.last_step = self._part.last_row = -1
        self._sink.part = self._part
        if self._part.step_offset:
            self._sink.tell(step_offset=self._part.step_offset, first_step=self._part.first_step)
        parts = [status.get("url") or status.get("run_dir") for status in earlier]
        self._sink.tell(earlier_parts=[where for where in parts if where] or None)

    def _ask_for_steps(self, part: Part, started: RunStarted) -> None:
        """What other folders and machines have sent to the experiment comes before this part; what an earlier try of
        this part has sent, whose status file is lost, does not."""
        uploads = self._sink.uploads
        there = uploads.last_step()
        if there < 0:
            return
        try:
            about = uploads.about()
        except Exception as error:
            log.warning("SwanLab does not say whose steps the experiment has: %s", error)
            about = {"started_at": started.started_at} if self._tried else {}
        if about.get("started_at") == started.started_at:
            offset = about.get("step_offset")
            part.step_offset = offset if isinstance(offset, int) else 0
            part.first_step = about.get("first_step") or 0
            lines = about.get("lines_before")
            if self._lines_before is None and isinstance(lines, int):
                self._lines_before, self._lines_at = lines, self._sink.url
            return
        part.steps_before = max(part.steps_before, there)
        if part.rows_before is not None:
            part.rows_before = max(part.rows_before, uploads.last_step(without="alerts"))

    def _earlier(self) -> list[dict[str, Any]]:
        """The statuses of the run's earlier parts, oldest first; not of runs with another id whose journals have such a
        name, nor of one that goes on at the same time."""
        assert self._decoder.started is not None
        found = []
        for journal in earlier_journals(self.journal):
            status = read_status(journal)
            at_once = journal.exists() and self._mode != "online" and Trainer.of(journal).may_write()
            if not at_once and status.get("run_id") == self._decoder.started.run_id:
                found.append(status)
        return found

    def _finish_earlier(self) -> None:
        """What the run's earlier journals still hold comes first, if any: wandb resumed the run, and the steps of the
        one SwanLab experiment only grow."""
        for journal in earlier_journals(self.journal):
            if not is_whole(journal):
                log.info("%s comes first", journal.name)
                if Trainer.of(journal).may_write():
                    code = BUSY  # two runs of one id at once: its own mirror brings it to its end
                else:
                    mirror = Mirror(journal)
                    code = mirror.run()
                    code = code if code == BUSY or mirror._decoder.started is not None else 0
                if code and self._mode == "online":
                    raise WandbSwanError(f"{journal.name} has to be finished first")
            self._sent_at = max(self._sent_at, float(read_status(journal).get("sent_at") or 0.0))

    def _started(self, make: Any, started: RunStarted) -> Any:
        """A sink with a started run. Tries again as long as the run goes on, and once more when it has ended."""
        pause = FIRST_RETRY
        with LogReader(self.journal, patient=True) as watch:
            while True:
                last = self._over(watch)
                try:
                    self._finish_earlier()
                    if self._mode == "online":
                        time.sleep(max(0.0, min(SERVER_LAG, self._sent_at + SERVER_LAG - time.time())))
                    sink = make()
                    sink.open(started)
                except Exception as error:
                    reason = f"{type(error).__name__}: {error}"
                    if self._mode != "online":
                        raise
                    if last:
                        raise WandbSwanError(f"SwanLab can not be reached: {reason}") from error
                    log.warning("SwanLab can not be reached (%s); the journal waits, next try in %.0f s", reason, pause)
                    self._status("waiting", reason=reason)
                    until = time.monotonic() + pause
                    while time.monotonic() < until and not self._over(watch):
                        time.sleep(POLL)
                    pause = min(2 * pause, LAST_RETRY)
                else:
                    return sink

    def _over(self, watch: LogReader) -> bool:
        """Whether the run has ended, told from the journal's notes without decoding its records."""
        alive = self._may_grow()
        for payload in watch:
            note = parse_note(payload)
            if note is not None and note.get("type") == "end":
                return True
        return not alive

    # -- the end ---------------------------------------------------------------------------------------------------

    def _end(self, reader: LogReader) -> int:
        torn = reader.torn()
        if self._sink is None:
            self._status("failed" if torn else "empty", reason=torn or "the journal holds no started run")
            return 1 if torn else 0
        if torn:
            log.warning("%s; the records before it are mirrored", torn)
        if torn or not self._decoder.ended:
            self._complete_from_log()
        for event in self._decoder.finish("the training process ended without finishing the run (killed?)"):
            self._write(event)
        self._read_log_to_its_end()
        self._checks.finish()
        self._checks.close()
        if self._checks.conflicts and self._checks.whole and self._mode != "online" and not self._rows_from_log:
            return self._again_from_log()
        return self._close(reader.offset, torn, damaged=reader.damage is not None and not self._checks.whole)

    def _read_log_to_its_end(self) -> None:
        """wandb's core writes the log's last block some milliseconds after `finish()` has returned (0.19 to 0.31)."""
        deadline = time.monotonic() + LOG_PATIENCE
        finished = self._live
        while True:
            if self._checks.read_ahead():
                self._take_from_log(drained=True)
            elif finished and self._checks.active and not self._checks.whole and time.monotonic() < deadline:
                time.sleep(POLL / 5)
            else:
                return

    def _complete_from_log(self) -> None:
        """The journal ends early (a full disk, damage): what a whole log of wandb has besides is taken from it."""
        self._read_log_to_its_end()
        path = self._checks.path
        if path is None or not self._checks.whole:
            return
        repeated = Counter(self._written)
        decoder = Decoder()
        with LogReader(path) as reader:
            for payload in reader:
                for event in decoder.feed(payload):
                    if isinstance(event, HistoryRow | RunStarted):
                        continue
                    if isinstance(event, _ONCE) and repeated[type(event)] > 0:
                        repeated[type(event)] -= 1
                        continue
                    self._sink.write(event)
        self._decoder.finished = self._decoder.finished or decoder.finished

    def _again_from_log(self) -> int:
        """The live steps were wrong (a process without the tap logged to the run): made anew with the log's rows."""
        log.warning("%d values differ from wandb's log: the SwanLab run is made anew from it", self._checks.conflicts)
        self._superseded.append(self._sink.run_dir)
        self._sink.close("crashed", "replaced by a run with the rows of wandb's log")
        self._live = False
        self._fresh(from_log=True)
        return self._follow()

    def _close(self, offset: int, torn: str | None, *, damaged: bool) -> int:
        finished = self._decoder.finished
        assert finished is not None
        if finished.interrupted:
            state, why = "aborted", finished.reason or "interrupted by Ctrl-C"
        elif finished.exit_code:
            state, why = "crashed", torn or finished.reason or f"exit code {finished.exit_code}"
        else:
            state, why = "success", None
        self._status("finishing", offset=offset)
        self._may_grow()
        problem = self._sink.close(state, why)
        facts: dict[str, Any] = {"offset": offset, "result": state, "torn": torn}
        if problem:
            self._status("failed", reason=problem, **facts)
            return 1
        for folder in self._superseded:
            if not _same_folder(folder, self._sink.run_dir):  # an earlier try's, if that one was removed by hand
                shutil.rmtree(folder, ignore_errors=True)
        self._superseded = []
        self._name_each_other()
        with suppress(OSError):
            facts["size"] = self.journal.stat().st_size
        only_copy = self._sink.only_copy or ("what lies behind its damage" if damaged else None)
        told = self._status("finished", only_copy=only_copy, **facts)
        # Whom we cannot see may only be suspended, and write on: what `size` tells, then.
        closed = self._decoder.ended or (not self._may_grow() and self._trainer.certain)
        if closed and only_copy is None and not self._decoder.begin.get("settings", {}).get("keep_journal"):
            with suppress(OSError):
                self.journal.unlink()
                remove_marks(self.journal)
            if not told:  # a full disk, which may have room now
                self._status("finished", only_copy=only_copy, **facts)
        return 0

    def _name_each_other(self) -> None:
        """The run folder of the part before this one says where the run goes on."""
        before = [status for status in self._earlier() if status.get("run_dir")]
        if self._mode != "online" and before and Path(before[-1]["run_dir"]).is_dir():
            name_successor(Path(before[-1]["run_dir"]), Path(self._sink.run_dir).name)

    # -- around it -------------------------------------------------------------------------------------------------

    def _remember_earlier_try(self) -> None:
        status = read_status(self.journal)
        with suppress(OSError):
            self._tried = bool(status) or self.journal.with_suffix(".log").stat().st_size > 0
        with suppress(ValueError, TypeError):
            folders = [*(status.get("superseded") or []), status.get("run_dir")]
            self._superseded = [folder for folder in folders if folder]
            self._sent_at = float(status.get("sent_at") or 0.0)
            self._lines_before = status.get("lines_before")
            self._lines_at = status.get("url")
            self._refused = dict(status.get("refused") or {})
        self._part = part_of(status)

    def _may_grow(self) -> bool:
        """Whether the training may still write to the journal.

        Raises:
            Superseded: another process is at it.
        """
        if self._claim.lost:
            raise Superseded
        return self._trainer.may_write()

    def _status(self, state: str, *, force: bool = False, **facts: Any) -> bool:
        """Writes the status file: at once when the state changes, else once a second. False: it can not be written."""
        now = time.monotonic()
        if state == "running" and not force and now - self._status_at < STATUS_INTERVAL:
            return True
        self._status_at = now
        sink = self._sink
        status = {
            "state": state,
            "pid": os.getpid(),
            "updated": time.time(),
            "mode": self._mode,
            "no_credentials": self._no_credentials,
            "run_id": self._decoder.started.run_id if self._decoder.started else None,
            "project": self._decoder.started.project if self._decoder.started else None,
            "run_dir": sink.run_dir if sink else None,
            "url": sink.url if sink else None,
            "superseded": self._superseded,
            "sent_at": sink.uploads.sent_at if sink and sink.uploads else self._sent_at,
            "lines_before": self._lines_before,
            "part": self._part.model_dump() if self._part else None,
            "refused": dict(sink.uploads.refused) if sink and sink.uploads else self._refused,
            "counts": dict(sink.counts) if sink else {},
            "not_mirrored": sink.lost() if sink else [],
            "self_check": self._checks.summary() if self._checks.active else None,
            "unreadable": self._decoder.unreadable,
            **facts,
        }
        return write_status(self.journal, status)


def _same_folder(one: str, other: str) -> bool:
    try:
        return Path(one).samefile(other)
    except OSError:  # one of them is not there
        return Path(one).absolute() == Path(other).absolute()


class _Unfailing(io.TextIOBase):
    """A text stream whose writes are lost where they fail."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()
        return len(text)

    def fileno(self) -> int:
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"


def main(arguments: list[str]) -> int:
    """The mirror process: `JOURNAL`."""
    # Whatever is sent to all processes of a job is for the training; the mirror ends when the training has. Blocked,
    # not ignored: SwanLab puts a handler of its own for Ctrl-C in place, and ends its run there.
    block_signals()
    parser = argparse.ArgumentParser(prog="wandb_swan.mirror.process")
    parser.add_argument("journal", type=Path)
    given = parser.parse_args(arguments)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    # The log may be on a full disk: SwanLab prints, and must not fail for that.
    sys.stdout = sys.stderr = _Unfailing(sys.stderr)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    if sys.platform != "win32":
        os.nice(10)  # yield to the trainer and to wandb's core
    return Mirror(given.journal).run()
