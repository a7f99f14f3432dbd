"""Memory that mirrors add, for the first run of a program and for each further one that is live beside it.

The sum of the proportional set sizes (PSS: what is shared counts once) of all processes of a training, against the same
training with bare wandb.
"""

from __future__ import annotations

import operator
import subprocess
import sys
import time
from functools import partial

import psutil

from .frame import Desk, Effort, Row, alone, compared, desk, interleaved

PROGRAM = """
import sys
way, count = sys.argv[1], int(sys.argv[2])
if way == "sync":
    import swanlab
    swanlab.sync_wandb(mode="offline", log_dir="swanlog")
if way == "mirrored":
    import wandb_swan as wandb
else:
    import wandb
settings = wandb.Settings(x_disable_stats=True, console="off")
more = {"reinit": "create_new"} if count > 1 else {}  # SwanLab has one run a process, and no such way of reinit
runs = [wandb.init(project="bench", settings=settings, **more) for _ in range(count)]
for step in range(100):
    for run in runs:
        run.log({f"metric/{i}": step / (i + 1) for i in range(10)})
print("live", flush=True)
sys.stdin.readline()
for run in runs:
    run.finish()
"""


def pss(place: Desk) -> float:
    """MB of all processes of a desk."""
    total = 0
    for process in place.processes():
        try:
            total += process.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return total / 1e6


def held(way: str, runs: int, seconds: float) -> list[float]:
    """MB that a training has with so many live runs, `seconds` after they have logged."""
    with desk() as place:
        process = place.start(sys.executable, "-c", PROGRAM, way, str(runs), stdout=subprocess.PIPE)
        assert process.stdout is not None
        if "live\n" not in iter(process.stdout.readline, ""):  # SwanLab says more
            sys.exit(f"the training failed ({way})")
        time.sleep(seconds)  # the mirrors have caught up, and their host has ended
        found = pss(place)
        process.communicate("\n")
        place.settle()
        if way == "mirrored":
            place.expect_mirrored(runs)
    return [found]


def measure(effort: Effort) -> list[Row]:
    more = effort.size(4, 2)
    seconds = effort.size(13, 1)
    sides = {"bare": ("bare", 1), "mirrored": ("mirrored", 1), "sync": ("sync", 1),
             "bare, more runs": ("bare", more), "mirrored, more runs": ("mirrored", more)}  # fmt: skip
    found = interleaved(effort.most(2), {
        name: partial(held, way, runs, seconds) for name, (way, runs) in sides.items()
    })  # fmt: skip
    each = {}
    for way in ("bare", "mirrored"):
        pairs = zip(found[f"{way}, more runs"], found[way], strict=True)
        each[way] = [[(several[0] - one[0]) / (more - 1)] for several, one in pairs]
    first = {name: found[name] for name in ("bare", "mirrored", "sync")}
    return [
        compared("memory_first", first, by=operator.sub),
        compared("memory_next", each, by=operator.sub),
    ]


if __name__ == "__main__":
    alone(__doc__, measure)
