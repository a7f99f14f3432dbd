"""One mirror at one journal: its right to it, the process that writes it, what tries so far have left, and its status.

What follows, opens and ends a replay shares this, and nothing else.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import Field

from ..journal.claim import Claim
from ..journal.life import Trainer
from ..journal.models import Loss, MirrorStatus, SelfCheck
from ..journal.paths import earlier_journals
from ..journal.spool import bring
from ..journal.status import read_status, status_json
from ..swan.parts import part_of
from ..swan.sent import Sent
from .replay import Replay

STATUS_INTERVAL = 1.0
"""Seconds between two writes of the status file."""


class Superseded(Exception):
    """Another process has taken the journal: nothing of it may be touched any more."""


class Tries(Sent):
    """What tries so far have left in SwanLab: those of this process, and of earlier ones by their status file."""

    superseded: list[str] = Field(default_factory=list)
    """SwanLab folders of earlier tries, removed once a whole one is there."""

    @classmethod
    def of(cls, journal: Path) -> Tries:
        """What earlier processes have left of a journal."""
        status = MirrorStatus.of(journal)
        tries = cls(
            superseded=[folder for folder in (*status.superseded, status.run_dir) if folder],
            sent_at=status.sent_at,
            part=part_of(status),
            lines_before=status.lines_before,
            lines_at=status.url,
            refused=dict(status.refused),
        )
        with suppress(OSError):
            tries.any_before = bool(status_json(journal)) or journal.with_suffix(".log").stat().st_size > 0
        return tries


class Session:
    """One process at one journal, from its claim to its end."""

    def __init__(self, journal: Path, maps: Sequence[tuple[str, str]] = (), wanted: str | None = None) -> None:
        """`maps`: where folders of the training's machine are here (`places`). `wanted`: SwanLab's mode, whatever the
        training's settings say."""
        self.wanted = wanted
        self.journal = journal
        self.maps = maps
        self.claim = Claim.of(journal)
        self.trainer = Trainer(journal, {})
        self.live = False
        """Whether the training's process ran when this one came to the journal."""
        self.tries = Tries()
        self.mode = ""
        """Where SwanLab records; "" until the journal's first note has been read."""
        self.no_credentials = False
        self.obstacle: str | None = None
        """What keeps SwanLab from recording and the user can put right at once."""
        self.replay = Replay(from_log=False)
        self._status_at = 0.0
        self._offset: int | None = None
        """How far the journal was read, in bytes, when that was last told."""

    def begin(self) -> bool:
        """Takes the journal, and learns who writes it and what was tried. False: another process has it, or had it, and
        has brought its run to the end.

        Raises OSError where no claim can be made.
        """
        if not self.claim.take():
            return False
        if not self.journal.exists() and read_status(self.journal).get("state") == "finished":
            return False
        self.trainer = Trainer.of(self.journal)
        self.live = self.trainer.runs()
        self.tries = Tries.of(self.journal)
        return True

    def start_anew(self, *, from_log: bool) -> None:
        """Forgets the present replay; the next one takes the rows from wandb's log if `from_log`."""
        self.replay = Replay(from_log=from_log)
        self._offset = None

    def may_grow(self) -> bool:
        """Whether the training may still write to the journal.

        Raises:
            Superseded: another process is at it.
        """
        if self.claim.lost:
            raise Superseded
        grows = self.trainer.may_write()
        if grows and not self.trainer.certain:  # nobody else may be there who brings what a killed trainer has spooled
            bring(self.journal)
        return grows

    def earlier_parts(self) -> list[MirrorStatus]:
        """The statuses of the run's earlier parts, oldest first; not of runs with another id whose journals have such a
        name, nor of one that goes on at the same time."""
        started = self.replay.decoder.started
        assert started is not None
        found = []
        for journal in earlier_journals(self.journal):
            status = MirrorStatus.of(journal)
            at_once = journal.exists() and self.mode != "online" and Trainer.of(journal).may_write()
            if not at_once and status.run_id == started.run_id:
                found.append(status)
        return found

    def report(self, state: str, *, force: bool = False, **facts: Any) -> bool:
        """Writes the status file: at once when the state changes, else once a second. False: it cannot be written."""
        now = time.monotonic()
        if state == "running" and not force and now - self._status_at < STATUS_INTERVAL:
            return True
        self._status_at = now
        replay, tries = self.replay, self.tries
        started = replay.decoder.started
        sink = replay.sink if replay.is_open else None
        self._offset = facts.pop("offset", self._offset)
        if isinstance(facts.get("reason"), str):  # a line of what the user is told
            facts["reason"] = " ".join(map(str.strip, facts["reason"].splitlines()))
        status = MirrorStatus(
            state=state,
            pid=os.getpid(),
            updated=time.time(),
            mode=self.mode,
            no_credentials=self.no_credentials,
            obstacle=self.obstacle,
            run_id=started.run_id if started else None,
            project=started.project if started else None,
            run_dir=sink.run_dir if sink else None,
            url=sink.url if sink else None,
            superseded=tries.superseded,
            sent_at=replay.uploads.sent_at if replay.uploads else tries.sent_at,
            lines_before=tries.lines_before,
            part=tries.part,
            refused=dict(replay.uploads.refused) if replay.uploads else tries.refused,
            counts=dict(sink.counts) if sink else {},
            not_mirrored=[Loss(**loss) for loss in sink.lost()] if sink else [],
            capabilities=sink.capabilities if sink else {},
            self_check=SelfCheck(**replay.checks.summary()) if replay.checks.active else None,
            unreadable=replay.decoder.unreadable,
            unknown_records=dict(replay.decoder.unknown),
            offset=self._offset,
            unsent=replay.uploads.waiting if replay.uploads else 0,
            **facts,
        )
        return status.write(self.journal)
