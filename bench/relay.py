"""What a relay costs that has nothing to do: processor time over a folder of finished journals."""

from __future__ import annotations

import shutil
import time

import psutil

from .frame import COMMAND, Effort, Row, alone, desk, single


def measure(effort: Effort) -> list[Row]:
    journals, seconds = effort.size(1000, 3), effort.size(20, 1)
    with desk() as place:
        place.train("mirrored", more={"WANDB_SWAN_KEEP_JOURNAL": "1"})
        (journal,) = (place.folder / "swanlog" / "journals").glob("*.journal")
        for number in range(journals - 1):
            for path in (journal, journal.with_suffix(".status.json")):
                shutil.copy2(path, path.with_name(f"r{number}-{path.name}"))
        with place.start(COMMAND, "relay", "swanlog") as relay:
            try:
                process = psutil.Process(relay.pid)
                time.sleep(effort.size(10, 2))  # it has looked at all of them
                before = sum(process.cpu_times()[:2])
                time.sleep(seconds)
                spent = sum(process.cpu_times()[:2]) - before
            finally:
                relay.terminate()
        place.settle()
    return [single("relay_idle", {"relay": [[100 * spent / seconds]]}, "relay")]


if __name__ == "__main__":
    alone(__doc__, measure)
