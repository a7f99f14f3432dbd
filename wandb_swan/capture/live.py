"""The runs of this process that are captured: each from its start, or from where it was joined, to its end."""

from __future__ import annotations

import contextlib
import contextvars
import os
import sys
import traceback
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..journal.handlers import own_errors_suppressed, raised_by_handler
from ..journal.kinds import LEFT_OUT_RECORDS, LEFT_OUT_REQUESTS
from ..journal.writer import JournalWriter
from . import late
from .messages import warn

if TYPE_CHECKING:
    from ..journal.fields import CauseFields
    from .launch import Capture

captured: dict[str, Capture] = {}
"""Stream id (wandb's run id) -> what captures it. Emptied in a forked child, which must be silent."""

first_records: dict[str, bytes] = {}
"""Stream id -> the run record as the user's process made it, until the run starts."""

awaited: dict[str, Any] = {}
"""Stream id -> run that had begun when wandb was tapped. It is captured from its next record on: who imports us may
call `sync_wandb()` with arguments next."""

seen: weakref.WeakSet[Any] = weakref.WeakSet()
"""Runs that were tapped, or that the settings left out: none is mirrored twice."""

_given: contextvars.ContextVar[dict[str, Any] | None] = contextvars.ContextVar("wandb_swan_init", default=None)
process_wide: dict[str, Any] = {}


def _in_a_forked_child() -> None:
    """Forgets the parent's runs: their journals are the parent's to write."""
    captures = list(captured.values())
    captured.clear()
    awaited.clear()
    first_records.clear()
    for capture in captures:
        journal, mirror = getattr(capture, "journal", None), getattr(capture, "mirror", None)
        if isinstance(journal, JournalWriter):
            journal.forget()
        if mirror is not None:
            mirror.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_a_forked_child)


def switched_off() -> bool:
    """Whether `WANDB_SWAN=0` asks for pure passthrough."""
    return _says_no("WANDB_SWAN")


def _says_no(variable: str) -> bool:
    return os.environ.get(variable, "").strip().lower() in {"0", "false", "off", "no", "f", "n"}


def may_upload() -> bool:
    """Whether the run that is prepared may go to W&B: what `wandb_run` says."""
    wanted = {**process_wide, **(_given.get() or {})}.get("wandb_run")
    return not _says_no("WANDB_SWAN_WANDB_RUN") if wanted is None else bool(wanted)


@contextlib.contextmanager
def overrides(**given: Any) -> Iterator[None]:
    """Settings for the runs that are started in this context, as `wandb_swan.init()` gives them."""
    token = _given.set({**(_given.get() or {}), **given})
    try:
        yield
    finally:
        _given.reset(token)


def beside_module() -> Any:
    """`beside`, where this process needs it."""
    return sys.modules.get(f"{__package__}.beside")


def join_running(**given: Any) -> None:
    """Captures now what `install` has found running, with the settings that it was given."""
    if any(value is not None for value in given.values()):
        for stream_id in captured:
            warn(f"what sync_wandb() is given comes too late for run {stream_id}, which goes on as it began")
    for stream_id in list(awaited):
        join(stream_id)


def join(stream_id: str) -> Capture | None:
    """Captures a run that had begun; the mirror has what came before from wandb's own log."""
    run = awaited.pop(stream_id, None)
    if run is None:  # another thread was faster
        return captured.get(stream_id)
    try:
        first_records[stream_id] = late.start_record(run)
        begin(stream_id, run, joined_at=late.step_of(run))
    except Exception as error:
        if raised_by_handler(error):
            raise
        not_mirrored(stream_id, error)
    return captured.get(stream_id)


def not_mirrored(stream_id: str, error: Exception) -> None:
    """Says that a run goes to W&B alone."""
    warn(f"run {stream_id} is not mirrored to SwanLab ({short(error)}); wandb is not affected")


def prepare() -> None:
    """Begins what the mirror of a run that is about to start takes time for; what is wrong is said when it starts."""
    if not switched_off():
        with own_errors_suppressed(Exception):
            from .launch import prepare as prepare_mirror

            prepare_mirror({**process_wide, **(_given.get() or {})})


def begin(stream_id: str, run: Any, *, joined_at: int | None = None) -> None:
    """Captures a run that starts, or has begun; nothing, where the settings say so. Raises as `launch.begin` does."""
    if switched_off():
        return
    from .launch import begin as begin_capture

    previous = captured.pop(stream_id, None)
    if previous is not None:
        previous.close()
    first = first_records.pop(stream_id, None)
    seen.add(run)
    capture = begin_capture(stream_id, run, {**process_wide, **(_given.get() or {})}, joined_at=joined_at)
    if capture is not None:
        if first is not None:
            capture.journal.append(first)
        captured[stream_id] = capture


def end(capture: Capture, *, wait: bool, exit_code: int | None = None) -> None:
    """Ends a capture; `exit_code` as in `Capture.finish`."""
    if captured.get(capture.stream_id) is capture:
        del captured[capture.stream_id]
    try:
        capture.finish(wait=wait, exit_code=exit_code)
    except Exception as error:
        if raised_by_handler(error):
            raise
        warn(f"waiting for the mirror failed ({short(error)})")
    with own_errors_suppressed(Exception):
        if (beside := beside_module()) is not None:
            beside.close(capture)


def remember_run(stream_id: str, record: Any) -> None:
    """Keeps the run record for `begin`: the run that starts has wandb's core's echo of its config.

    In the echo (0.19 to 0.31) large ints are floats and empty dicts in dicts are gone; wandb's log has the original.
    """
    with own_errors_suppressed(Exception):
        if record.WhichOneof("record_type") == "run":
            first_records[stream_id] = record.SerializeToString()


def append(capture: Capture, record: Any) -> None:
    """Appends one record to the journal. Whatever goes wrong costs the mirror, never the caller."""
    try:
        kind = record.WhichOneof("record_type")
        if kind == "request":
            if record.request.WhichOneof("request_type") in LEFT_OUT_REQUESTS:
                return
        elif kind in LEFT_OUT_RECORDS:
            return
        capture.journal.append(record.SerializeToString())
    except Exception as error:
        if raised_by_handler(error):
            raise
        capture.broken(short(error))


def note_cause(capture: Capture) -> None:
    """Notes the exception that ends the run, if one does: its name and its traceback text.

    `sys.last_value` is what ended a script; in an interactive session it may be an old one.
    """
    error = sys.exc_info()[1]
    if error is None and not hasattr(sys, "ps1"):
        error = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
    if error is None or isinstance(error, SystemExit):
        return
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    with own_errors_suppressed(Exception):
        cause: CauseFields = {"type": "exit", "exception": type(error).__name__, "traceback": text[-8000:]}
        capture.journal.note(**cause)


def short(error: BaseException) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
