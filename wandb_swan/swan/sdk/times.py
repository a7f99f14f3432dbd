"""The times of a run of the past: SwanLab takes its own clock's, unless it is told."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

log = logging.getLogger("wandb_swan")


@contextmanager
def original(started_at: float, finished_at: Callable[[], float]) -> Iterator[None]:
    """A SwanLab run that begins and ends in here has these times, in seconds since the epoch; 0.0 leaves SwanLab's.

    Changes the start and finish records on their way into SwanLab's core (`deliver_run_start`,
    `deliver_run_finish`, SwanLab 0.10). An installed SwanLab without them keeps its clock's times: no data is lost.
    """
    try:
        from swanlab.sdk.internal.core_python.core import CorePython
    except ImportError as error:
        log.warning("the SwanLab run has today's times: this SwanLab takes no others (%s)", error)
        yield
        return

    def telling(name: str, record: str, field: str, seconds: Callable[[], float]) -> Callable[..., Any]:
        deliver: Callable[..., Any] = getattr(CorePython, name)

        def told(core: Any, request: Any) -> Any:
            if seconds() > 0:
                getattr(getattr(request, record), field).FromNanoseconds(round(seconds() * 1e9))
            return deliver(core, request)

        return told

    names = ("deliver_run_start", "deliver_run_finish")
    before = {name: getattr(CorePython, name) for name in names}
    CorePython.deliver_run_start = telling(names[0], "start_record", "started_at", lambda: started_at)
    CorePython.deliver_run_finish = telling(names[1], "finish_record", "finished_at", finished_at)
    try:
        yield
    finally:
        for name, method in before.items():
            setattr(CorePython, name, method)
