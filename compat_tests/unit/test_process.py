"""Child processes of this Python: what they get, and what they leave alone."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import pytest

from wandb_swan.capture.process import start_python

CHILD = """
import json, os, signal, sys
def main(arguments=None):
    told = {"arguments": arguments, "before": getattr(sys, "before", None), "mirrored": os.environ["WANDB_SWAN"],
            "mark": os.environ.get("MARK"), "blocked": len(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
            "session": os.getsid(0) == os.getpid(), "rest": sys.stdin.read()}
    print(json.dumps(told), flush=True)
    print("an error", file=sys.stderr)
    return 5
"""


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "child_module.py").write_text(CHILD)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    monkeypatch.setenv("PYTHONPATH", "/of/the/training")
    return tmp_path / "log"


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_child_that_is_left_alone(log: Path) -> None:
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    process = start_python("child_module", "one", "two'\n", log=log)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == mask
    assert process.wait(60) == 5
    said, error = log.read_text().splitlines()
    told = json.loads(said)
    assert told.pop("blocked") >= len(signal.valid_signals()) - 4  # SIGCHLD, and what nobody can block
    assert error == "an error"
    assert told == {
        "arguments": ["one", "two'\n"],
        "before": None,
        "mirrored": "0",
        "mark": None,
        "session": True,
        "rest": "",
    }
    assert log.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_child_that_talks(log: Path) -> None:
    log.write_text("before\n")
    process = start_python(
        "child_module", log=log, before="sys.before = 1; ", piped=True, base={"MARK": "x", "WANDB_SWAN": "1"}
    )
    out, _ = process.communicate(b"a question", timeout=60)
    told = json.loads(out)
    assert told.pop("blocked") == len(signal.pthread_sigmask(signal.SIG_BLOCK, []))
    assert told == {
        "arguments": None,
        "before": 1,
        "mirrored": "0",
        "mark": "x",
        "session": True,
        "rest": "a question",
    }
    assert process.returncode == 5
    assert log.read_text() == "before\nan error\n"
