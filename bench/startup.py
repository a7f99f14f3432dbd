"""The start of a Python that uses nothing of the package, and of the commands that answer at once."""

from __future__ import annotations

import os
import shutil
import site
import tempfile
import time
from functools import partial
from pathlib import Path

from .frame import COMMAND, Effort, Row, alone, desk, interleaved, single

PTH = Path(__file__).parent.parent / "wandb_swan.pth"


def file_cost(rounds: int) -> list[float]:
    """Seconds for `site` to find, open, read and execute the `.pth` file, with WANDB_SWAN unset."""
    kept = os.environ.pop("WANDB_SWAN", None)
    times = []
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(PTH, folder)
        for _ in range(rounds):
            start = time.perf_counter()
            site.addpackage(folder, PTH.name, set())
            times.append(time.perf_counter() - start)
    if kept is not None:
        os.environ["WANDB_SWAN"] = kept
    return times


def measure(effort: Effort) -> list[Row]:
    with desk() as place:
        place.train("mirrored")  # for `status`: a run that has ended
        commands = {"wandb-swan --help": (COMMAND, "--help"), "wandb-swan status": (COMMAND, "status"),
                    "swanlab --help": (COMMAND.replace("wandb-swan", "swanlab"), "--help")}  # fmt: skip
        for command in commands.values():
            place.run(*command)
        done = interleaved(effort.size(3 * effort.rounds, 1), {
            name: partial(place.run, *command) for name, command in commands.items()
        })  # fmt: skip
    found = {name: [[one.wall] for one in rounds] for name, rounds in done.items()}
    return [
        single("pth", {"wandb_swan.pth": [file_cost(effort.size(2000, 5))]}, "wandb_swan.pth"),
        single("help", {name: found[name] for name in ("wandb-swan --help", "swanlab --help")}, "wandb-swan --help"),
        single("status", {"wandb-swan status": found["wandb-swan status"]}, "wandb-swan status"),
    ]


if __name__ == "__main__":
    alone(__doc__, measure)
