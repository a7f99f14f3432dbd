"""The tap: sees every record that wandb publishes and appends it to the run's journal.

Class level, so that runs started by libraries are seen too. What is wrapped is in `seams`.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..exceptions import WandbSwanError
from ..journal.handlers import own_errors_suppressed, raised_by_handler
from ..journal.writer import PATIENCE
from ..versions import below
from . import late, live, peer, seams
from .messages import warn

if TYPE_CHECKING:
    from .launch import Capture

_MISSING = object()
_lock = threading.RLock()
_said: set[str] = set()
"""Why wandb could not be tapped."""
_saved: list[tuple[type, str, Any]] = []
_ending: list[tuple[Capture, int]] = []
"""Up to wandb 0.17: the runs that its service, told to end, is waited for with; and their exit code."""


def _in_a_forked_child() -> None:
    """Another thread may have held the lock."""
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_a_forked_child)


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
            live.process_wide.update(given_to_it)
            _allow_beside()
    live.process_wide.update({name: value for name, value in given.items() if value is not None})
    with _lock:
        if _saved:
            return True
        try:
            low = below("wandb", seams.OLDEST)
            if low:
                raise WandbSwanError(f"{low}, the lowest that works: type `pip install -U wandb`")
            _wrap_all()
        except Exception as error:
            _restore()
            if str(error) not in _said:
                warn(f"nothing is mirrored ({error}); wandb works alone")
            _said.add(str(error))
            return False
    for stream_id, run in late.running():
        if stream_id not in live.captured and run not in live.seen:
            live.awaited.setdefault(stream_id, run)
    return True


def follow_peer(**given: Any) -> None:
    """What `swanlab.sync_wandb()` does where it is ours: also what the program logs by SwanLab itself has its place."""
    if live.switched_off():
        return
    install(**given)
    live.join_running(**given)
    with own_errors_suppressed(Exception):
        _allow_beside()


def _allow_beside() -> None:
    from . import beside  # few programs need it

    beside.allow(lambda: next(iter(live.captured.values()), None))


def uninstall() -> None:
    """Takes the tap out: every class of wandb is as it was. Mirrors of live runs finish with what they have."""
    with _lock:
        _restore()
        peer.leave()
        if (beside := live.beside_module()) is not None:
            beside.leave()
        live.process_wide.clear()
        for capture in list(live.captured.values()):
            capture.close()
        live.captured.clear()
        live.awaited.clear()
        live.first_records.clear()


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
    interface = seams.interface()
    _wrap(interface, "_publish", _tap_publish)
    answered = seams.answered(interface)
    if answered is not None:
        _wrap(interface, answered, _tap_deliver_async if answered == "deliver_async" else _tap_publish)
    _wrap(interface, "deliver_run_start", _tap_run_start)
    queue = seams.queue()
    if queue is not None:
        _wrap(queue, "_publish", _tap_publish)
        _wrap(queue, "deliver_run_start", _tap_run_start)
        _saved.append((queue, "_stream_id", _MISSING))
        queue._stream_id = property(seams.stream_of_queue)  # type: ignore[attr-defined]
    _wrap(seams.run_class(), "_finish", _tap_finish)
    connection = seams.connection()
    if connection is not None:
        _wrap(connection, "teardown", _tap_teardown)
    else:
        manager, service = seams.old_teardown()
        _wrap(manager, "_inform_teardown", _tap_inform_teardown)
        _wrap(service, "join", _tap_join)
    owner, method = seams.login()
    _wrap(owner, method, _tap_login)


def _tap_publish(original: Any) -> Any:
    def _publish(self: Any, record: Any, *args: Any, **kwargs: Any) -> Any:
        capture = live.captured.get(self._stream_id)
        if capture is None and self._stream_id in live.awaited and late.is_of_the_run(record):
            capture = live.join(self._stream_id)
        if capture is None:
            live.remember_run(self._stream_id, record)
            return original(self, record, *args, **kwargs)
        if kwargs.get("nowait"):  # may run on wandb's event loop, which must not wait for a lock
            live.append(capture, record)
            return original(self, record, *args, **kwargs)
        # Two threads must reach the journal and wandb's core in the same order: it decides the steps. But who has the
        # lock may be in a signal handler that waits for this thread, which without us would go on.
        mine = capture.order.acquire(timeout=PATIENCE)
        try:
            live.append(capture, record)
            return original(self, record, *args, **kwargs)
        finally:
            if mine:
                capture.order.release()

    return _publish


def _tap_deliver_async(original: Any) -> Any:
    async def deliver_async(self: Any, record: Any, *args: Any, **kwargs: Any) -> Any:
        capture = live.captured.get(self._stream_id)
        if capture is not None:
            live.append(capture, record)
        else:
            live.remember_run(self._stream_id, record)
        return await original(self, record, *args, **kwargs)

    return deliver_async


def _tap_run_start(original: Any) -> Any:
    def deliver_run_start(self: Any, run: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            live.begin(self._stream_id, seams.run_of(self, run))
        except Exception as error:
            if raised_by_handler(error):
                raise
            live.not_mirrored(self._stream_id, error)
        return original(self, run, *args, **kwargs)

    return deliver_run_start


def _tap_finish(original: Any) -> Any:
    def _finish(self: Any, *args: Any, **kwargs: Any) -> Any:
        stream_id = self._settings.run_id or ""
        capture = live.join(stream_id) if stream_id in live.awaited else live.captured.get(stream_id)
        if capture is None or capture.run_is_not(self):
            return original(self, *args, **kwargs)
        wait = True
        try:
            live.note_cause(capture)
            return original(self, *args, **kwargs)
        except KeyboardInterrupt:
            wait = False
            raise
        finally:
            live.end(capture, wait=wait)

    return _finish


def _tap_teardown(original: Any) -> Any:
    def teardown(self: Any, *args: Any, **kwargs: Any) -> Any:
        captures, code = _at_teardown(*args, **kwargs)
        try:
            return original(self, *args, **kwargs)
        finally:
            for capture in captures:
                live.end(capture, wait=True, exit_code=code)

    return teardown


def _tap_inform_teardown(original: Any) -> Any:
    def _inform_teardown(self: Any, *args: Any, **kwargs: Any) -> Any:
        _ending.extend((capture, code) for captures, code in [_at_teardown(*args, **kwargs)] for capture in captures)
        return original(self, *args, **kwargs)

    return _inform_teardown


def _tap_join(original: Any) -> Any:
    def join(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return original(self, *args, **kwargs)
        finally:
            while _ending:
                capture, code = _ending.pop(0)
                live.end(capture, wait=True, exit_code=code)

    return join


def _at_teardown(exit_code: int = 0) -> tuple[list[Capture], int]:
    """The runs that nobody has finished, and the exit code that wandb gives them."""
    live.join_running()
    captures = list(live.captured.values())
    for capture in captures:
        live.note_cause(capture)
    return captures, exit_code


def _tap_login(original: Any) -> Any:
    def maybe_login(self: Any, init_settings: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            if not live.may_upload():
                seams.stay_offline(self, init_settings)
        except Exception as error:
            if raised_by_handler(error):
                raise
            warn(f"wandb_run=False could not be obeyed ({live.short(error)})")
        if not seams.seems_disabled(init_settings):
            live.prepare()
        return original(self, init_settings, *args, **kwargs)

    return maybe_login
