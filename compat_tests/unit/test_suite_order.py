"""Tests are tests: what they share lies beside them, and no tool and no other test reads it out of one."""

from __future__ import annotations

import ast
from pathlib import Path

SUITE = Path(__file__).parents[1]


def test_no_module_of_tests_is_imported() -> None:
    found = []
    for file in sorted(SUITE.parent.glob("*/**/*.py")):
        if file.relative_to(SUITE.parent).parts[0] not in ("compat_tests", "bench", "examples", "wandb_swan"):
            continue
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(part.startswith("test_") for name in names for part in name.split(".")):
                found.append(f"{file.relative_to(SUITE.parent)}:{node.lineno}")
    assert found == []


def test_tools_are_apart() -> None:
    """A module with a command line of its own is a tool, a server of the suite, or a worker that a test starts."""
    found = {
        str(file.relative_to(SUITE))
        for file in SUITE.rglob("*.py")
        if not file.name.startswith("test_") and "__main__" in file.read_text("utf-8")
    }
    assert {name for name in found if not name.startswith(("tools/", "servers/"))} <= {"differential/worker.py"}
    assert {"tools/fuzz.py", "tools/matrix_report.py", "tools/wandb_own_tests.py"} <= found
