"""Writes the results of the fault suite into docs/reliability.md: `pytest compat_tests/faults --reliability FILE`.

A row whose tests were all skipped, or that a run of some tests has not, keeps what an earlier run found: not every machine
can run all of them.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

HEAD = ("what happens", "what holds", "tests")
BEGIN, END = "<!-- results of the fault suite -->", "<!-- end of the results -->"


class Report:
    """Collects outcomes by the `fault` marker of each test: `@pytest.mark.fault(what happens, what then holds)`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: dict[tuple[str, str], Counter[str]] = {}
        self._of: dict[str, tuple[str, str]] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            marker = item.get_closest_marker("fault")
            if marker is not None:
                self._of[item.nodeid] = marker.args[0], marker.args[1]
                self._rows.setdefault(self._of[item.nodeid], Counter())

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        row = self._of.get(report.nodeid)
        if row is not None and (report.when == "call" or report.outcome != "passed"):
            self._rows[row][report.outcome] += 1

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        page = self._path.read_text("utf-8") if self._path.exists() else f"{BEGIN}{END}\n"
        before, rest = page.split(BEGIN)
        table, after = rest.split(END)
        known = {
            (fault, holds): told for fault, holds, told in re.findall(r"^\| (.*) \| (.*) \| (.*) \|$", table, re.M)
        }
        known.pop(HEAD[:2], None)
        found = {
            row: ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
            for row, outcomes in self._rows.items()
            if row not in known or set(outcomes) - {"skipped"}
        }
        some = session.config.option.keyword or any(".py" in argument for argument in session.config.args)
        rows = known | found if some else {row: found.get(row) or known[row] for row in self._rows}
        lines = [f"| {' | '.join(HEAD)} |", "|---|---|---|"]
        lines += [f"| {fault} | {holds} | {told} |" for (fault, holds), told in rows.items()]
        self._path.write_text("\n".join([before + BEGIN, *lines, END + after]), "utf-8")
