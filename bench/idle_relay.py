"""What a relay costs that has nothing to do: processor time over a folder of finished journals.

python bench/idle_relay.py [--journals 1000] [--seconds 60]
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

RUN = """
import wandb_swan as wandb
run = wandb.init(project="bench", id="r")
run.log({"a": 1})
run.finish()
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--journals", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60)
    args = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        quiet = {"WANDB_MODE": "offline", "WANDB_SWAN_MODE": "offline", "WANDB_SILENT": "true"}
        environment = {**os.environ, **quiet, "WANDB_SWAN_KEEP_JOURNAL": "1"}
        subprocess.run([sys.executable, "-c", RUN], cwd=folder, env=environment, check=True)
        (journal,) = Path(folder, "swanlog", "journals").glob("*.journal")
        for number in range(args.journals - 1):
            for path in (journal, journal.with_suffix(".status.json")):
                shutil.copy2(path, path.with_name(f"r{number}-{path.name}"))
        command = [Path(sys.executable).with_name("wandb-swan"), "relay", "swanlog"]
        with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL) as relay:
            process = psutil.Process(relay.pid)
            time.sleep(15)  # it has looked at all of them
            before = sum(process.cpu_times()[:2])
            time.sleep(args.seconds)
            spent = sum(process.cpu_times()[:2]) - before
            relay.terminate()
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {args.journals} finished journals")
    print(f"{spent:.2f} s of processor time in {args.seconds:.0f} s: {100 * spent / args.seconds:.2f} % of a core")


if __name__ == "__main__":
    main()
