"""What a short run costs: init, five rows, finish, ten times in one process, mirrored and with bare wandb, in turns.

`python bench/short_runs.py` prints seconds a run: the first of a process, and the median of the others.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

PROGRAM = """
import json, sys, time
import wandb
seconds = []
for number in range(int(sys.argv[1])):
    begin = time.perf_counter()
    run = wandb.init(project="short", settings=wandb.Settings(x_disable_stats=True, console="off"))
    for step in range(5):
        run.log({"loss": step})
    run.finish()
    seconds.append(time.perf_counter() - begin)
print(json.dumps(seconds))
"""


def program(runs: int, *, mirrored: bool) -> list[float]:
    """Seconds of each run of a process."""
    with tempfile.TemporaryDirectory() as folder:
        dropped = ("WANDB", "SWANLAB", "PYTHONDONTWRITEBYTECODE")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
        environment = {**kept, "HOME": folder, "WANDB_MODE": "offline", "WANDB_SILENT": "true",
                       "WANDB_SWAN": str(int(mirrored)), "SWANLAB_PROBE_REQUIREMENTS": "false"}  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(runs)], cwd=folder, env=environment, capture_output=True, text=True
        )
        if done.returncode:
            sys.exit(done.stderr)
        return [float(second) for second in json.loads(done.stdout.splitlines()[-1])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=10)
    given = parser.parse_args()
    found: dict[bool, list[list[float]]] = {False: [], True: []}
    for _ in range(given.rounds):
        for mirrored in (False, True):
            found[mirrored].append(program(given.runs, mirrored=mirrored))
    for mirrored, name in ((False, "bare wandb"), (True, "mirrored")):
        first = statistics.median(seconds[0] for seconds in found[mirrored])
        rest = statistics.median(second for seconds in found[mirrored] for second in seconds[1:])
        print(f"{name:12} first run {first:6.3f} s   each of the others {rest:6.3f} s")


if __name__ == "__main__":
    main()
