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
from .life import Trainer


def outcome(journal: Path, *, ended: bool) -> str:
    """One line: where the SwanLab run is, or what to type to get it there."""
    status = read_status(journal)
    state = status.get("state")
    where = status.get("url") or status.get("run_dir")
    if state == "finished":
        log = relative(journal.with_suffix(".log"))
        lost = _lost(status.get("not_mirrored") or [])
        more = f"; {lost}, see {log}" if lost else ""
        differences = (status.get("self_check") or {}).get("differences")
        if differences:
            more += f"; self-check: {differences} values are not those of wandb's log, see {log}"
        dropped = (status.get("counts") or {}).get("rows dropped by wandb")
        if dropped:
            more += f"; wandb itself dropped {dropped} calls of log() whose step= lies behind an earlier one"
            more += ": let steps grow, or leave step= out"
        part = status.get("part") or {}
        moved = part.get("step_offset")
        if moved:
            first = part.get("first_step") or 0
            more += f"; wandb's step {first} is step {first + moved} there, behind an earlier run of the same id"
        if status.get("only_copy"):
            more += f"; {relative(journal)} stays, it holds {status['only_copy']}"
        if status.get("wandb_folder"):
            more += f"; {status['wandb_folder']}"
        if status.get("mode") == "offline":
            why = "no SwanLab credentials, so " if status.get("no_credentials") else ""
            sync = f"`swanlab sync {relative(Path(str(where)))}`"
            return f"SwanLab run saved ({why}offline); type {sync} to upload it{more}"
        if status.get("mode") == "local":
            folder = relative(Path(str(where)).parent)
            return f"SwanLab run saved in {relative(Path(str(where)))}; type `swanlab watch {folder}` to see it{more}"
        return f"SwanLab run at {where}{more}"
    if state == "failed" or ended:
        reason = status.get("reason") or f"the mirror ended early, see {relative(journal.with_suffix('.log'))}"
        return f"the run is not whole in SwanLab ({reason}); nothing is lost: type {resume_command(journal)}"
    reason = status.get("reason") or ""
    if reason and reason != status.get("obstacle") and not reason.startswith("SwanLab"):
        reason = f"SwanLab cannot be reached: {reason}"
    why = f" ({reason})" if reason else ""
    return f"the mirror goes on by itself{why}; if it is interrupted type {resume_command(journal)}"


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


def resume_command(journal: Path) -> str:
    return f"`wandb-swan resume {relative(journal)}`"


def relative(path: Path) -> str:
    with contextlib.suppress(ValueError, OSError):
        return str(path.relative_to(Path.cwd()))
    return str(path)


def is_whole(journal: Path) -> bool:
    """Whether a journal needs no mirror any more."""
    if not journal.exists():
        return True
    status = read_status(journal)
    # A process that was taken for dead may have written on.
    return status.get("state") == "finished" and status.get("size") in (None, journal.stat().st_size)


def unfinished(folder: Path, *, most: int = 100) -> int:
    """How many journals wait for `wandb-swan resume`; of a full folder, `most` are looked at."""
    return sum(map(_waits, islice(folder.glob("*.journal"), most)))


def _waits(journal: Path) -> bool:
    with contextlib.suppress(OSError):  # a kept journal; its status is not parsed, there may be many
        if b'"state": "finished"' in journal.with_suffix(".status.json").read_bytes()[:100]:
            return False
    return mirror_at(journal) is None and not Trainer.of(journal).may_write()
