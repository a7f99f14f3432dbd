"""Exceptions that a signal handler of the program raises in the middle of our code: they are not ours to catch."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from typing import Any, Final

_OURS: Final = frozenset(
    {"builtins", "struct", "google.protobuf.message", "wandb_swan.exceptions", "wandb_swan.capture.interpreter"}
)
"""Where exceptions are defined that our own code may meet; others are thrown into this thread from outside."""


def raised_by_handler(error: BaseException) -> bool:
    """Whether an exception came out of a signal handler of the program, in the middle of our code: it is not ours."""
    codes = set()
    for number in signal.valid_signals():
        handler: Any = signal.getsignal(number)
        for target in (handler, getattr(handler, "func", None), type(handler).__dict__.get("__call__")):
            codes.add(getattr(getattr(target, "__func__", target), "__code__", None))
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code in codes:
            return True
        trace = trace.tb_next
    return type(error).__module__ not in _OURS


@contextlib.contextmanager
def own_errors_suppressed(*kinds: type[Exception]) -> Iterator[None]:
    """`contextlib.suppress`, but for what a signal handler of the program raised: that is on its way to the program."""
    try:
        yield
    except kinds as error:
        if raised_by_handler(error):
            raise
