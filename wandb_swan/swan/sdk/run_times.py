"""The times of a run of the past: SwanLab takes its own clock's, unless it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from . import capabilities
from .capabilities import found


def core_factory() -> tuple[Any, Callable[..., Any]]:
    """The module that makes SwanLab's core for a run, and how it does. Raises ImportError or AttributeError."""
    from swanlab.sdk.internal import context

    return context, context.create_core


@contextmanager
def original(started_at: float, finished_at: Callable[[], float]) -> Iterator[None]:
    """A SwanLab run that begins and ends in here has these times, in seconds since the epoch; 0.0 leaves SwanLab's.

    Changes the start and finish records on their way into SwanLab's core (`deliver_run_start`, `deliver_run_finish` of
    its protocol), wherever SwanLab makes one (`create_core`, SwanLab 0.10). An installed SwanLab that makes its core
    elsewhere keeps its clock's times: no data is lost, the capability is missing.
    """
    try:
        context, create = core_factory()
    except (ImportError, AttributeError) as error:
        found.lack(capabilities.RUN_TIMES, why=error)
        yield
        return

    def with_time(deliver: Callable[[Any], Any], record: str, field: str, seconds: Callable[[], float]) -> Any:
        def deliver_with_time(request: Any) -> Any:
            if seconds() > 0:
                getattr(getattr(request, record), field).FromNanoseconds(round(seconds() * 1e9))
            return deliver(request)

        return deliver_with_time

    def create_core(*args: Any, **more: Any) -> Any:
        core = create(*args, **more)
        try:
            core.deliver_run_start = with_time(core.deliver_run_start, "start_record", "started_at", lambda: started_at)
            core.deliver_run_finish = with_time(core.deliver_run_finish, "finish_record", "finished_at", finished_at)
        except AttributeError as error:
            found.lack(capabilities.RUN_TIMES, why=error)
        return core

    context.create_core = create_core
    try:
        yield
    finally:
        context.create_core = create
