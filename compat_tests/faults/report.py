"""Writes the results of the fault suite into docs/reliability.md: `pytest compat_tests/faults --reliability FILE`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

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

    def pytest_sessionfinish(self) -> None:
        lines = ["| what happens | what holds | tests |", "|---|---|---|"]
        for (fault, holds), outcomes in self._rows.items():
            told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
            lines.append(f"| {fault} | {holds} | {told} |")
        before, rest = self._path.read_text("utf-8").split(BEGIN)
        after = rest.split(END)[1]
        self._path.write_text("\n".join([before + BEGIN, *lines, END + after]), "utf-8")
