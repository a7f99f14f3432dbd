"""A `log()` where each write to the journal takes 50 ms, as on a busy network file system. Simulated.

In the processes of the training, `os.write` and `os.pwrite` sleep for files below the journals' folder; no real file
system is slow here.
"""

from __future__ import annotations

import operator
from functools import partial

from .frame import Effort, Row, alone, compared, desk, interleaved

SITE = """
import os, time

def slowed(write):
    def slow(descriptor, *given):
        try:
            where = os.readlink(f"/proc/self/fd/{descriptor}")
        except OSError:
            where = ""
        if where.startswith(os.environ["BENCH_SLOW"]):
            time.sleep(0.05)
        return write(descriptor, *given)
    return slow

for name in ("write", "pwrite"):
    setattr(os, name, slowed(getattr(os, name)))
"""


def calls(way: str, rows: int) -> list[float]:
    """Seconds of each call."""
    with desk() as place:
        slow, site = place.folder / "slow", place.folder / "site"
        for folder in (slow, site):
            folder.mkdir()
        (site / "sitecustomize.py").write_text(SITE)
        more = {"PYTHONPATH": str(site), "BENCH_SLOW": str(slow), "WANDB_SWAN_JOURNAL_DIR": str(slow)}
        return list(place.train(way, more=more, rows=rows, numbers=10, pause=0.005)["calls"])


def measure(effort: Effort) -> list[Row]:
    rows = effort.size(100, 3)
    ways = {way: partial(calls, way, rows) for way in ("bare", "mirrored")}
    return [compared("slow_disk", interleaved(effort.most(2), ways), by=operator.sub)]


if __name__ == "__main__":
    alone(__doc__, measure)
