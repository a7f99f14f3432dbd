"""Every program of examples/ is run by a test."""

from __future__ import annotations

import re

from compat_tests.docs.conftest import ROOT


def test_every_example_is_run_by_a_test() -> None:
    tests = [*ROOT.glob("compat_tests/frameworks/test_*.py"), ROOT / "compat_tests" / "live" / "test_examples.py"]
    named = set(re.findall(r"\"(\w+?)(?:\.py)?\"", "".join(path.read_text("utf-8") for path in tests)))
    examples = {path.stem for path in (ROOT / "examples").glob("*.py")}
    assert len(examples) > 20
    assert examples <= named, f"run by no test: {examples - named}"
