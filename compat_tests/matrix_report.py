"""Writes docs/compatibility.md from what the runs of the matrix left: `python -m compat_tests.matrix_report JUNIT_FOLDER OUT`.

Every row is one junit file of tox; the versions in it were read in the environment that ran (`compat_tests/conftest.py`).
"""

from __future__ import annotations

import datetime
import platform
import sys
from pathlib import Path
from xml.etree import ElementTree

COLUMNS = ("python", "wandb", "swanlab", "pydantic", "protobuf")


def row(file: Path) -> list[str] | None:
    """The table row of one environment; None if its run left no result."""
    try:
        suite = next(ElementTree.parse(file).getroot().iter("testsuite"))
    except (ElementTree.ParseError, StopIteration):
        return None
    told = {item.get("name"): item.get("value", "") for item in suite.iter("property")}
    count = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
    failed = count["failures"] + count["errors"]
    passed = count["tests"] - failed - count["skipped"]
    result = f"{failed} **failed**, {passed} passed" if failed or not passed else f"{passed} passed"
    result += f", {count['skipped']} skipped" if count["skipped"] else ""
    suite_name = "quick" if "quick" in file.stem else "complete"
    return [*(told.get(name) or "?" for name in COLUMNS), suite_name, result, f"{float(suite.get('time', 0)):.0f} s"]


def _order(cells: list[str]) -> list[tuple[int, ...]]:
    return [tuple(int(part) for part in cell.split(".") if part.isdigit()) for cell in (cells[1], cells[0], cells[2])]


def table(folder: Path) -> str:
    """The whole page."""
    rows = sorted((found for file in folder.glob("*.xml") if (found := row(file))), key=_order)
    head = [*COLUMNS, "suite", "result", "time"]
    lines = [f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *rows]]
    today = datetime.datetime.now(tz=datetime.timezone.utc).date().isoformat()
    return "\n".join(
        [
            "# Compatibility",
            "",
            f"Made by `make matrix` on {today}, {platform.system()} {platform.machine()}. Do not edit: the next run writes it anew.",
            "",
            "`complete` is the whole live suite, the unit and the differential tests; `quick` the part that CI runs.",
            "",
            *lines,
            "",
        ]
    )


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(table(Path(sys.argv[1])), "utf-8")
