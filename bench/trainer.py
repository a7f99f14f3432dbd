"""A training as the benchmarks run it, in a process of its own: it times itself and says so as JSON.

Its argument is a JSON object: `way` (bare, mirrored, sync), `runs` (one after the other), `rows`, `numbers` a call,
`pause` (seconds of sleep before a call), `work` (turns of a loop in Python before a call), `stamp` (the first number is
the time of the call).
"""

import json
import math
import sys
import time

given = {"runs": 1, "rows": 5, "numbers": 1, "pause": 0, "work": 0, "stamp": False}
given.update(json.loads(sys.argv[1]))
clock = time.perf_counter


def busy(turns):
    """As `loops.turns` counts them."""
    for turn in range(turns):
        turn * turn


begin = clock()
if given["way"] == "mirrored":
    import wandb_swan as wandb
elif given["way"] == "sync":
    import swanlab

    swanlab.sync_wandb(mode="offline", log_dir="swanlog")
    import wandb
else:
    import wandb
said = {"import": clock() - begin, "init": [], "calls": [], "loop": [], "cpu": [], "finish": [], "run": []}

settings = wandb.Settings(x_disable_stats=True, console="off")
pause, stamp = given["pause"], given["stamp"]
rows = [{f"metric/{i}": math.sin(step / 50 + i) for i in range(given["numbers"])} for step in range(given["rows"])]
for _ in range(given["runs"]):
    start = clock()
    run = wandb.init(project="bench", settings=settings)
    begun = clock()
    used = time.process_time()
    for row in rows:
        if pause:
            time.sleep(pause)
        busy(given["work"])
        if stamp:
            row["metric/0"] = time.time()
        before = clock()
        run.log(row)
        said["calls"].append(clock() - before)
    logged = clock()
    used = time.process_time() - used
    run.finish()
    ended = clock()
    said["init"].append(begun - start)
    said["loop"].append(logged - begun)
    said["cpu"].append(used)
    said["finish"].append(ended - logged)
    said["run"].append(ended - start)
print(json.dumps(said))
