"""Console output: the pieces that a program writes become whole lines, as a terminal would show them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .events import ConsoleLine

# CSI (colours, cursor), OSC (titles, links) and single-character escapes.
_CONTROL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\-_]"
    r"|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
)
_LONGEST = 1 << 20


class Console:
    """Assembles the lines of one stream, stdout or stderr."""

    def __init__(self, *, stderr: bool) -> None:
        self._stderr = stderr
        self._rest = ""
        self._timestamp = 0.0

    def write(self, text: str, timestamp: float) -> Iterator[ConsoleLine]:
        """Takes a piece of output (`timestamp` in seconds); yields the lines that it completes."""
        self._timestamp = timestamp
        *lines, self._rest = (self._rest + text).split("\n")
        if len(self._rest) > _LONGEST:  # a progress bar that never ends its line
            self._rest = self._rest[self._rest.rfind("\r") + 1 :][-_LONGEST:]
        for line in lines:
            yield self._line(line)

    def flush(self) -> Iterator[ConsoleLine]:
        """The last line, if the output did not end with a line end."""
        rest, self._rest = self._rest, ""
        if rest.strip("\r"):
            yield self._line(rest)

    def _line(self, raw: str) -> ConsoleLine:
        shown = raw.rstrip("\r")
        shown = shown[shown.rfind("\r") + 1 :]  # what a carriage return overwrites is not seen
        return ConsoleLine(text=_CONTROL.sub("", shown), stderr=self._stderr, timestamp=self._timestamp)
