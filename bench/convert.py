"""Conversion side by side with `swanlab convert`: points a second of wall time and of CPU, and peak memory.

`python bench/convert.py` makes the runs with real wandb first: 20,000 rows of 10 metrics, eight of them, and one run
of a million points. `swanlab convert` asks for a login even offline; here that question is left out, nothing else.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MAKE = """
import math, sys, wandb
run = wandb.init(project="bench", id=sys.argv[1], settings=wandb.Settings(x_disable_stats=True, console="off"))
for step in range(int(sys.argv[2])):
    run.log({f"m/{i}": math.sin(step / 50 + i) for i in range(10)})
run.finish()
"""
THEIRS = """
import sys, swanlab
swanlab.login = lambda **given: None
from swanlab.converter import WandbLocalConverter
WandbLocalConverter(project="bench", mode="offline", log_dir="theirs").run(sys.argv[1])
"""


def measure(name: str, points: int, *command: str, cwd: Path) -> tuple[float, float]:
    """Points a second of wall time and of CPU; prints them with the largest process's peak memory."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.perf_counter()
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=environment(cwd))
    wall = time.perf_counter() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{name}: {done.stdout}{done.stderr}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{name:44} {points / wall:9,.0f} points/s  {wall:6.2f} s  {points / cpu:9,.0f} points/CPU s  "
          f"children's peak so far {after.ru_maxrss // 1024} MB", flush=True)  # fmt: skip
    return points / wall, points / cpu


def environment(folder: Path) -> dict[str, str]:
    """Without the user's settings, and with compiled modules kept, as an installation has them."""
    dropped = ("WANDB", "SWANLAB", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    return kept | {"HOME": str(folder), "WANDB_MODE": "offline", "SWANLAB_PROBE_REQUIREMENTS": "false"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=8)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def make(place: str, run_id: str, rows: int) -> None:
            (folder / place).mkdir(exist_ok=True)
            command = [sys.executable, "-c", MAKE, run_id, str(rows)]
            subprocess.run(command, cwd=folder / place, env=environment(folder), check=True, capture_output=True)

        def ours(place: str, *more: str) -> list[str]:
            script = Path(sys.executable).with_name("wandb-swan")
            command = [str(script), "convert", "-t", "wandb-local", "--mode", "offline", "--force"]
            return [*command, "--wb-dir", str(folder / place / "wandb"), *more]

        def theirs(place: str) -> list[str]:
            return [sys.executable, "-c", THEIRS, str(folder / place / "wandb")]

        make("million", "million", 5 * given.rows)
        measure("wandb-swan, 1 run of a million points", 50 * given.rows, *ours("million"), cwd=folder)
        make("one", "one", given.rows)
        for number in range(given.runs):
            make("many", f"many{number}", given.rows)
        ratios = []
        for _ in range(given.rounds):  # interleaved: the machine's other load falls on both
            they = measure("swanlab convert, 1 run", 10 * given.rows, *theirs("one"), cwd=folder)
            plain = measure("wandb-swan, 1 run, --no-verify", 10 * given.rows, *ours("one", "--no-verify"), cwd=folder)
            we = measure("wandb-swan, 1 run", 10 * given.rows, *ours("one"), cwd=folder)
            ratios.append((we[0] / they[0], plain[0] / they[0], we[1] / they[1]))
        many = 10 * given.rows * given.runs
        they = measure(f"swanlab convert, {given.runs} runs", many, *theirs("many"), cwd=folder)
        we = measure(f"wandb-swan, {given.runs} runs, --workers 2", many, *ours("many", "--workers", "2"), cwd=folder)
        for wall, unverified, cpu in ratios:
            print(
                f"1 run: {wall:.2f} x the points/s ({unverified:.2f} x without verifying), {cpu:.2f} x per CPU second"
            )
        print(
            f"{given.runs} runs, 2 workers: {we[0] / they[0]:.2f} x the points/s, "
            f"{we[1] / they[1]:.2f} x per CPU second"
        )


if __name__ == "__main__":
    main()
