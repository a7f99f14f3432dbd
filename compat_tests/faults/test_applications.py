"""Trainings that are no ordinary script: frozen and embedding applications, odd import paths, streams and folders."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from compat_tests.conftest import clean_environment
from compat_tests.faults.conftest import LOOP, Bare, Train, assert_whole, kill, until, wandb_facts
from compat_tests.terminal import at_a_terminal

Check = Callable[..., None]

COUNTED = """
with open("starts", "a") as starts:
    starts.write("training\\n")
"""


@pytest.mark.fault(
    "A frozen application (PyInstaller), an application that embeds Python: `sys.executable` is the application",
    "it is never started again; the journal waits, one line says what to type, `wandb-swan resume` completes the run",
)
@pytest.mark.parametrize(
    "application",
    [
        "sys.frozen = True",
        "sys.executable = str(pathlib.Path('trainer').absolute())",
        "sys.executable = None",
    ],
)
def test_an_application(train: Train, unharmed: Check, tmp_path: Path, application: str) -> None:
    script = COUNTED + application + "\n" + LOOP
    for name in ("trainer", "python-trainer"):
        (tmp_path / "work").mkdir(exist_ok=True)
        program = tmp_path / "work" / name
        program.write_text(f"#!/bin/sh\necho {name} >> starts\nsleep 2\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    training = train(script, gates=False).end()
    unharmed(training, script)
    assert (training.dir / "starts").read_text() == "training\n"
    (told,) = training.said
    assert "the journal waits, type `wandb-swan resume swanlog/journals/r1-" in told
    training.command("resume")
    assert_whole(training)
    assert (training.dir / "starts").read_text() == "training\n"
    assert len(training.wandb_dirs) == 1


KILLED_AT_THE_END = """
def last(path):
    path = str(path)
    import os, psutil
    for process in psutil.process_iter():
        try:
            if process.name() == "swan-mirror" and process.cwd() == os.getcwd():
                process.kill()
        except psutil.Error:
            continue
"""


@pytest.mark.fault(
    "stderr is None, or has only `write` and `flush`; the mirror is killed right before `finish()`",
    "`finish()` waits for it and starts it again; equal stores",
)
@pytest.mark.parametrize(
    "stream",
    [
        "sys.stderr = None",
        "sys.stderr = type('Log', (), {'write': lambda self, text: len(text), 'flush': lambda self: None})()",
    ],
    ids=["none", "write and flush"],
)
def test_no_ordinary_stderr(train: Train, bare: Bare, stream: str) -> None:
    script = KILLED_AT_THE_END + stream + "\n" + LOOP.replace("run.finish()", "last('x')\nrun.finish()")
    training = train(script, gates=False).end(check=False)  # wandb 0.19 alone ends with 1 there
    alone = bare(script)
    assert (training.returncode, wandb_facts(training)) == (alone.returncode, wandb_facts(alone))
    assert training.journals == [], "finish() came back before the run was whole"
    assert_whole(training)


@pytest.mark.fault(
    "A run that ends with the interpreter, on a terminal; its mirror is killed right before",
    "waited for and started again; the cursor is there; equal stores",
)
def test_the_end_of_the_interpreter_on_a_terminal(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (tmp_path / "home").mkdir()
    script = "import wandb_swan as wandb\n" + KILLED_AT_THE_END
    script += "run = wandb.init(project='p', id='r1')\nrun.log({'loss': 1.5})\nlast('x')\n"
    (work / "train.py").write_text(script)
    said = at_a_terminal(tmp_path, sys.executable, "train.py")
    assert "SwanLab run saved" in said
    assert "\x1b[?25l" not in said
    assert not list(work.glob("swanlog/journals/*.journal"))


PATHS = """
sys.path.insert(1, pathlib.Path("/nowhere"))
sys.path.append(pathlib.Path("somewhere"))
sys.path.extend(f"/nowhere/{'x' * 200}/{n}" for n in range(1000))
"""


@pytest.mark.fault(
    "A `Path` and 200 KB of folders in `sys.path`",
    "equal stores",
)
def test_an_import_path_of_anything(train: Train, unharmed: Check) -> None:
    script = PATHS + LOOP
    training = train(script, gates=False).end()
    unharmed(training, script)
    assert_whole(training)
    assert training.said[-1].startswith("SwanLab run saved")


NAMES = ("pip", "click", "yaml", "psutil", "pydantic", "sitecustomize", "swanlab", "rich", "requests", "json")


@pytest.mark.fault(
    "The working directory has modules that are called as those that a mirror needs (`pip.py`, `click.py`, ...)",
    "the mirror does not run them; equal stores",
)
@pytest.mark.parametrize("first", ["", "sys.path.insert(0, '')", "sys.path.insert(2, os.getcwd())"])
def test_modules_in_the_working_directory(train: Train, unharmed: Check, tmp_path: Path, first: str) -> None:
    folder = tmp_path / "job"
    folder.mkdir()
    for name in NAMES:
        code = "import os, sys\nopen(os.environ['RAN'], 'a').write(f'{__name__}: {sys.orig_argv}\\n')\n"
        (folder / f"{name}.py").write_text(code)
    ran = tmp_path / "ran"
    ran.touch()
    job = {
        "RAN": str(ran),
        "SWANLAB_PROBE_REQUIREMENTS": "true",
        "PATH": os.defpath,
        "WANDB_DIR": str(tmp_path / "work"),
    }
    script = f"import psutil\nos.chdir({str(folder)!r})\n{first}\n" + LOOP.replace("gate(", "str(")
    training = train(script, gates=False, **job).end()
    assert [line for line in ran.read_text().splitlines() if "'train.py'" not in line] == []
    assert_whole(training)
    if sys.version_info >= (3, 11):  # before, SwanLab's `python -m pip` would find the pip.py, and is not asked
        assert "wandb" in next(training.swan_dirs()[0].glob("files/requirements.txt")).read_text()


@pytest.mark.fault(
    "A relative log and journal folder, and the training changes its folder; the mirror is killed; `resume` is typed "
    "elsewhere",
    "the run is in the folder that was meant when it started; equal stores",
)
def test_relative_folders(train: Train, tmp_path: Path) -> None:
    script = LOOP.replace('gate("middle")', "os.chdir('/')").replace("gate(", "(lambda name: time.sleep(600))(")
    training = train(
        script, gates=False, WANDB_SWAN_LOG_DIR="logs", WANDB_SWAN_JOURNAL_DIR="some/journals", WANDB_DIR="."
    )
    folder = training.dir
    until(lambda: list(folder.glob("some/journals/*.status.json")))
    (status,) = folder.glob("some/journals/*.status.json")
    until(lambda: json.loads(status.read_text()).get("counts", {}).get("rows") == 62)
    kill(training.mirrors()[0])
    kill(training.process)
    training.end(expect=-signal.SIGKILL)
    done = subprocess.run(
        [Path(sys.executable).with_name("wandb-swan"), "resume", folder / "some" / "journals"],
        cwd=tmp_path,
        env=clean_environment(tmp_path / "home"),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert [path.name for path in folder.glob("logs/run-*")] and not list(tmp_path.glob("logs"))
    assert not list(folder.glob("some/journals/*.journal"))
