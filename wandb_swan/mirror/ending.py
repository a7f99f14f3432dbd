"""The end of a journal: what is missing comes from wandb's log, the SwanLab run is closed, the journal is let go."""

from __future__ import annotations

import logging
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..journal.life import ended_before, remove_marks
from ..journal.paths import is_folder
from ..journal.reader import LogReader
from ..journal.status import STARTING
from ..parity.stored import checked
from ..stream.events import Alert, ConsoleLine
from ..stream.state import state_of
from ..swan.config import amend_metadata
from ..swan.files import MISSING
from .places import Places
from .session import Session
from .wandb_folder import WandbFolder

log = logging.getLogger("wandb_swan")

LOG_PATIENCE = 5.0
"""Seconds that wandb's core has, after a finished run, to write the end of its own log."""
LOG_POLL = 0.004
"""Seconds between two looks at it: somebody waits in `finish()`."""


class Ending:
    """Brings one journal that holds no more to its end."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._wandb: WandbFolder

    def end(self, reader: LogReader) -> int | None:
        """Completes and closes the SwanLab run of a journal that `reader` has read to its end.

        Returns the exit code: 0 finished, 1 not whole in SwanLab; None: the live rows were wrong, and the run has to be
        made anew with those of wandb's log.
        """
        session, replay = self._session, self._session.replay
        decoder, checks = replay.decoder, replay.checks
        self._wandb = WandbFolder(decoder.begin, session.journal)
        torn = reader.torn()
        if not replay.is_open:
            session.report("failed" if torn else "empty", reason=torn or "the journal holds no started run", torn=torn)
            return 1 if torn else 0
        if torn:
            log.warning("%s; the records before it are mirrored", torn)
        whole = decoder.ended and not torn
        if not whole:  # a full disk, damage, a kill: a whole log of wandb has the end
            self._read_log_to_its_end()
            if decoder.finished is None and checks.finished is not None:
                decoder.finished = checks.finished
                replay.write(checks.finished)
        for event in decoder.finish(_why_no_end(ended=decoder.ended)):
            replay.write(event)
        self._read_log_to_its_end()
        if not checks.whole:
            replay.write_unlogged()
        rest = list(checks.the_rest())
        late = sum(isinstance(event, ConsoleLine | Alert) for event in rest) if whole else 0
        checks.finish()
        checks.close()
        if (checks.conflicts or late) and checks.whole and session.mode != "online" and not replay.rows_from_log:
            self._set_aside(late)
            return None
        for event in rest:
            replay.sink.write(event)
        if self._wandb.asked and self._wandb.reserved() is None:
            for file in self._wandb.files_of_its_own():
                if file.path not in replay.sink.saved:
                    replay.sink.write(file)
        if late:  # of other processes, printed between other lines
            replay.sink.add_metadata(late_lines=late)
        return self._close(reader.offset, torn, damaged=reader.damage is not None and not checks.whole)

    def _read_log_to_its_end(self) -> None:
        """wandb's core writes the log's last block some milliseconds after `finish()` has returned (0.19 to 0.31)."""
        deadline = time.monotonic() + LOG_PATIENCE
        finished = self._session.live or self._has_ended_elsewhere()
        checks = self._session.replay.checks
        while True:
            if checks.read_ahead():
                self._session.replay.take_from_log(drained=True)
            elif finished and checks.active and not checks.whole and time.monotonic() < deadline:
                time.sleep(LOG_POLL)
            else:
                return

    def _has_ended_elsewhere(self) -> bool:
        """Whether the training's process, on another machine, has ended just now: nobody here saw it alive."""
        session = self._session
        ended = ended_before(session.journal)
        foreign = Places(session.replay.decoder.begin, session.journal).foreign
        return foreign and ended is not None and ended < STARTING

    def _set_aside(self, late: int) -> None:
        """The live steps or lines were wrong (a process without the tap used the run): its SwanLab run is replaced."""
        session, replay = self._session, self._session.replay
        what = f"{replay.checks.conflicts} values and {late} console lines and alerts"
        log.warning("%s are otherwise in wandb's log: the SwanLab run is made anew from it", what)
        if replay.sink.run_dir is not None:
            session.tries.superseded.append(replay.sink.run_dir)
        replay.sink.close("crashed", "replaced by a run with the rows of wandb's log")
        session.live = False

    def _close(self, offset: int, torn: str | None, *, damaged: bool) -> int:
        session, sink, decoder = self._session, self._session.replay.sink, self._session.replay.decoder
        finished = decoder.finished
        assert finished is not None
        state, why = state_of(finished, torn=torn)
        session.report("finishing", offset=offset)
        session.may_grow()
        problem = sink.close(state, why)
        facts: dict[str, Any] = {"offset": offset, "result": state, "torn": torn}
        if problem:
            session.report("failed", reason=problem, **facts)
            return 1
        for folder in session.tries.superseded:
            if not _same_folder(folder, str(sink.run_dir)):  # an earlier try's, if that one was removed by hand
                shutil.rmtree(folder, ignore_errors=True)
        session.tries.superseded = []
        self._name_each_other()
        if session.mode != "online" and sink.run_dir is not None and sink.only_copy is None:
            amend_metadata(Path(sink.run_dir), parity=checked(how="read back by the mirror", identical=True))
        with suppress(OSError):
            facts["size"] = session.journal.stat().st_size
        if self._wandb.asked:
            facts["wandb_folder"] = self._wandb.stays("its mirror ended before it was compared")
        only_copy = sink.only_copy or ("what lies behind its damage" if damaged else None)
        facts["elsewhere"] = self._elsewhere()
        if only_copy is None and facts["elsewhere"] is not None:
            only_copy = f"what is at {facts['elsewhere']}, which is not found here (--map says where it is)"
        written = session.report("finished", only_copy=only_copy, **facts)
        # Whom we cannot see may only be suspended, and write on: what `size` tells, then.
        closed = decoder.ended or (not session.may_grow() and session.trainer.certain)
        if closed and only_copy is None and not decoder.begin.settings.keep_journal:
            with suppress(OSError):
                session.journal.unlink()
                remove_marks(session.journal)
            if not written:  # a full disk, which may have room now
                session.report("finished", only_copy=only_copy, **facts)
        if self._wandb.asked:  # last: without the folder, the journal cannot be replayed whole
            facts["wandb_folder"] = self._let_wandb_go(only_copy, closed=closed)
            session.report("finished", only_copy=only_copy, **facts)
        return 0

    def _elsewhere(self) -> str | None:
        """What could not be found from this machine, another one, and was needed: the folder of the run's files, or
        what a link in it names."""
        session, sink, begin = self._session, self._session.replay.sink, self._session.replay.decoder.begin
        if not Places(begin, session.journal, session.maps).foreign:
            return None
        if begin.run.files is None or is_folder(Path(begin.run.files)):
            return sink.lost_link
        return begin.run.files if any(MISSING in loss["reason"] for loss in sink.lost()) else None

    def _let_wandb_go(self, only_copy: str | None, *, closed: bool) -> str:
        sink = self._session.replay.sink
        if not closed or only_copy is not None or sink.run_dir is None:
            return self._wandb.stays(f"the journal holds {only_copy}" if only_copy else "the run may go on")
        return self._wandb.let_go(Path(sink.run_dir), lost=sink.lost(), artifacts=sink.artifacts)

    def _name_each_other(self) -> None:
        """The run folder of the part before this one says where the run goes on."""
        session = self._session
        before = [Path(status.run_dir) for status in session.earlier_parts() if status.run_dir]
        if session.mode != "online" and before and is_folder(before[-1]):
            amend_metadata(before[-1], continued_in=Path(str(session.replay.sink.run_dir)).name)


def _why_no_end(*, ended: bool) -> str:
    """Why a run has no exit; `ended`: its process has closed the journal, and so was not killed."""
    if ended:
        return "wandb recorded no end of the run (was its wandb-core process killed?)"
    return "the training process ended without finishing the run (killed?)"


def _same_folder(one: str, other: str) -> bool:
    try:
        return Path(one).samefile(other)
    except OSError:  # one of them is not there
        return Path(one).absolute() == Path(other).absolute()
