"""What a mirror adds to one `log()`, as fast as Python can: two runs in one process, with a tap and without.

The calls alternate in blocks of 50, so that a noisy machine is noisy for both; wandb's cores and the mirror share the
machine with them.
"""

from __future__ import annotations

import json
import operator
import sys

from .frame import Effort, Row, alone, compared, desk

PROGRAM = """
import json, sys, time
import wandb
rounds, calls = map(int, sys.argv[1:])
settings = wandb.Settings(x_disable_stats=True, console="off")
bare = wandb.init(project="bench", id="bare", reinit="create_new", settings=settings)
from wandb_swan import capture
capture.install()
mirrored = wandb.init(project="bench", id="mirrored", reinit="create_new", settings=settings)
time.sleep(3)  # the mirror has started
row = {f"metric/{i}": i / 7 for i in range(10)}

def block(run):
    taken = []
    for _ in range(50):
        start = time.perf_counter()
        run.log(row)
        taken.append(time.perf_counter() - start)
    return taken

for run in (bare, mirrored) * 4:
    block(run)
found = {"bare": [], "mirrored": []}
for _ in range(rounds):
    times = {"bare": [], "mirrored": []}
    for _ in range(calls // 50):
        times["bare"] += block(bare)
        times["mirrored"] += block(mirrored)
    for side, taken in times.items():
        found[side].append(taken)
mirrored.finish()
bare.finish()
print(json.dumps(found))
"""


def measure(effort: Effort) -> list[Row]:
    with desk() as place:
        calls = effort.size(2000, 50)
        said = place.run(sys.executable, "-c", PROGRAM, str(effort.rounds), str(calls)).stdout
    return [compared("log_added", json.loads(said.splitlines()[-1]), by=operator.sub)]


if __name__ == "__main__":
    alone(__doc__, measure)
