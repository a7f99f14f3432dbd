"""The file of results: rows with the machine and the versions that they are of."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .figures import BY_KEY
from .frame import Row, in_order

PATH = Path(__file__).with_name("results.json")
"""What the pages are made of."""


def machine() -> dict[str, Any]:
    """What was measured on, as far as it matters."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    return {"system": f"{platform.system()} {platform.machine()}", "processor": processor(),
            "cores": os.cpu_count(), "memory_gb": round(memory)}  # fmt: skip


def processor() -> str:
    """Its name, as Linux says it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def versions() -> dict[str, str]:
    """Of Python, and of what takes part."""
    names = ("wandb-swan", "wandb", "swanlab", "protobuf")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def read(path: Path) -> tuple[dict[str, Any], list[Row]]:
    """What a file says of where it is from, and its rows; figures that are no more are left out."""
    found = json.loads(path.read_text("utf-8"))
    rows = [Row.from_json(row) for row in found.pop("rows") if row["key"] in BY_KEY]
    return found, rows


def origin() -> dict[str, Any]:
    return {"machine": machine(), "versions": versions()}


def fits(path: Path) -> bool:
    """Whether the rows of a file can stay beside new ones: they are of this machine and these versions."""
    if not path.exists():
        return True
    found, _ = read(path)
    return all(found[name] == value for name, value in origin().items())


def write(path: Path, rows: Sequence[Row], *, load: float) -> None:
    """Writes rows. Those of other subjects that the file has stay, if they fit."""
    others: list[Row] = []
    if path.exists() and fits(path):
        measured = {BY_KEY[row.key].subject for row in rows}
        others = [row for row in read(path)[1] if BY_KEY[row.key].subject not in measured]
    date = datetime.now(timezone.utc).isoformat(timespec="seconds")
    everything = [row.as_json() for row in in_order([*others, *rows])]
    path.write_text(json.dumps({"date": date, "load": load, **origin(), "rows": everything}, indent=1) + "\n", "utf-8")
