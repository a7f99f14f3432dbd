"""What is said of a run is true, and what it says to type works where the user is."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from compat_tests.faults.conftest import LOOP, Train, Training, assert_whole, kill, preload_library, until
from compat_tests.stores import SwanStore

Check = Callable[..., None]


def typed(training: Training, line: str, expect: int = 0) -> str:
    """Types what a line says, as a user would in the folder where the training was started."""
    (command,) = re.findall(r"`([^`]*)`", line)
    done = subprocess.run(
        f"exec {command}",
        shell=True,
        cwd=training.dir,
        env=training.env | {"PATH": f"{Path(sys.executable).parent}:{training.env['PATH']}"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == expect, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def of_run(training: Training, run: str) -> SwanStore:
    return next(store for store in map(SwanStore.read, training.swan_dirs()) if store.start.id == run)


@pytest.mark.fault(
    "Runs one after the other whose `finish()` does not wait",
    "none is called interrupted while its mirror is on its way",
)
def test_a_mirror_on_its_way_is_no_interrupted_run(train: Train) -> None:
    script = "for i in range(3):\n    run = wandb.init(project='p')\n    run.log({'a': i})\n    run.finish()\n"
    training = train(script, WANDB_SWAN_FINISH_TIMEOUT="0").end()
    shown = training.command("status")
    training.mirrored()
    assert not [line for line in training.said if "not whole" in line], training.said
    assert sum("the mirror goes on by itself" in line for line in training.said) == 3
    assert "interrupted" not in shown and "no mirror" not in shown
    assert "0 unfinished" in training.command("status") and len(training.swan_dirs()) == 3


@pytest.mark.fault(
    "The journal is removed with its folder while the run goes on, which is made anew; WANDB_SILENT",
    "one line says so all the same, and how wandb's own log is brought over",
)
@pytest.mark.parametrize("anew", [True, False])
def test_a_journal_that_was_removed(train: Train, anew: bool) -> None:
    remove = "import shutil; until_mirrored(); shutil.rmtree('swanlog')\n    "
    remove += "os.makedirs('swanlog/journals')\n    " if anew else "\n    "
    wait = (
        "def until_mirrored():\n"
        "    while not list(pathlib.Path('swanlog').glob('run-*/run-*.swanlab')):\n        time.sleep(0.01)\n"
    )
    script = wait + LOOP.replace(
        "if i == 30:\n", "if i == 30:\n        " + remove.replace("\n    ", "\n        ") + "\n"
    )
    training = train(script, name="my work", gates=False, WANDB_SILENT="true").end()
    (told,) = training.said
    assert "was removed" in told and "nothing is lost" not in told and "resume" not in told
    if anew:
        assert "1 whose journal was removed" in training.command("status")
    typed(training, told)
    found = training.command("verify", "wandb", "swanlog", expect=0)
    assert "1 of 1 runs identical" in found


@pytest.mark.fault(
    "The training changes its folder, the names of folders have spaces",
    "what is said to be typed works where the training was started",
)
@pytest.mark.parametrize("mode", ["offline", "local"])
def test_a_training_that_changes_its_folder(train: Train, mode: str) -> None:
    script = "os.makedirs('out puts')\n" + LOOP.replace(
        "if i == 30:", "if i == 5:\n        os.chdir('out puts')\n    if i == 30:"
    )
    training = train(script, name="my work", gates=False, WANDB_SWAN_MODE=mode).end().mirrored()
    (command,) = re.findall(r"`([^`]*)`", training.said[-1])
    program, verb, folder = shlex.split(command)
    assert (program, verb) == ("swanlab", "sync" if mode == "offline" else "watch")
    (run_dir,) = training.swan_dirs()
    assert (training.dir / folder).samefile(run_dir if mode == "offline" else run_dir.parent)


@pytest.mark.fault(
    "A mirror fails, and the names of folders have spaces",
    "what is said to be typed completes the run where the user is",
)
def test_what_is_typed_after_a_failure(train: Train) -> None:
    script = "pathlib.Path('swanlog').touch()\nos.makedirs('elsewhere')\n" + LOOP.replace(
        "if i == 30:", "if i == 5:\n        os.chdir('elsewhere')\n    if i == 30:"
    )
    training = train(script, name="my work", gates=False, WANDB_SWAN_JOURNAL_DIR="my journals").end()
    assert "is not whole in SwanLab" in training.said[-1]
    typed(training, training.said[-1], expect=1)
    told = training.command("status", "my journals")
    assert "`wandb-swan resume 'my journals'`" in told
    (training.dir / "swanlog").unlink()
    typed(training, told)
    assert_whole(training)


NO_PROCESS = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
static int refused(void) { const char *file = getenv("FAULTS_NO_PROCESS"); return file && access(file, F_OK) == 0; }
pid_t fork(void) {
    if (refused()) { errno = EAGAIN; return -1; }
    return ((pid_t (*)(void))dlsym(RTLD_NEXT, "fork"))();
}
pid_t vfork(void) { return fork(); }
"""


@pytest.mark.fault(
    "No process is to be had (EAGAIN) while a run starts and ends, and when `resume` is typed",
    "each says so, `resume` with exit code 1; once there is one, the run is completed",
)
def test_no_process_is_to_be_had(train: Train, tmp_path: Path) -> None:
    full = tmp_path / "full"
    script = f"""
heard, write = [], sys.stderr.write
sys.stderr.write = lambda text: heard.append(text) or write(text)
first = wandb.init(project="p", id="r0")
first.finish()
pathlib.Path({str(full)!r}).touch()
run = wandb.init(project="p", id="r1")
run.log({{"a": 1}})
while "is tried again" not in "".join(heard):
    time.sleep(0.1)
run.finish()
"""
    library = preload_library(tmp_path, NO_PROCESS)
    training = train(script, gates=False, LD_PRELOAD=library, FAULTS_NO_PROCESS=str(full)).end()
    started = next(line for line in training.said if "no mirror could be started" in line)
    ended = training.said[-1]
    assert "Resource temporarily unavailable" in started and "what run r1 logs is kept in" in started
    assert "no mirror could be started" in ended and "nothing is lost" in ended
    said = typed(training, ended, expect=1)
    assert "no mirror could be started" in said and "being mirrored now" not in said
    full.unlink()
    typed(training, ended)
    assert of_run(training, "r1").scalars == {"a": {0: 1}}


@pytest.mark.fault("wandb's core is killed", "the training is not called killed")
def test_wandbs_core_is_killed(train: Train) -> None:
    script = LOOP.replace(
        'print("trained")',
        """
import psutil
[one.kill() for one in psutil.Process().children(recursive=True) if "wandb-core" in " ".join(one.cmdline())]
time.sleep(1)
""",
    ).replace("run.finish()", "try:\n    run.finish()\nexcept Exception as error:\n    print(error)")
    training = train(script, gates=False).end(expect=None).mirrored()
    (store,) = map(SwanStore.read, training.swan_dirs())
    told = store.finish.error
    assert store.state == "crashed" and "wandb-core" in told and "training process" not in told, told


SIGCHLD_IGNORED = "import signal\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"


@pytest.mark.fault(
    "The training ignores SIGCHLD; the mirror is killed during the run, and right before `finish()`",
    "noticed and started again all the same; equal stores",
)
@pytest.mark.parametrize("gate", ["middle", "end"])
def test_sigchld_is_ignored(train: Train, gate: str) -> None:
    training = train(SIGCHLD_IGNORED + LOOP)
    training.at(gate)
    until(lambda: training.statuses and training.statuses[0].get("run_dir"))
    (before,) = training.mirrors()
    kill(before)
    if gate == "middle":
        until(lambda: any(one.pid != before.pid for one in training.mirrors()))
    assert "SwanLab run saved" in training.end().said[-1]
    assert assert_whole(training).state == "finished"
    assert training.journals == []


@pytest.mark.fault(
    "`wandb-swan resume` is started with SIGCHLD ignored, of a journal that cannot be read",
    "it says so, exit code 1",
)
def test_resume_that_ignores_sigchld_says_when_it_fails(train: Train) -> None:
    """A service that starts it may ignore SIGCHLD, and gives that on: no exit code of a child is known."""
    training = train("", gates=False).end()
    journals = training.dir / "swanlog" / "journals"
    journals.mkdir(parents=True)
    (journals / "r1-20260101_000000.journal").write_bytes(b"no journal")
    done = subprocess.run(
        [Path(sys.executable).with_name("wandb-swan"), "resume"],
        cwd=training.dir,
        env=training.env,
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN),
    )
    assert done.returncode == 1 and "is not whole in SwanLab" in done.stderr, done.stderr


@pytest.mark.fault(
    "SwanLab is far behind when the run finishes; nobody is at a terminal",
    "what is left is told at once; equal stores",
)
def test_a_backlog_is_told_at_once(train: Train) -> None:
    """Though nobody is at a terminal: how much is left."""
    script = LOOP.replace(
        "run.finish()",
        """
import threading
mirrors = mirrors()
[one.suspend() for one in mirrors]
for i in range(8):
    run.log({"text": "x" * 1_000_000, "loss": i})
threading.Timer(2, lambda: [one.resume() for one in mirrors]).start()
run.finish()
""",
    )
    training = train(script, gates=False).end().mirrored()
    told = [line for line in training.said if line.startswith("SwanLab is catching up")]
    assert told and re.search(r": (about [\d,]+ points|[\d.]+ MB of the journal) left", told[0]), training.said
    assert_whole(training)
