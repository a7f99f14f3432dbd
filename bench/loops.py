"""Loops that leave the machine no rest: pure Python with a `log()` every 5 ms, and calls as fast as they go."""

from __future__ import annotations

import operator
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from .frame import Effort, Row, alone, compared, interleaved, train_once


def turns(seconds: float) -> int:
    """How many turns of the trainer's loop take so long here."""
    taken = []
    for _ in range(5):
        begin = time.perf_counter()
        for turn in range(100_000):
            turn * turn
        taken.append(time.perf_counter() - begin)
    return int(100_000 * seconds / min(taken))


def loops(rounds: int, ways: Sequence[str], **given: Any) -> dict[str, list[list[float]]]:
    """Seconds a row, by way and round."""
    found = interleaved(rounds, {way: partial(train_once, way, **given) for way in ways})
    return {way: [[said["loop"][0] / given["rows"]] for said in taken] for way, taken in found.items()}


def measure(effort: Effort) -> list[Row]:
    both, three = ("bare", "mirrored"), ("bare", "mirrored", "sync")
    paced = loops(effort.rounds, both, rows=effort.size(600, 5), work=turns(0.005), numbers=10)
    hundred = loops(effort.rounds, three, rows=effort.size(2000, 5), numbers=100)
    fast = loops(effort.rounds, both, rows=effort.size(20_000, 20), numbers=10)
    return [
        compared("loop_5ms", paced),
        compared("hundred", hundred),
        compared("full_speed", fast, by=lambda mirrored, bare: operator.truediv(bare, mirrored)),
    ]


if __name__ == "__main__":
    alone(__doc__, measure)
