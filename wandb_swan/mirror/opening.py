"""Starts the SwanLab run of a journal: where it goes, tries again while SwanLab is away, what it goes on behind."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenacity import RetryCallState, Retrying, retry_if_exception, wait_exponential

from ..capture.mirrors import BUSY
from ..defaults import FINISH_TIMEOUT
from ..exceptions import WandbSwanError
from ..journal.life import Trainer
from ..journal.models import MirrorStatus
from ..journal.notes import parse_note
from ..journal.paths import earlier_journals, run_folder
from ..journal.reader import LogReader
from ..journal.status import is_whole
from ..settings import read_settings
from ..stream.events import RunStarted
from ..swan.parts import Part, after
from ..swan.sent import Continuation
from .pace import POLL
from .places import Places
from .reconcile import Reconciler
from .session import Session

if TYPE_CHECKING:
    from ..swan.sink import Sink
    from ..swan.target import Target

log = logging.getLogger("wandb_swan")

FIRST_RETRY, LAST_RETRY = 2.0, 60.0
"""Seconds between two tries to start the SwanLab run."""
LAST_TRIES = 5
"""How often it is tried after the end of the wandb run, where SwanLab's server answers and may soon answer better."""
_UNWELL = re.compile(
    r"\b(408|425|429|5\d\d)\b|IncompleteRead|Connection (aborted|broken|reset)|RemoteDisconnected|[Rr]ead timed out"
)
"""In the text of an error, which is all that SwanLab leaves of it: a server that is there and not well."""


class Opening:
    """Starts the SwanLab run of the session's replay."""

    def __init__(self, session: Session, mirror_earlier: Callable[[Path], int]) -> None:
        """`mirror_earlier` brings the journal of an earlier part to its end: 0 if nothing of it has to come first any
        more, else the exit code of a mirror."""
        self._session = session
        self._mirror_earlier = mirror_earlier

    def foresee(self) -> None:
        """Says in the status what keeps SwanLab from recording, before there is anything to record."""
        from ..swan.target import obstacle

        self._target()
        self._session.obstacle = obstacle(self._session.mode)
        if self._session.obstacle is not None:
            log.warning("%s", self._session.obstacle)
            self._session.report("waiting", reason=self._session.obstacle)

    def open(self, started: RunStarted) -> None:
        """Starts the SwanLab run; `started` has what is known by now of the run that the journal holds.

        Raises:
            WandbSwanError: SwanLab cannot be reached, and the run has ended.
            Superseded: another process has taken the journal.
        """
        from ..parity.readback import Expected
        from ..swan.sdk import probe
        from ..swan.sink import Sink
        from ..swan.target import obstacle

        session, replay = self._session, self._session.replay
        target = self._target()
        begin = replay.decoder.begin
        run = begin.run

        def start() -> Sink:
            session.obstacle = obstacle(session.mode)
            if session.obstacle is not None:
                raise WandbSwanError(session.obstacle)
            probe.describe(begin.trainer.model_dump(), monitor=session.live)
            sink = Sink(target, check=Expected() if session.mode != "online" else None)
            sink.open(started.changed(run_id=self._rewound_id(started)))
            return sink

        replay.sink = _Starts(session, self._finish_earlier, start).sink()
        self._go_on(started)
        replay.sink.flush()  # the config says whose part this is before the first point is there
        facts = run.model_dump(include={"url", "mode", "fork_from", "resume_from"})
        replay.sink.add_metadata(**facts, id=started.run_id, versions=begin.versions.model_dump(exclude_none=True))
        joined = run.joined_at is not None
        if run.log_written and run.log and not run.shared:
            replay.checks = Reconciler(Path(run.log), joined=joined)
            replay.checks.from_log |= replay.rows_from_log or replay.decoder.rows_from_core
            replay.checks.lines_from_log |= replay.rows_from_log
        elif joined:
            replay.sink.losses.add(("run",), "what it logged before it was mirrored: wandb writes no log of it")
        session.report("running", force=True)

    def _target(self) -> Target:
        from ..swan.target import Target, resolve

        session = self._session
        decoder = session.replay.decoder
        places = Places(decoder.begin, session.journal, session.maps)
        begin = decoder.begin = places.placed()
        settings, here = begin.settings, read_settings()  # the training's come first
        session.mode, session.no_credentials, project, workspace = resolve(
            mode=session.wanted or settings.mode or (None if here.mode == "disabled" else here.mode),
            project=settings.project or here.project,
            workspace=settings.workspace or here.workspace,
        )
        log_dir = Path(settings.log_dir)
        run_dir = None
        if session.mode != "online":
            superseded = session.tries.superseded
            mark = begin.fingerprint if settings.journal_dir else ""  # which may hold a journal of the same name
            run_dir, tries = run_folder(session.journal, log_dir, superseded, mark=mark)
            superseded += [folder for folder in tries if folder not in superseded]
        return Target(
            mode=session.mode,
            log_dir=log_dir,
            project=project,
            workspace=workspace,
            files=Path(begin.run.files) if begin.run.files is not None else None,
            placed=places.find,
            plotly_inline=settings.plotly_inline,
            keep_original=settings.keep_original,
            monitor=session.live,
            run_dir=run_dir,
            patience=max(1.0, 0.8 * (settings.finish_timeout or FINISH_TIMEOUT)),
        )

    def _go_on(self, started: RunStarted) -> None:
        """Brings the run behind what SwanLab has of its earlier parts and of earlier tries."""
        session, tries = self._session, self._session.tries
        earlier = session.earlier_parts()

        def new_part() -> Part:
            resumed = started.resumed or started.starting_step > 0
            rewound = session.replay.decoder.begin.run.resume_from  # a SwanLab run of its own
            return after([] if rewound else earlier, mode=session.mode, project=started.project, resumed=resumed)

        def is_same(metadata: dict[str, Any]) -> bool:
            return metadata.get("started_at") == started.started_at

        parts = [where for status in earlier if (where := status.url or status.run_dir)]
        continuation = Continuation(session.replay.sink, tries, started, is_same=is_same)
        continuation.continue_steps(new_part, parts)
        continuation.continue_lines()

    def _rewound_id(self, started: RunStarted) -> str:
        """The SwanLab run's id: wandb's, but for `resume_from`, which undoes steps that SwanLab cannot forget."""
        if not self._session.replay.decoder.begin.run.resume_from:
            return started.run_id
        return f"{started.run_id}-rewound-{started.started_at:.0f}"

    def _finish_earlier(self) -> None:
        """What the run's earlier journals still hold comes first, if any: wandb resumed the run, and the steps of the
        one SwanLab experiment only grow.

        Raises:
            WandbSwanError: one of them cannot be finished now.
        """
        tries = self._session.tries
        for journal in earlier_journals(self._session.journal):
            if not is_whole(journal):
                log.info("%s comes first", journal.name)
                # Two runs of one id at once: the other one's own mirror brings it to its end.
                code = BUSY if Trainer.of(journal).may_write() else self._mirror_earlier(journal)
                if code and self._session.mode == "online":
                    raise WandbSwanError(f"{journal.name} has to be finished first")
            tries.sent_at = max(tries.sent_at, MirrorStatus.of(journal).sent_at)


class _Starts:
    """Starts a SwanLab run; tries again as long as the wandb run goes on, and when it has ended once more, or some
    times where SwanLab's server is there."""

    def __init__(self, session: Session, before: Callable[[], None], start: Callable[[], Sink]) -> None:
        """`before` is what has to be done first, at every try."""
        self._session = session
        self._before = before
        self._start = start
        self._late = 0
        """Tries that began after the end of the wandb run."""
        self._ended = False
        """Whether the journal's last note was seen: the journal is read on from there, it does not come again."""

    def sink(self) -> Sink:
        """A sink with a started run.

        Raises what SwanLab raises, where the run does not go to a server; else:

        Raises:
            WandbSwanError: SwanLab cannot be reached, and the run has ended.
        """
        with LogReader(self._session.journal, patient=True) as watch:

            def before(_: RetryCallState) -> None:
                self._late += self._over(watch)

            def pause(seconds: float) -> None:
                until = time.monotonic() + seconds
                while time.monotonic() < until and (self._late or not self._over(watch)):
                    time.sleep(POLL)

            retrying = Retrying(
                retry=retry_if_exception(self._may_pass),
                stop=self._is_last,
                wait=self._wait,
                before=before,
                before_sleep=self._say,
                sleep=pause,
                retry_error_callback=_give_up,
            )
            return retrying(self._try)

    def _try(self) -> Sink:
        self._before()
        if self._session.mode == "online":
            self._session.tries.wait_until_counted()
        return self._start()

    def _may_pass(self, error: BaseException) -> bool:
        return isinstance(error, Exception) and self._session.mode == "online"

    def _wait(self, state: RetryCallState) -> float:
        """Doubled each time; after the end of the run somebody may wait in `finish()`, and it begins again."""
        if self._late:
            return float(FIRST_RETRY * 2 ** (self._late - 1))
        return float(wait_exponential(multiplier=FIRST_RETRY, max=LAST_RETRY)(state))

    def _is_last(self, state: RetryCallState) -> bool:
        return self._late >= (LAST_TRIES if _UNWELL.search(_reason(state)) else 1)

    def _say(self, state: RetryCallState) -> None:
        reason = _reason(state)
        pause = state.next_action.sleep if state.next_action is not None else 0.0
        log.warning("%s; the journal waits, next try in %.0f s", reason, pause)
        self._session.report("waiting", reason=reason)

    def _over(self, watch: LogReader) -> bool:
        """Whether the run has ended, told from the journal's notes without decoding its records."""
        alive = self._session.may_grow()
        for payload in watch:
            note = parse_note(payload)
            self._ended = self._ended or (note is not None and note.get("type") == "end")
        return self._ended or not alive


def _reason(state: RetryCallState) -> str:
    error = state.outcome.exception() if state.outcome is not None else None
    if isinstance(error, WandbSwanError):
        return str(error)
    return f"SwanLab cannot be reached: {type(error).__name__}: {error}"


def _give_up(state: RetryCallState) -> Sink:
    assert state.outcome is not None
    raise WandbSwanError(_reason(state)) from state.outcome.exception()
