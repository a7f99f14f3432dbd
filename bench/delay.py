"""From `log()` to SwanLab's store on disk, while a training logs 20 times a second."""

from __future__ import annotations

import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from wandb_swan.exceptions import WandbSwanError
from wandb_swan.swan.sdk.store import records

from .frame import Effort, Row, alone, desk, interleaved, single, training


def delays(way: str, rows: int, start: int) -> list[float]:
    """Seconds of each row, from its call until it can be read from the store; without the first ones, the start's."""
    with desk() as place:
        seen: dict[float, float] = {}
        size = 0
        started = place.start(*training(way, rows=rows, pause=0.05, stamp=True), stdout=subprocess.PIPE)
        while started.poll() is None:
            time.sleep(0.002)
            store = next(iter(place.folder.glob("swanlog/run-*/run-*.swanlab")), None)
            if store is None or store.stat().st_size == size:
                continue
            size, now = store.stat().st_size, time.time()
            for logged in stamps(store):
                seen.setdefault(logged, now)
        started.communicate()
        place.settle()
        if way == "mirrored":
            place.expect_mirrored(1)
        if store := next(iter(place.folder.glob("swanlog/run-*/run-*.swanlab")), None):
            for logged in stamps(store):
                seen.setdefault(logged, time.time())
    if len(seen) != rows:
        sys.exit(f"{len(seen)} of {rows} rows are in SwanLab's store ({way})")
    return [seen[logged] - logged for logged in sorted(seen)[start:]]


def stamps(store: Path) -> list[float]:
    """The values of a store's first metric, as far as it is whole."""
    found = []
    try:
        for record in records(store.parent):
            if record.HasField("scalar") and record.scalar.key.startswith("metric/"):
                found.append(record.scalar.value.number)
    except WandbSwanError:
        pass  # its last record is being written
    return found


def measure(effort: Effort) -> list[Row]:
    rows, start = effort.size(140, 5), effort.size(40, 0)
    found = interleaved(effort.most(2), {way: partial(delays, way, rows, start) for way in ("mirrored", "sync")})
    return [single("delay", found)]


if __name__ == "__main__":
    alone(__doc__, measure)
