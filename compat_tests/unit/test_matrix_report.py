"""The compatibility table says what the runs of the matrix left."""

from __future__ import annotations

from pathlib import Path

from compat_tests.tools.matrix_report import insert, table, trainings


def test_the_compatibility_table_is_what_the_runs_say(tmp_path: Path) -> None:
    (tmp_path / "py311-quick.xml").write_text(
        '<testsuites><testsuite tests="3" failures="1" errors="0" skipped="1" time="2.4"><properties>'
        '<property name="wandb" value="0.20.1"/><property name="python" value="3.11.7"/></properties>'
        "</testsuite></testsuites>"
    )
    (tmp_path / "torn.xml").write_text("<testsuite")
    lines = [line for line in table(tmp_path).splitlines() if line.startswith("|")]
    assert lines[2:] == ["| 3.11.7 | 0.20.1 | ? | ? | ? | quick | 1 **failed**, 1 passed, 1 skipped | 2 s |"]


def test_trainings_in_other_environments_have_a_table_of_their_own(tmp_path: Path) -> None:
    assert trainings(tmp_path) is None
    (tmp_path / "elsewhere.xml").write_text(
        '<testsuites><testsuite tests="4" failures="1" errors="0" skipped="1" time="2.4"><properties>'
        '<property name="wandb" value="0.31.0"/><property name="python" value="3.11.7"/></properties>'
        '<testcase name="test_everything[wandb0.13.11-py3.8-protobuf3.20.3]"/>'
        '<testcase name="test_rule[wandb0.13.11-py3.8-protobuf3.20.3]"><failure/></testcase>'
        '<testcase name="test_everything[wandb0.19.9-py3.12-protobuf5.29.5]"><skipped/></testcase>'
        '<testcase name="test_two_hosts"/></testsuite></testsuites>'
    )
    made = trainings(tmp_path)
    assert made is not None and "mirrors with python 3.11.7, wandb 0.31.0" in made
    assert [line for line in made.splitlines() if line.startswith("|")][2:] == [
        "| 0.13.11 | 3.8 | 3.20.3 | 1 **failed**, 1 passed |",
        "| 0.19.9 | 3.12 | 5.29.5 | 1 skipped |",
    ]
    assert table(tmp_path).count("|\n") == 1  # the head alone
    assert insert("a <!-- x -->old<!-- end --> b", "new", "x") == "a <!-- x -->\nnew\n<!-- end --> b"
