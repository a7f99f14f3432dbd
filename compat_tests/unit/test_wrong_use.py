"""What is asked for in a wrong way is told in one sentence that says what to do."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from click.testing import CliRunner

from compat_tests.unit.logs import begin, log, row
from wandb_swan import capture, doctor, versions
from wandb_swan.__main__ import main
from wandb_swan.convert import WandbConverter, WandbLocalConverter
from wandb_swan.convert.converter import ready
from wandb_swan.exceptions import WandbSwanError
from wandb_swan.journal.claim import Claim
from wandb_swan.parity.pairing import pairs

RUN = "run-20250101_000000-old"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two runs."""
    (tmp_path / "wandb").mkdir()
    for at, name in enumerate((RUN, "run-20250101_000000-new"), 1):
        log(tmp_path / "wandb" / name, begin(at), row(0, "1"))
    return tmp_path / "wandb"


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (lambda wandb: WandbConverter(mode="sideways"), "mode='sideways' is not allowed"),
        (lambda wandb: WandbConverter(mode="offline").run(), "wb_project is missing"),
        (lambda wandb: WandbLocalConverter(mode="offline").run(wandb, wb_run_id="x"), "no run has the id x"),
        (lambda wandb: WandbLocalConverter(mode="offline").run(wandb, "gone"), "gone does not exist"),
        (lambda wandb: WandbLocalConverter(mode="offline").run(wandb / "gone"), "gone does not exist"),
        (lambda wandb: list(pairs(str(wandb / "gone"), wandb)), "is no folder and no entity/project/run-id"),
        (lambda wandb: list(pairs(str(wandb), wandb)), "holds no SwanLab run"),
    ],
)
def test_from_python(ask: Callable[[Path], object], told: str, runs: Path) -> None:
    with pytest.raises(WandbSwanError, match=told) as error:
        ask(runs)
    assert "\n" not in str(error.value)


def test_an_argument_that_nobody_knows() -> None:
    with pytest.raises(TypeError, match="unknown arguments: nonsense"):
        WandbLocalConverter(mode="offline", nonsense=1)


def test_without_swanlabs_dashboard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(WandbSwanError, match=r'pip install "swanlab\[dashboard\]"'):
        ready("local")


def test_mode_disabled_is_a_plan(runs: Path) -> None:
    report = WandbLocalConverter(mode="disabled").run(runs)
    assert [run.state for run in report.runs] == ["planned", "planned"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["status", "gone"], "gone is no journal and no folder"),
        (["resume", "gone"], "gone is no journal and no folder"),
        (["status", "train.py"], "train.py is no journal; give one, SwanLab's log directory, or a folder of journals"),
        (["resume", "train.py"], "train.py is no journal"),
        (["verify", "gone", "gone"], "gone"),
        (["convert", "-t", "wandb-local", "--wb-project", "p", "--mode", "offline"], "drop them"),
        (["nonsense"], "No such command 'nonsense'"),
        (["convert", "--since", "yesterday"], "--since"),
    ],
)
def test_from_the_command_line(
    arguments: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").touch()
    done = CliRunner().invoke(main, arguments, prog_name="wandb-swan")
    assert done.exit_code == 2
    assert told in done.output and done.output.count("\n") == 1 and done.output.startswith("wandb-swan: ")


def test_doctor_on_a_broken_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(name: str) -> str:
        raise PackageNotFoundError(name)

    with monkeypatch.context() as patch:
        patch.setattr(doctor, "version", gone)
        found = next(doctor._versions())
        assert found.verdict == "wrong" and "swanlab is not installed" in found.detail
    with monkeypatch.context() as patch:
        patch.setattr(capture, "installed", lambda: False)
        patch.setattr(capture, "install", lambda: False)
        assert [finding.verdict for finding in doctor._tap()] == ["wrong"]
    with monkeypatch.context() as patch:
        patch.setattr(versions, "_declared", lambda *_: ["99.1.0"])
        told = [finding.detail for finding in doctor._versions() if finding.verdict == "limited"]
        newest = {name: ".".join(map(str, tested)) for name, tested in versions.NEWEST_TESTED.items()}
        assert told == [f"{name} 99.1.0 is newer than the newest one tested ({newest[name]})" for name in newest]
    monkeypatch.setenv("WANDB_SWAN", "0")
    assert next(doctor._settings()) == ("ok", "settings", "WANDB_SWAN switches mirroring off")
    monkeypatch.setattr(doctor, "SELF_TEST_TIMEOUT", 0.01)
    assert next(doctor._self_test()) == ("wrong", "self-test", "no end after 0 s")


JOURNALS = ("whole-20260101_000000.journal", "busy-20260101_000000.journal")


def test_resume_leaves_alone_what_needs_nothing(tmp_path: Path) -> None:
    for name in ("whole", "busy"):
        (tmp_path / f"{name}-20260101_000000.journal").write_bytes(b":W&B\xe1\xbe\x00")
    (tmp_path / "whole-20260101_000000.status.json").write_text('{"state": "finished"}')
    (tmp_path / "busy-20260101_000000.status.json").write_text("no JSON")
    claim = Claim.of(tmp_path / "busy-20260101_000000.journal")
    assert claim.take()
    done = CliRunner().invoke(main, ["resume", str(tmp_path)])
    quiet = CliRunner().invoke(main, ["resume", "--quiet", "--json", str(tmp_path)])
    shown = CliRunner().invoke(main, ["status", str(tmp_path)])
    listed = CliRunner().invoke(main, ["status", "--json", str(tmp_path)])
    asked = [CliRunner().invoke(main, ["status", "--quiet", str(tmp_path / name)]) for name in JOURNALS]
    claim.release()
    assert done.exit_code == 0
    assert "whole-20260101_000000.journal (1 of 2): is whole already" in done.output
    assert "is being mirrored now, left alone" in done.output
    assert "1 unfinished" in shown.output and "interrupted" not in shown.output
    told = [json.loads(line) for line in quiet.output.splitlines()]  # and nothing else is said
    assert {one["journal"]: (one["good"], one["text"]) for one in told} == {
        str(tmp_path / JOURNALS[0]): (True, "is whole already"),
        str(tmp_path / JOURNALS[1]): (True, "is being mirrored now, left alone"),
    }
    states = {one["journal"]: one["state"] for one in map(json.loads, listed.output.splitlines())}
    assert states == {str(tmp_path / JOURNALS[0]): "finished", str(tmp_path / JOURNALS[1]): "not started"}
    assert [(one.exit_code, one.output) for one in asked] == [(0, ""), (1, "")]


def test_run_of_a_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "train me.py").write_text("pass\n")
    command = [sys.executable, "-m", "wandb_swan", "run", "./train me.py", "--lr", "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (
        126,
        "wandb-swan run: ./train me.py: Permission denied; type `wandb-swan run -- python './train me.py' --lr 1`\n",
    )
