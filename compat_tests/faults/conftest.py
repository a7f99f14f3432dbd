"""Runs a training with a fault and the same training without us, and holds both against each other and SwanLab."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from compat_tests.conftest import Recorded, clean_environment, wait_for_mirrors
from compat_tests.faults.report import Report
from compat_tests.servers.swanlab_cloud import SwanLabCloud
from compat_tests.servers.swanlab_state import Experiment
from compat_tests.stores import SwanStore, WandbStore, assert_same_values, leaves

PRELUDE = """
import os, pathlib, sys, time
import wandb_swan as wandb

def gate(name):
    '''Says that the training is here and waits until the test lets it go on.'''
    if os.environ.get("FAULTS_GATES"):
        pathlib.Path(name + ".reached").touch()
        while not pathlib.Path(name + ".go").exists():
            time.sleep(0.01)

def mirrors():
    '''The mirrors of this training, as soon as there is one; none where it is not mirrored.'''
    import psutil
    found = []
    while not found and os.environ.get("WANDB_SWAN") != "0":
        for one in psutil.process_iter():
            try:
                if one.name() == "swan-mirror" and one.cwd() == os.getcwd():
                    found.append(one)
            except psutil.Error:
                continue
    return found

def two_blocks():
    '''Waits until wandb's core has written two blocks of its log: what it reads after our death it may drop.'''
    while next(pathlib.Path("wandb").glob("*run-*/run-*.wandb")).stat().st_size < 65536:
        time.sleep(0.01)

"""

LOOP = """
run = wandb.init(project="p", id="r1", name="first", notes="why", tags=["a", "b"], group="g", job_type="t",
                 config={"lr": 0.1, "net": {"width": [1, 2]}})
for i in range(60):
    run.log({"loss": 1 / (i + 1), "odd": [0.5, float("nan")][i % 2]})
    if i in (10, 50):
        run.log({"word": f"at {i}"})
    if i == 30:
        print("half way")
        gate("middle")
print("trained")
gate("end")
run.finish()
print("done")
"""
"""The training of most tests."""


GATES = ("middle", "end")


@dataclass
class Training(Recorded):
    """A training process, running or ended."""

    process: subprocess.Popen[str] = field(default=None)  # type: ignore[assignment]
    env: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def at(self, gate: str, timeout: float = 60) -> None:
        """Waits until the training has reached a gate; those before it are opened."""
        self.go(*GATES[: GATES.index(gate)])
        until(lambda: (self.dir / f"{gate}.reached").exists() or self.process.poll() is not None, timeout)
        assert (self.dir / f"{gate}.reached").exists(), self.end(check=False).explain()

    def go(self, *gates: str) -> None:
        for gate in gates:
            (self.dir / f"{gate}.go").touch()

    def end(self, *, expect: int | None = 0, check: bool = True, timeout: float = 90) -> Training:
        """Opens every gate and waits for the training itself, not for its mirrors."""
        self.go(*GATES)
        began = time.monotonic()
        self.stdout, self.stderr = self.process.communicate(timeout=timeout)
        self.seconds = time.monotonic() - began
        self.returncode = self.process.returncode
        if check and expect is not None:
            assert self.returncode == expect, self.explain()
        return self

    def mirrored(self, timeout: float = 60) -> Training:
        """Waits for the mirrors."""
        wait_for_mirrors(self.dir, timeout)
        return self

    @property
    def said(self) -> list[str]:
        """Our own lines."""
        return [line.removeprefix("wandb_swan: ") for line in self.stderr.splitlines() if "wandb_swan: " in line]

    @property
    def journals(self) -> list[Path]:
        return sorted((self.dir / "swanlog").glob("journals/*.journal"))

    def mirrors(self) -> list[psutil.Process]:
        return [process for process in processes(self.dir) if is_mirror(process)]

    def age(self, seconds: float = 60) -> Training:
        """Makes the mirrors' last words that much older: nobody waits for SwanLab's server to count them."""
        for path in (self.dir / "swanlog").glob("journals/*.status.json"):
            told = json.loads(path.read_text())
            path.write_text(json.dumps(told | {"sent_at": told["sent_at"] - seconds}))
        return self

    def log(self) -> str:
        """What the mirrors logged."""
        return "\n".join(path.read_text() for path in sorted((self.dir / "swanlog").glob("journals/*.log")))

    def command(self, *arguments: str, expect: int = 0, **env: str) -> str:
        """`wandb-swan ...` in the training's folder; its output."""
        done = subprocess.run(
            [Path(sys.executable).with_name("wandb-swan"), *arguments],
            cwd=self.dir,
            env=self.env | env,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == expect, f"{done.stdout}{done.stderr}{self.log()}"
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr


def is_mirror(process: psutil.Process) -> bool:
    """Whether a process is a mirror: forked by a host, or one of its own."""
    try:
        return process.name() == "swan-mirror" or "wandb_swan.mirror.process" in " ".join(process.cmdline())
    except psutil.Error:
        return False


def cmdline(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def processes(folder: Path) -> list[psutil.Process]:
    """The processes whose working directory is in a folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()).is_relative_to(folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def until(condition: Callable[[], object], timeout: float = 30) -> None:
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, "it did not become so in time"
        time.sleep(0.02)


Train = Callable[..., Training]
Bare = Callable[..., Training]
_bare: dict[tuple[str, str], Training] = {}


@pytest.fixture
def train(tmp_path: Path) -> Iterator[Train]:
    """`train(script, **environment)` starts a training as a user would; `.end()` waits for it."""
    started: list[Training] = []

    def start(script: str = LOOP, *, name: str = "work", gates: bool = True, **env: str | None) -> Training:
        training = launch(tmp_path, script, name, FAULTS_GATES="1" if gates else None, **env)
        started.append(training)
        return training

    yield start
    for training in started:
        if training.process.poll() is None:
            training.process.kill()
            training.process.communicate()


def launch(folder: Path, script: str, name: str, **env: str | None) -> Training:
    home, work = folder / "home", folder / name
    home.mkdir(exist_ok=True)
    work.mkdir(exist_ok=True)
    (work / "train.py").write_text(PRELUDE + textwrap.dedent(script), "utf-8")
    quiet = {
        "COLUMNS": "500",
        "WANDB_X_DISABLE_STATS": "true",
        "WANDB_X_DISABLE_META": "true",
        "SWANLAB_PROBE_MONITOR": "false",
    }
    environment = clean_environment(home, **{**quiet, **env})
    process = subprocess.Popen(
        [sys.executable, "train.py"],
        cwd=work,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    return Training(work, 0, "", "", process=process, env=environment)


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Bare:
    """The same training without us: run once a script. With `kill_at`, `kill -9` ends it at that gate."""

    def run(script: str = LOOP, kill_at: str = "") -> Training:
        if (script, kill_at) not in _bare:
            gates = "1" if kill_at else None
            alone = launch(tmp_path_factory.mktemp("bare"), script, "work", FAULTS_GATES=gates, WANDB_SWAN="0")
            if kill_at:
                alone.at(kill_at)
                kill(alone.process)
            _bare[script, kill_at] = alone.end(check=False)
        return _bare[script, kill_at]

    return run


@pytest.fixture
def unharmed(bare: Bare) -> Callable[..., None]:
    """`unharmed(training, script)`: output, exit code and wandb's store are those of a run without us."""

    def check(training: Training, script: str = LOOP) -> None:
        alone = bare(script)
        assert training.returncode == alone.returncode, training.explain()
        assert own_lines(training.stdout) == own_lines(alone.stdout)
        assert own_lines(training.stderr) == own_lines(alone.stderr)
        assert wandb_facts(training) == wandb_facts(alone)

    return check


def unharmed_until_killed(training: Training, alone: Training, *, rows: int) -> None:
    """Output and exit code are those of the run without us; so are the two logs, as far as both reach.

    When its client is killed, wandb's core writes the end of its log, or dies first: the 32 KB blocks that it had
    written are there, `rows` at least.
    """
    for one in (training, alone):
        until(lambda one=one: not processes(one.dir))  # type: ignore[misc]
    assert training.returncode == alone.returncode, training.explain()
    assert own_lines(training.stderr) == own_lines(alone.stderr)
    assert own_lines(training.stdout) == own_lines(alone.stdout)
    ours, theirs = (WandbStore.read(one.wandb_dirs[0]) for one in (training, alone))
    both = sorted(ours.rows.keys() & theirs.rows.keys())
    assert len(both) == min(len(ours.rows), len(theirs.rows)) >= rows
    told, expected = ([json.dumps(one.rows[n], sort_keys=True) for n in both] for one in (ours, theirs))
    assert told == expected
    assert (ours.config, ours.exit_code) == (theirs.config, theirs.exit_code)


def own_lines(output: str) -> list[str]:
    """What the training itself said: no line of wandb's, SwanLab's or ours, and no place of a file."""
    theirs = ("wandb:", "swanlab:", "wandb_swan:", "  File ")
    plain = re.sub(r"\x1b\[[0-9;]*m", "", output)
    return [line for line in plain.splitlines() if not line.startswith(theirs)]


def wandb_facts(training: Training) -> list[Any]:
    """What wandb's stores hold, comparable: NaN is NaN, the clock is left out."""
    found = []
    for folder in training.wandb_dirs:
        store = WandbStore.read(folder)
        summary = {k: v for k, v in store.summary.items() if k not in ("_runtime", "_timestamp", "_wandb")}
        facts = [sorted(store.rows.items()), store.config, summary, own_lines(store.console), store.exit_code]
        found.append(json.dumps(facts, sort_keys=True))
    return sorted(found)


@pytest.fixture
def cloud() -> Iterator[SwanLabCloud]:
    """SwanLab's cloud on loopback."""
    with SwanLabCloud() as running:
        yield running
        running.heal()
    assert not running.errors
    assert not running.unknown


@pytest.fixture(autouse=True)
def no_process_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    folder: Path | None = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    yield
    if folder is None:
        return
    end = time.monotonic() + 20
    while (left := processes(folder)) and time.monotonic() < end:
        time.sleep(0.05)
    told = [(process.pid, cmdline(process)[-1:]) for process in left]
    for process in left:
        process.kill()
    assert not told, f"left behind: {told}"


def assert_cloud_has(experiment: Experiment, store: WandbStore) -> None:
    """Every scalar and text of wandb's log is in the cloud's experiment at its step, and nothing else is."""
    expected: dict[str, dict[int, float]] = {}
    texts: dict[str, dict[int, str]] = {}
    for step, row in store.rows.items():
        for path, value in leaves(row).items():
            if isinstance(value, str):
                texts.setdefault("/".join(path), {})[step] = value
            else:
                expected.setdefault("/".join(path), {})[step] = float(value)
    got = experiment.metrics
    assert {key: sorted(steps) for key, steps in got.items()} == {k: sorted(steps) for k, steps in expected.items()}
    for key, steps in expected.items():
        for step, value in steps.items():
            assert got[key][step] == value or (math.isnan(got[key][step]) and not math.isfinite(value)), (key, step)
    kept = {k: {s: (items[0].data or b"").decode() for s, items in v.items()} for k, v in experiment.media.items()}
    assert kept == texts
    assert experiment.duplicate_points == []


def assert_whole(training: Training) -> SwanStore:
    """The only run's two stores hold the same values."""
    wandb, swan = training.pair()
    assert_same_values(wandb, swan)
    return swan


def preload_library(folder: Path, code: str) -> str:
    """A shared library for LD_PRELOAD, made of C code."""
    if sys.platform != "linux" or shutil.which("cc") is None:
        pytest.skip("needs a C compiler on Linux")
    (folder / "preload.c").write_text(code)
    made = ["cc", "-shared", "-fPIC", "-o", folder / "preload.so", folder / "preload.c", "-ldl"]
    subprocess.run(made, check=True)
    return str(folder / "preload.so")


def kill(process: psutil.Process | subprocess.Popen[str]) -> None:
    os.kill(process.pid, signal.SIGKILL)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--reliability", type=Path, help="write the table of faults into this Markdown file")


def pytest_configure(config: pytest.Config) -> None:
    path = config.getoption("--reliability", default=None)
    if path is not None:
        config.pluginmanager.register(Report(path))
