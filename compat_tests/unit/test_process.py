"""Child processes of this Python: what they get, and what they leave alone."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from wandb_swan.capture import interpreter, process
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
    child = start_python("child_module", "one", "two'\n", log=log)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == mask
    assert child.wait(60) == 5
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
    child = start_python(
        "child_module", log=log, before="sys.before = 1; ", piped=True, base={"MARK": "x", "WANDB_SWAN": "1"}
    )
    out, _ = child.communicate(b"a question", timeout=60)
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
    assert child.returncode == 5
    assert log.read_text() == "before\nan error\n"


def test_what_the_mirror_imports_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "script"
    odd: list[Any] = [
        str(script),
        "/first",
        "",
        Path("/a/path"),
        5,
        None,
        b"/bytes",
        str(tmp_path),
        "relative",
        "/last",
    ]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", odd)
    told = process.import_path(interpreter.Interpreter(sys.executable, own=True))
    assert told == ["/first", str(tmp_path / "relative"), "/last", str(script), str(tmp_path), str(tmp_path)]


@pytest.mark.parametrize(
    ("executable", "is_one"),
    [
        ("/usr/bin/python", True),
        ("/usr/bin/python3.13t", True),
        ("/opt/python3.12-dbg", True),
        ("C:\\Python\\python.exe".replace("\\", "/"), True),
        ("/Library/Python", True),
        ("/usr/bin/pypy3", True),
        ("/opt/app/trainer", False),
        ("/opt/app/python-trainer", False),
        ("/opt/app/pythonic", False),
        ("", False),
    ],
)
def test_what_is_a_python(executable: str, is_one: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", executable)
    if is_one:
        assert interpreter.this_python() == executable
    else:
        with pytest.raises(OSError, match="not a Python"):
            interpreter.this_python()


def test_a_forked_child_does_not_warn_of_its_parents_mirror() -> None:
    """With `-W always`, of each DataLoader worker."""
    code = """
import gc, os, pathlib, sys
from types import SimpleNamespace
import subprocess
from wandb_swan.capture import live, supervisor
supervisor = supervisor.Supervisor(pathlib.Path("r1.journal"))
supervisor._process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
live.captured["r1"] = SimpleNamespace(mirror=supervisor)
child = os.fork()
if child == 0:
    del supervisor
    gc.collect()
    os._exit(0)
os.waitpid(child, 0)
supervisor._process.kill()
assert supervisor._process.wait() == -9
"""
    done = subprocess.run([sys.executable, "-W", "always", "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "ResourceWarning" not in done.stderr, done.stderr
