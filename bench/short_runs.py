"""What a short run costs: `init()`, five rows, `finish()`, ten times in one process."""

from __future__ import annotations

import operator
from functools import partial

from .frame import Effort, Row, alone, compared, interleaved, train_once


def measure(effort: Effort) -> list[Row]:
    runs = effort.size(10, 2)
    ways = {way: partial(train_once, way, runs=runs, rows=5) for way in ("bare", "mirrored", "sync")}
    found = interleaved(effort.rounds, ways)
    first = {way: [said["run"][:1] for said in rounds] for way, rounds in found.items()}
    others = {way: [said["run"][1:] for said in rounds] for way, rounds in found.items()}
    return [
        compared("short_first", first, by=operator.sub),
        compared("short_next", others, by=operator.sub),
    ]


if __name__ == "__main__":
    alone(__doc__, measure)
