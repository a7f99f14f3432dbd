"""A training at its usual pace: what the import, `init()`, each `log()` and `finish()` cost.

2,000 rows of 10 numbers, 1 ms between two calls.
"""

from __future__ import annotations

from functools import partial

from .frame import Effort, Row, alone, compared, interleaved, p99, single, train_once


def measure(effort: Effort) -> list[Row]:
    rows = effort.size(2000, 5)
    ways = {way: partial(train_once, way, rows=rows, numbers=10, pause=0.001) for way in ("bare", "mirrored", "sync")}
    found = interleaved(effort.rounds, ways)
    calls = {way: [said["calls"] for said in rounds] for way, rounds in found.items()}
    imports = {way: [[said["import"]] for said in rounds] for way, rounds in found.items()}
    cpu = {way: [[said["cpu"][0] / rows] for said in rounds] for way, rounds in found.items()}
    return [
        compared("log_median", calls),
        compared("log_p99", calls, of=p99),
        compared("log_cpu", cpu),
        compared("import", imports),
        compared("init", {way: [said["init"] for said in rounds] for way, rounds in found.items()}),
        single("finish", {way: [said["finish"] for said in rounds] for way, rounds in found.items()}),
    ]


if __name__ == "__main__":
    alone(__doc__, measure)
