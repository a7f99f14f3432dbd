"""The tap: sees every record that wandb publishes and appends it to the run's journal.

Class level, so that runs started by libraries are seen too. What is wrapped, by wandb version (read from its source):

- `InterfaceSock._publish`: every published record, 0.19 to 0.31. Up to 0.20 also those that expect an answer.
- `InterfaceSock._deliver` (0.21) or `InterfaceSock.deliver_async` (from 0.22): records that expect an answer.
- `InterfaceSock.deliver_run_start(run)`: called once, in the thread of `wandb.init`, when the run exists.
- `Run._finish`: after it, wandb's own transaction log is whole.
- `ServiceConnection.teardown`: ends every run that nobody finished, at interpreter exit or in `wandb.teardown()`;
  wandb's core then writes the exit by itself.
- `_WandbInit.maybe_login`: the first place that sees the mode; used for `wandb_run=False` alone.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import os
import sys
import threading
import traceback
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ..exceptions import WandbSwanError
from ..journal.handlers import own_errors_suppressed, raised_by_handler
from ..journal.kinds import LEFT_OUT_RECORDS, LEFT_OUT_REQUESTS
from ..journal.writer import PATIENCE, JournalWriter
from ..versions import below_declared
from . import late, peer
from .messages import warn

if TYPE_CHECKING:
    from ..journal.fields import CauseFields
    from .launch import Capture

_MISSING = object()
_lock = threading.RLock()
_said: set[str] = set()
"""Why wandb could not be tapped."""
_saved: list[tuple[type, str, Any]] = []
_live: dict[str, Capture] = {}
"""Stream id (wandb's run id) -> what captures it. Emptied in a forked child, which must be silent."""

_first_run: dict[str, bytes] = {}
"""Stream id -> the run record as the user's process made it, until the run starts."""

_late: dict[str, Any] = {}
"""Stream id -> run that had begun when wandb was tapped. It is captured from its next record on: who imports us may
call `sync_wandb()` with arguments next."""

_seen: weakref.WeakSet[Any] = weakref.WeakSet()
"""Runs that were tapped, or that the settings left out: none is mirrored twice."""

_given: contextvars.ContextVar[dict[str, Any] | None] = contextvars.ContextVar("wandb_swan_init", default=None)
_process_wide: dict[str, Any] = {}


def _in_a_forked_child() -> None:
    """Forgets the parent's runs: their journals are the parent's to write. Another thread may have held the lock."""
    global _lock
    captures = list(_live.values())
    _live.clear()
    _late.clear()
    _first_run.clear()
    _lock = threading.RLock()
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


@contextlib.contextmanager
def overrides(**given: Any) -> Iterator[None]:
    """Settings for the runs that are started in this context, as `wandb_swan.init()` gives them."""
    token = _given.set({**(_given.get() or {}), **given})
    try:
        yield
    finally:
        _given.reset(token)


def installed() -> bool:
    """Whether wandb is tapped."""
    return bool(_saved)


def install(**given: Any) -> bool:
    """Taps wandb; again is harmless. `given` are settings for every later run of the process.

    Returns False, after one warning, when this wandb has no place to tap; wandb then works alone.
    """
    with own_errors_suppressed(Exception):
        given_to_it = peer.follow()
        if given_to_it is not None:
            _process_wide.update(given_to_it)
            _allow_beside()
    _process_wide.update({name: value for name, value in given.items() if value is not None})
    with _lock:
        if _saved:
            return True
        try:
            low = below_declared("wandb", "swanlab")
            if low:
                raise WandbSwanError(f"{', '.join(low)}, the lowest that works: type `pip install -U wandb-swan`")
            _wrap_all()
        except Exception as error:
            _restore()
            if str(error) not in _said:
                warn(f"nothing is mirrored ({error}); wandb works alone")
            _said.add(str(error))
            return False
    for stream_id, run in late.running():
        if stream_id not in _live and run not in _seen:
            _late.setdefault(stream_id, run)
    return True


def follow_peer(**given: Any) -> None:
    """What `swanlab.sync_wandb()` does where it is ours: also what the program logs by SwanLab itself has its place."""
    if switched_off():
        return
    install(**given)
    join_running(**given)
    with own_errors_suppressed(Exception):
        _allow_beside()


def _allow_beside() -> None:
    from . import beside  # few programs need it

    beside.allow(lambda: next(iter(_live.values()), None))


def _beside() -> Any:
    return sys.modules.get(f"{__package__}.beside")


def join_running(**given: Any) -> None:
    """Captures now what `install` has found running, with the settings that it was given."""
    if any(value is not None for value in given.values()):
        for stream_id in _live:
            warn(f"what sync_wandb() is given comes too late for run {stream_id}, which goes on as it began")
    for stream_id in list(_late):
        _join(stream_id)


def uninstall() -> None:
    """Takes the tap out: every class of wandb is as it was. Mirrors of live runs finish with what they have."""
    with _lock:
        _restore()
        peer.leave()
        if (beside := _beside()) is not None:
            beside.leave()
        _process_wide.clear()
        for capture in list(_live.values()):
            capture.close()
        _live.clear()
        _late.clear()
        _first_run.clear()


def _restore() -> None:
    while _saved:
        owner, name, original = _saved.pop()
        if original is _MISSING:
            delattr(owner, name)
        else:
            setattr(owner, name, original)


def _wrap(owner: type, name: str, wrapper: Callable[[Any], Any]) -> None:
    original = getattr(owner, name)
    _saved.append((owner, name, owner.__dict__.get(name, _MISSING)))
    setattr(owner, name, functools.wraps(original)(wrapper(original)))


def _wrap_all() -> None:
    from wandb import sdk  # a name of wandb's, first: the command line puts wandb's code off until one is asked for
    from wandb.sdk.interface.interface_sock import InterfaceSock

    _wrap(InterfaceSock, "_publish", _tap_publish)
    if hasattr(InterfaceSock, "deliver_async"):
        _wrap(InterfaceSock, "deliver_async", _tap_deliver_async)
    elif "_deliver" in InterfaceSock.__dict__:
        _wrap(InterfaceSock, "_deliver", _tap_publish)
    _wrap(InterfaceSock, "deliver_run_start", _tap_run_start)
    _wrap(sdk.wandb_run.Run, "_finish", _tap_finish)
    _wrap(_service_connection(), "teardown", _tap_teardown)
    _wrap(sdk.wandb_init._WandbInit, "maybe_login", _tap_login)


def _service_connection() -> type:
    import importlib

    for name in ("wandb.sdk.lib.service.service_connection", "wandb.sdk.lib.service_connection"):  # from 0.21; before
        with contextlib.suppress(ImportError):
            return importlib.import_module(name).ServiceConnection  # type: ignore[no-any-return]
    raise ImportError("no wandb.sdk.lib.service.service_connection")


def _tap_publish(original: Any) -> Any:
    def _publish(self: Any, record: Any, *args: Any, **kwargs: Any) -> Any:
        capture = _live.get(self._stream_id)
        if capture is None and self._stream_id in _late and late.is_of_the_run(record):
            capture = _join(self._stream_id)
        if capture is None:
            _remember_run(self._stream_id, record)
            return original(self, record, *args, **kwargs)
        if kwargs.get("nowait"):  # may run on wandb's event loop, which must not wait for a lock
            _record(capture, record)
            return original(self, record, *args, **kwargs)
        # Two threads must reach the journal and wandb's core in the same order: it decides the steps. But who has the
        # lock may be in a signal handler that waits for this thread, which without us would go on.
        mine = capture.order.acquire(timeout=PATIENCE)
        try:
            _record(capture, record)
            return original(self, record, *args, **kwargs)
        finally:
            if mine:
                capture.order.release()

    return _publish


def _tap_deliver_async(original: Any) -> Any:
    async def deliver_async(self: Any, record: Any, *args: Any, **kwargs: Any) -> Any:
        capture = _live.get(self._stream_id)
        if capture is not None:
            _record(capture, record)
        else:
            _remember_run(self._stream_id, record)
        return await original(self, record, *args, **kwargs)

    return deliver_async


def _tap_run_start(original: Any) -> Any:
    def deliver_run_start(self: Any, run: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            _begin(self._stream_id, run)
        except Exception as error:
            if raised_by_handler(error):
                raise
            _not_mirrored(self._stream_id, error)
        return original(self, run, *args, **kwargs)

    return deliver_run_start


def _tap_finish(original: Any) -> Any:
    def _finish(self: Any, *args: Any, **kwargs: Any) -> Any:
        stream_id = self._settings.run_id or ""
        capture = _join(stream_id) if stream_id in _late else _live.get(stream_id)
        if capture is None or capture.run_is_not(self):
            return original(self, *args, **kwargs)
        wait = True
        try:
            _note_cause(capture)
            return original(self, *args, **kwargs)
        except KeyboardInterrupt:
            wait = False
            raise
        finally:
            _end(capture, wait=wait)

    return _finish


def _tap_teardown(original: Any) -> Any:
    def teardown(self: Any, *args: Any, **kwargs: Any) -> Any:
        code = kwargs.get("exit_code", args[0] if args else 0)
        join_running()
        captures = list(_live.values())
        for capture in captures:
            _note_cause(capture)
        try:
            return original(self, *args, **kwargs)
        finally:
            for capture in captures:
                _end(capture, wait=True, exit_code=code)

    return teardown


def _tap_login(original: Any) -> Any:
    def maybe_login(self: Any, init_settings: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            _keep_offline(self, init_settings)
        except Exception as error:
            if raised_by_handler(error):
                raise
            warn(f"wandb_run=False could not be obeyed ({_short(error)})")
        return original(self, init_settings, *args, **kwargs)

    return maybe_login


def _keep_offline(init: Any, init_settings: Any) -> None:
    """Makes the real wandb run offline where `wandb_run` is false; a disabled run stays disabled."""
    given = {**_process_wide, **(_given.get() or {})}
    wanted = given.get("wandb_run")
    if wanted is None:
        wanted = not _says_no("WANDB_SWAN_WANDB_RUN")
    if wanted:
        return
    merged = init._wl.settings.model_copy()
    merged.update_from_settings(init_settings)
    if not merged._noop:
        init_settings.mode = "offline"


def _join(stream_id: str) -> Capture | None:
    """Captures a run that had begun; the mirror has what came before from wandb's own log."""
    run = _late.pop(stream_id, None)
    if run is None:  # another thread was faster
        return _live.get(stream_id)
    try:
        _first_run[stream_id] = late.start_record(run)
        _begin(stream_id, run, joined_at=late.step_of(run))
    except Exception as error:
        if raised_by_handler(error):
            raise
        _not_mirrored(stream_id, error)
    return _live.get(stream_id)


def _not_mirrored(stream_id: str, error: Exception) -> None:
    warn(f"run {stream_id} is not mirrored to SwanLab ({_short(error)}); wandb is not affected")


def _begin(stream_id: str, run: Any, *, joined_at: int | None = None) -> None:
    if switched_off():
        return
    from .launch import begin

    previous = _live.pop(stream_id, None)
    if previous is not None:
        previous.close()
    first = _first_run.pop(stream_id, None)
    _seen.add(run)
    capture = begin(stream_id, run, {**_process_wide, **(_given.get() or {})}, joined_at=joined_at)
    if capture is not None:
        if first is not None:
            capture.journal.append(first)
        _live[stream_id] = capture


def _end(capture: Capture, *, wait: bool, exit_code: int | None = None) -> None:
    if _live.get(capture.stream_id) is capture:
        del _live[capture.stream_id]
    try:
        capture.finish(wait=wait, exit_code=exit_code)
    except Exception as error:
        if raised_by_handler(error):
            raise
        warn(f"waiting for the mirror failed ({_short(error)})")
    with own_errors_suppressed(Exception):
        if (beside := _beside()) is not None:
            beside.close(capture)


def _remember_run(stream_id: str, record: Any) -> None:
    """Keeps the run record for `_begin`: the run that starts has wandb's core's echo of its config.

    In the echo (0.19 to 0.31) large ints are floats and empty dicts in dicts are gone; wandb's log has the original.
    """
    with own_errors_suppressed(Exception):
        if record.WhichOneof("record_type") == "run":
            _first_run[stream_id] = record.SerializeToString()


def _record(capture: Capture, record: Any) -> None:
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
        capture.broken(_short(error))


def _note_cause(capture: Capture) -> None:
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


def _short(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
