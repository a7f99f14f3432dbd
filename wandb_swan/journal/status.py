"""What a mirror says of its journal in its status file, and what the user is told of it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from .claim import mirror_at
from .fields import LossFields, StatusFields, usable
from .life import SILENCE, Trainer, ended_before, is_spooled
from .paths import command, shown
from .spool import spool_of

POINTS = ("scalars", "texts", "media", "system")
"""What is counted of a run that is a point in SwanLab."""
STARTING = 60.0
"""Seconds that a mirror has to begin its work, before it is taken to be none."""


def outcome(
    journal: Path, *, ended: bool, trouble: str | None = None, otherwise: str | None = None, whole: bool = True
) -> str:
    """One line: where the SwanLab run is, or what to type to get it there. The arguments are those of `failure`."""
    told = failure(journal, ended=ended, trouble=trouble, otherwise=otherwise, whole=whole)
    if told is not None:
        return told
    status = read_status(journal)
    if status.get("state") == "empty":
        return "the journal holds no run that has started: there is nothing to bring to SwanLab"
    if _is_finished(journal, status):
        return _where(status) + _remarks(journal, status)
    return f"the mirror goes on by itself; if it is interrupted type {resume_command(journal)}"


def failure(
    journal: Path, *, ended: bool, trouble: str | None = None, otherwise: str | None = None, whole: bool = True
) -> str | None:
    """One line of what is wrong, and what to type; None: the run is in SwanLab, or gets there by itself.

    Args:
        journal: The run's journal, which may be gone.
        ended: Whether no mirror is at it any more.
        trouble: Why no mirror could be started, if none could.
        otherwise: What to type where the journal is gone.
        whole: Whether the journal has all that was recorded.
    """
    there = journal.exists()  # first: a mirror says that it has finished before it lets the journal go
    status = read_status(journal)
    state = status.get("state")
    if state == "empty" or _is_finished(journal, status):
        return None
    if not there:
        but = f"; wandb's own log has it: type {otherwise}" if otherwise else ""
        return f"the run is not whole in SwanLab: its journal {shown(journal)} was removed{but}"
    resume = resume_command(journal)
    if ended and state == "finished" and (spool := spool_of(journal)) is not None:
        host = spool.get("host")
        return (
            f"the run is not whole in SwanLab, its last records are in {spool['path']} on {host}: type {resume} there"
        )
    if ended or (state == "failed" and mirror_at(journal) is None):
        reason = (status.get("reason") if state == "failed" else trouble) or f"the mirror ended early{_see(journal)}"
        kept = "nothing is lost" if whole and not status.get("torn") else "what the journal holds is kept"
        return f"the run is not whole in SwanLab ({reason}); {kept}: type {resume}"
    why = status.get("reason")
    if not why or state == "failed":  # of an earlier mirror
        return None
    if state == "waiting" and why != status.get("obstacle") and not why.startswith("SwanLab"):
        why = f"SwanLab cannot be reached: {why}"
    return f"the mirror goes on by itself ({why}); if it is interrupted type {resume}"


def _is_finished(journal: Path, status: StatusFields) -> bool:
    return status.get("state") == "finished" and is_whole(journal)


def _where(status: StatusFields) -> str:
    """Where a finished SwanLab run is, and how to see it."""
    where = status.get("url") or status.get("run_dir")
    folder = Path(str(where))
    if status.get("mode") == "offline":
        why = "no SwanLab credentials, so " if status.get("no_credentials") else ""
        return f"SwanLab run saved ({why}offline); type {command('swanlab', 'sync', folder)} to upload it"
    if status.get("mode") == "local":
        watch = command("swanlab", "watch", folder.parent)
        return f"SwanLab run saved in {shown(folder)}; type {watch} to see it"
    return f"SwanLab run at {where}"


def _remarks(journal: Path, status: StatusFields) -> str:
    """What of a finished SwanLab run is not as it was in wandb."""
    more = ""
    lost = _lost(status.get("not_mirrored") or [])
    if lost:
        more += f"; {lost}{_see(journal)}"
    differences = (status.get("self_check") or {}).get("differences")
    if differences:
        more += f"; self-check: {differences} values are not those of wandb's log{_see(journal)}"
    dropped = (status.get("counts") or {}).get("rows dropped by wandb")
    if dropped:
        more += f"; wandb itself dropped {dropped} calls of log() whose step= lies behind an earlier one"
        more += ": let steps grow, or leave step= out"
    part = status.get("part") or {}
    moved = part.get("step_offset")
    if moved:
        first = part.get("first_step") or 0
        more += f"; wandb's step {first} is step {first + moved} there, behind an earlier run of the same id"
    if status.get("wandb_folder"):
        more += f"; {status['wandb_folder']}"
    if status.get("only_copy") and journal.exists():
        more += f"; {shown(journal)} stays, it holds {status['only_copy']}"
    return more


def _see(journal: Path) -> str:
    """Where more is said, if it is."""
    log = journal.with_suffix(".log")
    return f", see {shown(log)}" if log.exists() else ""


def _lost(not_mirrored: list[LossFields]) -> str:
    """How many values are not in SwanLab as they were, and the most frequent reasons; "" if all are."""
    by_reason: dict[str, int] = {}
    for item in not_mirrored:
        reason = item.get("reason", "")
        by_reason[reason] = by_reason.get(reason, 0) + item.get("count", 0)
    if not by_reason:
        return ""
    most = sorted(by_reason.items(), key=lambda item: -item[1])
    kinds = ", ".join(f"{count} x {reason}" for reason, count in most[:3]) + (", ..." if len(most) > 3 else "")
    return f"{sum(by_reason.values())} values could not be kept there as they were ({kinds})"


def points_of(counts: Mapping[str, int]) -> int:
    """How many points were written, of counts by kind."""
    return sum(counts.get(kind, 0) for kind in POINTS)


def status_json(journal: Path) -> object:
    """The JSON value that a mirror's status file holds; an empty object if there is none to be read."""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        return json.loads(journal.with_suffix(".status.json").read_bytes())
    return {}


def read_status(journal: Path) -> StatusFields:
    """The mirror's status file; what is not there, or of another type than it should be, is left out."""
    return usable(StatusFields, status_json(journal))


def write_status(journal: Path, status: Mapping[str, Any]) -> bool:
    """Replaces the mirror's status file at one stroke. Returns whether it could be written."""
    from ..atomic_file import write_whole  # the training process reads only

    try:
        content = json.dumps(status, ensure_ascii=False, default=str)
        write_whole(journal.with_suffix(".status.json"), content, mode=0o600)
    except OSError:
        return False
    return True


def resume_command(where: Path) -> str:
    """What to type to finish a journal, or all of a folder."""
    return command("wandb-swan", "resume", where)


def is_whole(journal: Path) -> bool:
    """Whether a journal needs no mirror any more."""
    if not journal.exists():
        return True
    status = read_status(journal)
    with contextlib.suppress(FileNotFoundError):
        # A process that was taken for dead may have written on.
        same = status.get("state") == "finished" and status.get("size") in (None, journal.stat().st_size)
        return same and not is_spooled(journal)
    return True  # its mirror has just removed it


def unfinished(folder: Path, *, most: int = 100) -> int:
    """How many journals wait for `wandb-swan resume`; of a full folder, `most` are looked at."""
    return sum(map(waits, islice(folder.glob("*.journal"), most)))


def waits(journal: Path) -> bool:
    """Whether a run has ended, is not whole, and nobody brings it to SwanLab. Only a question: nothing is taken.

    A mirror that ends while this is asked has said so before it lets the journal go, hence the second look.
    """
    if _is_done(journal) or mirror_at(journal) is not None:
        return False
    trainer = Trainer.of(journal)
    ended = trainer.is_gone() or not trainer.may_write()
    return ended and not _begins(journal, trainer) and not _is_done(journal) and journal.exists()


def _is_done(journal: Path) -> bool:
    """Whether its mirror has nothing left to do; a status is not parsed, there may be many."""
    with contextlib.suppress(OSError):
        begin = journal.with_suffix(".status.json").read_bytes()[:100]
        done = b'"state": "finished"' in begin or b'"state": "empty"' in begin
        return done and not is_spooled(journal)
    return False


def _begins(journal: Path, trainer: Trainer) -> bool:
    """Whether a run has ended just now, and its mirror is on its way: started and not there yet, or started again."""
    ended, runs = ended_before(journal), trainer.runs()
    if ended is None or ended > (SILENCE if runs else STARTING):  # it waits in `finish()`; many may start at once
        return False
    state = read_status(journal).get("state")
    return state is None or (state != "failed" and runs)
