"""The table of what passed, from what the runs of the matrix left: `python -m compat_tests.tools.matrix_report JUNIT_FOLDER FILE...`.

It goes between the two marks of each file (docs/compatibility.md). Every row is one junit file of tox; the versions in it were read in the environment that ran (`compat_tests/conftest.py`). That of `tox -e elsewhere` is a table of its own, a row a training environment.
"""

from __future__ import annotations

import datetime
import platform
import re
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

COLUMNS = ("python", "wandb", "swanlab", "pydantic", "protobuf")
ELSEWHERE = "elsewhere.xml"
"""What `tox -e elsewhere` leaves: trainings in environments of their own, mirrored from this one."""
MARK = "made by compat_tests/tools/matrix_report.py"


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


def _dated(where: str, head: list[str], rows: list[list[str]]) -> str:
    lines = [f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *rows]]
    today = datetime.datetime.now(tz=datetime.timezone.utc).date().isoformat()
    made = f"Made by the matrix on {today}, {platform.system()} {platform.machine()}{where}:"
    return "\n".join([made, "", *lines])


def table(folder: Path) -> str:
    """The table, dated."""
    files = (file for file in folder.glob("*.xml") if file.name != ELSEWHERE)
    rows = sorted((found for file in files if (found := row(file))), key=_order)
    return _dated("", [*COLUMNS, "suite", "result", "time"], rows)


def trainings(folder: Path) -> str | None:
    """The table of trainings in other environments, dated; None if they were not run."""
    mirrors = row(folder / ELSEWHERE) if (folder / ELSEWHERE).is_file() else None
    if mirrors is None:
        return None
    results: dict[tuple[str, ...], Counter[str]] = {}
    for case in ElementTree.parse(folder / ELSEWHERE).iter("testcase"):
        trainer = re.search(r"\[wandb(.+)-py(.+)-protobuf(.+)\]", case.get("name", ""))
        if trainer is not None:
            said = {"failure": "**failed**", "error": "**failed**", "skipped": "skipped"}
            result = next((said[child.tag] for child in case if child.tag in said), "passed")
            results.setdefault(trainer.groups(), Counter())[result] += 1
    rows = [
        [wandb, python, protobuf, ", ".join(f"{count} {result}" for result, count in sorted(counts.items()))]
        for (wandb, python, protobuf), counts in results.items()
    ]
    here = dict(zip(COLUMNS, mirrors, strict=False))
    where = f", mirrors with {', '.join(f'{name} {here[name]}' for name in COLUMNS)}"
    return _dated(where, ["wandb", "python", "protobuf", "result"], rows)


def insert(page: str, made: str, mark: str = MARK) -> str:
    """`page` with `made` between its marks."""
    begin, end = f"<!-- {mark} -->", "<!-- end -->"
    before, _, rest = page.partition(begin)
    if not rest:
        raise SystemExit(f"no {begin} in the page")
    return f"{before}{begin}\n{made}\n{end}{rest.partition(end)[2]}"


if __name__ == "__main__":
    made, elsewhere = table(Path(sys.argv[1])), trainings(Path(sys.argv[1]))
    for file in map(Path, sys.argv[2:]):
        page = insert(file.read_text("utf-8"), made)
        if elsewhere is not None and f"{MARK}: {ELSEWHERE}" in page:
            page = insert(page, elsewhere, f"{MARK}: {ELSEWHERE}")
        file.write_text(page, "utf-8")
