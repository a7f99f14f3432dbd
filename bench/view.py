"""How long a page of a large run takes to open in headless Chromium: 300 metrics of 10,000 points, 3 million in all.

From the navigation to the first chart, to all charts of the first screen, and until the server has read every point.
Needs a Chromium on PATH; without one there is no figure.
"""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
import time
from pathlib import Path

from .frame import COMMAND, Desk, Effort, Row, alone, desk, single

SIDES = ("first chart", "first screen", "all read")


def write_store(folder: Path, metrics: int, rows: int) -> None:
    """A run folder as SwanLab writes it."""
    from swanlab.proto.swanlab.record.v1.record_pb2 import Record
    from swanlab.sdk.internal.core_python.store import DataStoreWriter

    run = folder / "run-20260101_000000-large"
    (run / "files").mkdir(parents=True)
    writer = DataStoreWriter()
    writer.open(run / "run-large.swanlab")
    record = Record(num=-1)
    record.start.name, record.start.id, record.start.project = "large", "large", "bench"
    record.start.started_at.seconds = 1_790_000_000
    writer.write(record.SerializeToString())
    keys = [f"layer {at // 10}/metric {at}" for at in range(metrics)]
    number = 0
    for row in range(rows):
        for at, key in enumerate(keys):
            number += 1
            record = Record(num=number)
            point = record.scalar
            point.key, point.step, point.type = key, row, 1
            point.value.number = math.sin(row / 500 + at) + (row * 7919 + at) % 13 / 130
            for stamp in (record.timestamp, point.timestamp):
                stamp.seconds, stamp.nanos = 1_790_000_000 + row, 7
            writer.write(record.SerializeToString())
    writer.close()


def opened(address: str, chromium: str) -> dict[str, float]:
    """Seconds from the navigation on."""
    from playwright.sync_api import sync_playwright

    seconds: dict[str, float] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        begin = time.perf_counter()

        def note(name: str, script: str) -> None:
            while not page.evaluate(script):  # not `wait_for_function`: the page's policy forbids what it does
                if time.perf_counter() - begin > 60:
                    sys.exit(f"no {name} after a minute")
                time.sleep(0.01)
            seconds[name] = time.perf_counter() - begin

        page.goto(address)
        note("first chart", "document.querySelectorAll('.plot canvas').length > 0")
        note("first screen", "[...document.querySelectorAll('.plot')].filter(one => one.getBoundingClientRect().top < "
             "innerHeight).every(one => one.querySelector('canvas'))")  # fmt: skip
        note("all read", "fetch('api/runs').then(answer => answer.json()).then(told => told.runs[0].read === 1)")
        browser.close()
    return seconds


def seconds(place: Desk, chromium: str) -> dict[str, float]:
    """One opening of the page that a server of its own serves."""
    with place.start(COMMAND, "view", "--no-open", "swanlog", stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        try:
            return opened(server.stdout.readline().split()[-4], chromium)
        finally:
            server.terminate()
            server.wait(30)


def measure(effort: Effort) -> list[Row]:
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        print("view: not measured, there is no Chromium on PATH", file=sys.stderr)
        return []
    with desk() as place:
        write_store(place.folder / "swanlog", effort.size(300, 3), effort.size(10_000, 20))
        found = [seconds(place, chromium) for _ in range(effort.rounds)]
    return [single("view_open", {side: [[times[side]] for times in found] for side in SIDES}, "first screen")]


if __name__ == "__main__":
    alone(__doc__, measure)
