"""The compatibility table says what the runs of the matrix left."""

from __future__ import annotations

from pathlib import Path

from compat_tests.tools.matrix_report import table


def test_the_compatibility_table_is_what_the_runs_say(tmp_path: Path) -> None:
    (tmp_path / "py311-quick.xml").write_text(
        '<testsuites><testsuite tests="3" failures="1" errors="0" skipped="1" time="2.4"><properties>'
        '<property name="wandb" value="0.20.1"/><property name="python" value="3.11.7"/></properties>'
        "</testsuite></testsuites>"
    )
    (tmp_path / "torn.xml").write_text("<testsuite")
    lines = [line for line in table(tmp_path).splitlines() if line.startswith("|")]
    assert lines[2:] == ["| 3.11.7 | 0.20.1 | ? | ? | ? | quick | 1 **failed**, 1 passed, 1 skipped | 2 s |"]
