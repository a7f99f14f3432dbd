"""Every program of examples/ is run by a test."""

from __future__ import annotations

import re

from compat_tests.docs.conftest import ROOT

OF_THE_DEMO = {"train_digits", "compare"}
"""The demo runs them, and the demo's tests with it."""


def test_every_example_is_run_by_a_test() -> None:
    tests = "".join(path.read_text("utf-8") for path in ROOT.glob("compat_tests/frameworks/test_*.py"))
    examples = {path.stem for path in (ROOT / "examples").glob("*.py")} - OF_THE_DEMO
    assert len(examples) > 20
    assert examples <= set(re.findall(r"\"(\w+)\"", tests)), "run by no test"
