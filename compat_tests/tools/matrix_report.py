"""The table of what passed, from what the runs of the matrix left: `python -m compat_tests.tools.matrix_report JUNIT_FOLDER FILE...`.

It goes between the two marks of each file: docs/compatibility.md and README.md. Every row is one junit file of tox; the versions in it were read in the environment that ran (`compat_tests/conftest.py`).
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
    """The table, dated."""
    rows = sorted((found for file in folder.glob("*.xml") if (found := row(file))), key=_order)
    head = [*COLUMNS, "suite", "result", "time"]
    lines = [f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *rows]]
    today = datetime.datetime.now(tz=datetime.timezone.utc).date().isoformat()
    made = f"Made by the matrix on {today}, {platform.system()} {platform.machine()}:"
    return "\n".join([made, "", *lines])


def insert(page: str, made: str) -> str:
    """`page` with `made` between its marks."""
    begin, end = "<!-- made by compat_tests/tools/matrix_report.py -->", "<!-- end -->"
    before, _, rest = page.partition(begin)
    if not rest:
        raise SystemExit(f"no {begin} in the page")
    return f"{before}{begin}\n{made}\n{end}{rest.partition(end)[2]}"


if __name__ == "__main__":
    made = table(Path(sys.argv[1]))
    for file in map(Path, sys.argv[2:]):
        file.write_text(insert(file.read_text("utf-8"), made), "utf-8")
