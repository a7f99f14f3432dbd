"""Forty short trainings at once on one machine: seconds until the last of them has ended."""

from __future__ import annotations

import subprocess
import sys
import time
from functools import partial

from .frame import Effort, Row, alone, compared, desk, interleaved, training


def at_once(way: str, count: int) -> list[float]:
    """Seconds of all of them. Raises SystemExit if one fails."""
    with desk() as place:
        command = training(way, rows=20, numbers=10, pause=0.005)
        begin = time.perf_counter()
        started = [place.start(*command, stdout=subprocess.PIPE) for _ in range(count)]
        for process in started:
            process.communicate()
        seconds = time.perf_counter() - begin
        if failed := [process.returncode for process in started if process.returncode]:
            sys.exit(f"{len(failed)} of {count} trainings failed ({way})")
        place.settle()
        if way == "mirrored":
            place.expect_mirrored(count)
    return [seconds]


def measure(effort: Effort) -> list[Row]:
    count = effort.size(40, 2)
    ways = {way: partial(at_once, way, count) for way in ("bare", "mirrored", "sync")}
    return [compared("trainers", interleaved(effort.most(1), ways))]


if __name__ == "__main__":
    alone(__doc__, measure)
