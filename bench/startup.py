"""What `wandb_swan.pth` costs each start of Python, and what `import wandb_swan` adds to `import wandb`.

python bench/startup.py        prints microseconds and milliseconds, median of many
"""

from __future__ import annotations

import os
import shutil
import site
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PTH = Path(__file__).parent.parent / "wandb_swan.pth"


def line_cost(rounds: int = 2000) -> float:
    """Microseconds for the line, as `site` executes it, with WANDB_SWAN unset."""
    line = PTH.read_text()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        exec(line)
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6


def file_cost(rounds: int = 2000) -> float:
    """Microseconds for `site` to find, open, read and execute the file, with WANDB_SWAN unset."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(PTH, folder)
        times = []
        for _ in range(rounds):
            start = time.perf_counter()
            site.addpackage(folder, PTH.name, set())
            times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6


def import_costs(rounds: int = 15) -> dict[str, float]:
    """Milliseconds of each import in a fresh Python, interleaved."""
    environment = {name: value for name, value in os.environ.items() if name != "WANDB_SWAN"}
    cases = {
        "import wandb": ("wandb", {}),
        "import wandb, under WANDB_SWAN=1": ("wandb", {"WANDB_SWAN": "1"}),
        "import wandb_swan": ("wandb_swan", {}),
    }
    times: dict[str, list[float]] = {case: [] for case in cases}
    for _ in range(rounds):
        for case, (module, more) in cases.items():
            code = f"import time; s = time.perf_counter(); import {module}; print(time.perf_counter() - s)"
            command = [sys.executable, "-c", code]
            done = subprocess.run(command, capture_output=True, check=True, env=environment | more)
            times[case].append(float(done.stdout))
    return {case: statistics.median(found) * 1e3 for case, found in times.items()}


def main() -> None:
    os.environ.pop("WANDB_SWAN", None)
    print(f".pth, its line, WANDB_SWAN unset        {line_cost():9.1f} us")
    print(f".pth, the whole file, WANDB_SWAN unset  {file_cost():9.1f} us")
    for case, cost in import_costs().items():
        print(f"{case:<40}{cost:9.1f} ms")


if __name__ == "__main__":
    main()
