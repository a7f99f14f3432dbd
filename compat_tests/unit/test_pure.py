"""Small parts: settings, the tap as a pair, console lines, what the compatibility table is made of."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compat_tests.matrix_report import table
from wandb_swan.exceptions import WandbSwanError
from wandb_swan.settings import SwanSettings, read_settings
from wandb_swan.stream.console import Console
from wandb_swan.versions import newer_than_tested

WRONG = {
    "WANDB_SWAN": ("maybe", "0 or 1"),
    "WANDB_SWAN_MODE": ("on-line", "online (or cloud), local, offline, disabled"),
    "SWANLAB_MODE": ("nowhere", "online (or cloud), local, offline, disabled"),
    "WANDB_SWAN_WANDB_RUN": ("perhaps", "true or false"),
    "WANDB_SWAN_FINISH_TIMEOUT": ("-1", "a number of seconds, 0 or more"),
    "WANDB_SWAN_KEEP_JOURNAL": ("2", "true or false"),
}


@pytest.mark.parametrize("variable", WRONG)
def test_a_wrong_variable_is_named_with_its_value_and_what_is_allowed(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    value, allowed = WRONG[variable]
    monkeypatch.setenv(variable, value)
    with pytest.raises(WandbSwanError) as caught:
        read_settings()
    assert str(caught.value) == f"{variable}={value!r} is not allowed; use {allowed}"


@given(st.text(max_size=10))
def test_any_mode_is_a_mode_or_a_message(text: str) -> None:
    try:
        mode = read_settings(mode=text).mode
    except WandbSwanError as error:
        assert str(error).startswith("mode=") and "online (or cloud)" in str(error)
    else:
        assert mode in {"online", "local", "offline", "disabled"}


def test_empty_variables_are_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in WRONG:
        monkeypatch.setenv(variable, "")
    assert read_settings() == SwanSettings()


def test_install_and_uninstall_leave_wandb_as_it_was() -> None:
    subprocess.run(
        [
            sys.executable,
            "-c",
            """
import wandb, gc
from wandb.sdk import wandb_init, wandb_run
from wandb.sdk.interface.interface_sock import InterfaceSock
def everything():
    classes = [k for k in gc.get_objects() if isinstance(k, type) and str(k.__module__).startswith("wandb.")]
    modules = [m for name, m in sorted(__import__("sys").modules.items()) if name.startswith("wandb.")]
    return {id(k): (k, {n: v for n, v in vars(k).items() if not n.startswith(("__", "_abc"))}) for k in [*classes, *modules]}
from wandb_swan import _capture
from wandb_swan.capture import tap
tap._service_connection()
_capture.uninstall()
before = everything()
for _ in range(2):
    assert _capture.install() and _capture.installed()
    assert any(before[key] != now for key, now in everything().items() if key in before)
    _capture.uninstall()
    after = everything()
    different = [before[key][0] for key in before if key in after and before[key] != after[key]]
    assert not different, different
""",
        ],
        check=True,
    )


def test_a_forked_child_is_silent(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            """
import os
from wandb_swan.capture import tap
tap._live["run"] = object()
child = os.fork()
if child == 0:
    os._exit(1 if tap._live else 0)
assert os.waitpid(child, 0)[1] == 0 and tap._live.pop("run")
""",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@given(st.text(st.sampled_from("ab\n你"), max_size=30), st.data())
def test_console_lines_do_not_depend_on_the_pieces(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    console = Console(stderr=False)
    lines = [line.text for piece in pieces for line in console.write(piece, 1.0)] + [x.text for x in console.flush()]
    *whole, rest = text.split("\n")
    assert lines == whole + [rest] * bool(rest)


@given(st.text(max_size=40))
def test_console_lines_hold_no_control_characters(text: str) -> None:
    console = Console(stderr=True)
    for line in [*console.write(text, 1.0), *console.flush()]:
        assert not any(char < " " and char != "\t" for char in line.text)


def test_newer_than_tested() -> None:
    assert newer_than_tested("wandb", "0.32.0") and newer_than_tested("wandb", "1.0.0rc1")
    for version in ("0.31.9", "0.9.0", "unknown"):
        assert not newer_than_tested("wandb", version)
    assert newer_than_tested("swanlab", "0.11.0a1") and not newer_than_tested("swanlab", "0.10.9")


def test_the_compatibility_table_is_what_the_runs_say(tmp_path: Path) -> None:
    (tmp_path / "py311-quick.xml").write_text(
        '<testsuites><testsuite tests="3" failures="1" errors="0" skipped="1" time="2.4"><properties>'
        '<property name="wandb" value="0.20.1"/><property name="python" value="3.11.7"/></properties>'
        "</testsuite></testsuites>"
    )
    (tmp_path / "torn.xml").write_text("<testsuite")
    lines = [line for line in table(tmp_path).splitlines() if line.startswith("|")]
    assert lines[2:] == ["| 3.11.7 | 0.20.1 | ? | ? | ? | quick | 1 **failed**, 1 passed, 1 skipped | 2 s |"]
