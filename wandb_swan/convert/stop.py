"""How a command that goes on until it is stopped hears of Ctrl-C and SIGTERM."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Stopped(BaseException):
    """Ctrl-C or SIGTERM; `code` is the exit code. No Exception: who asks W&B again after one must not catch it."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stoppable() -> Iterator[list[int]]:
    """Ctrl-C and SIGTERM raise `Stopped`, until `ignore_signals`; the exit codes of those that came."""
    came: list[int] = []

    def stop(number: int, _: Any) -> None:
        came.append(128 + number)
        raise Stopped(128 + number)

    before = {number: signal.signal(number, stop) for number in _SIGNALS}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ignore_signals() -> None:
    """What is still to be said and put away is bounded: no further Ctrl-C or SIGTERM cuts it off."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
