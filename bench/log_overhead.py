"""What one `run.log()` costs with the mirror, against bare wandb, interleaved in the same process.

    python bench/log_overhead.py [--calls 2000] [--rounds 5] [--numbers 10]

Two runs are live at once, one before the tap and one after it, and the calls alternate in small blocks, so that a noisy
machine is noisy for both. Prints microseconds per call and the added median.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any


def block(run: Any, row: dict[str, float], calls: int) -> list[float]:
    """Seconds of each of `calls` calls."""
    taken = []
    for _ in range(calls):
        start = time.perf_counter()
        run.log(row)
        taken.append(time.perf_counter() - start)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=2000, help="calls a round and a side")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--numbers", type=int, default=10, help="numbers a call")
    args = parser.parse_args()

    os.chdir(tempfile.mkdtemp(prefix="bench-"))
    os.environ |= {
        "WANDB_MODE": "offline",
        "WANDB_SILENT": "true",
        "WANDB_CONSOLE": "off",
        "WANDB_SWAN_MODE": "offline",
    }
    os.environ["WANDB_SWAN_KEEP_JOURNAL"] = "1"
    import wandb

    bare = wandb.init(project="bench", id="bare", reinit="create_new")
    from wandb_swan import capture

    capture.install()
    mirrored = wandb.init(project="bench", id="mirrored", reinit="create_new")
    time.sleep(3)  # the mirror has started
    row = {f"metric/{i}": i / 7 for i in range(args.numbers)}
    block(bare, row, 200), block(mirrored, row, 200)

    print(
        f"wandb {wandb.__version__}, Python {platform.python_version()}, {os.cpu_count()} cores, {args.numbers} numbers"
    )
    print("round     bare median   mirrored median   added   bare p99   mirrored p99   (us per call)")
    added = []
    for number in range(args.rounds):
        times: dict[str, list[float]] = {"bare": [], "mirrored": []}
        for _ in range(args.calls // 50):
            times["bare"] += block(bare, row, 50)
            times["mirrored"] += block(mirrored, row, 50)
        medians = {side: statistics.median(taken) * 1e6 for side, taken in times.items()}
        tails = {side: statistics.quantiles(taken, n=100)[98] * 1e6 for side, taken in times.items()}
        added.append(medians["mirrored"] - medians["bare"])
        print(
            f"{number + 1:5d} {medians['bare']:15.1f} {medians['mirrored']:17.1f} {added[-1]:7.1f}"
            f" {tails['bare']:10.1f} {tails['mirrored']:14.1f}"
        )
    print(f"added median per log: {statistics.median(added):.1f} us (median of {args.rounds} rounds)")
    mirrored.finish()
    bare.finish()
    journals = sum(path.stat().st_size for path in Path("swanlog").rglob("*.journal"))
    print(f"journal: {journals / (args.calls * args.rounds + 200):.0f} bytes per call")


if __name__ == "__main__":
    main()
