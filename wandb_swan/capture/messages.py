"""What the user is told in the training process: single lines on stderr, which may not be a terminal, nor ours."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import sys

from ..journal.handlers import own_errors_suppressed


def _standard_files() -> set[tuple[int, int]]:
    found = set()
    for number in range(3):
        with contextlib.suppress(OSError):
            status = os.fstat(number)
            found.add((status.st_dev, status.st_ino))
    return found


_standard = _standard_files()
"""What the descriptors 0 to 2 were when this module was imported."""


def _may_print() -> bool:
    """Whether stderr is no file of the program's: it may have closed descriptor 2, and a checkpoint has the number."""
    try:
        number = sys.stderr.fileno()
        status = os.fstat(number)
        if number > 2 or not stat.S_ISREG(status.st_mode) or (status.st_dev, status.st_ino) in _standard:
            return True
        import fcntl

        return bool(fcntl.fcntl(number, fcntl.F_GETFL) & os.O_APPEND)  # a log that was put in its place
    except Exception as error:
        return not isinstance(error, OSError) or isinstance(error, io.UnsupportedOperation)  # no file at all, or closed


def warn(message: str) -> None:
    """One line on stderr, as wandb's own warnings; the text of an error may have several."""
    message = " ".join(map(str.strip, message.splitlines()))
    with own_errors_suppressed(Exception):
        if sys.stderr is not None and _may_print():
            # One write: `print` makes two, and between them another thread may say something.
            sys.stderr.write(f"wandb_swan: {message}\n")
