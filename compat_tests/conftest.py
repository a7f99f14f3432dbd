"""Runs real training scripts in processes of their own and reads both stores."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from compat_tests.stores import SwanStore, WandbStore
from wandb_swan.parity.comparison import compare_runs
from wandb_swan.parity.logs import read_logs
from wandb_swan.parity.stored import StoredRun

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A suite started in the background: what it starts would ignore Ctrl-C as well.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass
class Recorded:
    """What a script left behind."""

    dir: Path
    returncode: int
    stdout: str
    stderr: str

    @property
    def wandb_dirs(self) -> list[Path]:
        return sorted(
            (path for path in (self.dir / "wandb").glob("*run-*-*") if path.is_dir() and not path.is_symlink()),
            key=lambda path: next(path.glob("run-*.wandb")).stat().st_ctime_ns,
        )

    def swan_dirs(self) -> list[Path]:
        return sorted(path.parent for path in (self.dir / "swanlog").glob("run-*/run-*.swanlab"))

    @property
    def statuses(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in sorted((self.dir / "swanlog").glob("journals/*.status.json"))]

    def pairs(self) -> dict[str, tuple[WandbStore, SwanStore]]:
        """wandb run id -> both stores, for every wandb run that is on disk; `wandb-swan verify` says the same of them."""
        swan = {store.start.id: store for store in map(SwanStore.read, self.swan_dirs())}
        found = {}
        for path in self.wandb_dirs:
            run_id = path.name.removeprefix("offline-").split("-", 2)[2]
            assert run_id in swan, f"run {run_id} is not in SwanLab; {self.explain()}"
            found[run_id] = WandbStore.read(path), swan[run_id]
            parity = compare_runs(read_logs(list(path.glob("run-*.wandb"))), StoredRun(swan[run_id].dir), path.name)
            assert parity.identical, f"{parity.differences()}; {self.explain()}"
        return found

    def pair(self) -> tuple[WandbStore, SwanStore]:
        """Both stores of the only run."""
        pairs = self.pairs()
        assert len(pairs) == 1, f"{list(pairs)}; {self.explain()}"
        return next(iter(pairs.values()))

    def explain(self) -> str:
        logs = "\n".join(path.read_text()[-3000:] for path in (self.dir / "swanlog").glob("journals/*.log"))
        return f"exit {self.returncode}\nstdout: {self.stdout[-2000:]}\nstderr: {self.stderr[-3000:]}\nmirror: {logs}"


def clean_environment(home: Path, **more: str | None) -> dict[str, str]:
    """The environment of a user who has neither a W&B nor a SwanLab account; None removes a variable."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("WANDB", "SWANLAB", "PYTEST"))
    }
    environment |= {
        "HOME": str(home),
        "WANDB_MODE": "offline",
        "WANDB_CONSOLE": "wrap",
        "SWANLAB_PROBE_REQUIREMENTS": "false",  # `pip list` in every run
        "PYTHONUNBUFFERED": "1",
    }
    for name, value in more.items():
        if value is None:
            environment.pop(name, None)
        else:
            environment[name] = value
    return environment


def wait_for_mirrors(folder: Path, timeout: float = 60) -> None:
    """Waits until every mirror of a log directory has ended."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        journals = sorted((folder / "swanlog").glob("journals/*.journal"))
        done = 0
        for journal in journals:
            status = journal.with_suffix(".status.json")
            if status.exists() and json.loads(status.read_text())["state"] in ("finished", "failed", "empty"):
                done += 1
        if done == len(journals):
            return
        time.sleep(0.05)


Record = Callable[..., Recorded]


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """`record(script, *args, **environment)`: runs a script as a user would and waits for its mirrors."""
    return recorder(tmp_path)


WAYS = ("import", "toggle")
"""How a script comes to us: by its import, or unedited, by WANDB_SWAN=1."""


def coming_by(way: str, record: Record) -> Record:
    """`record` for scripts that import us, or with plain wandb in our place, under the toggle."""
    if way == "import":
        return record

    def run(script: str, *args: str, **more: Any) -> Recorded:
        plain = script.replace("import wandb_swan as wandb", "import wandb")
        assert plain != script
        return record(plain, *args, **more, WANDB_SWAN="1")

    return run


def recorder(folder: Path) -> Record:
    """`record` with a folder of its own, for fixtures that many tests share."""

    def run(
        script: str,
        *args: str,
        expect: int | None = 0,
        timeout: float = 120,
        python: tuple[str, ...] = (),
        **env: str | None,
    ) -> Recorded:
        home = folder / "home"
        work = folder / "work"
        home.mkdir(exist_ok=True)
        work.mkdir(exist_ok=True)
        path = work / "train.py"
        path.write_text(textwrap.dedent(script), "utf-8")
        done = subprocess.run(
            [sys.executable, *python, str(path), *args],
            cwd=work,
            env=clean_environment(home, **env),
            capture_output=True,
            text=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
        )
        wait_for_mirrors(work)
        result = Recorded(work, done.returncode, done.stdout, done.stderr)
        if expect is not None:
            assert done.returncode == expect, result.explain()
        return result

    return run


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source distribution and the wheel that is built from it, as they would be published."""
    root = Path(__file__).parents[1]
    if not (root / "pyproject.toml").exists():
        pytest.skip("not a source tree")
    folder = tmp_path_factory.mktemp("distributions")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, root]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="session", autouse=True)
def versions_in_the_report(record_testsuite_property: Callable[[str, object], None]) -> None:
    """What `tools/matrix_report.py` makes the compatibility table of."""
    record_testsuite_property("python", platform.python_version())
    for name in ("wandb", "swanlab", "pydantic", "protobuf"):
        record_testsuite_property(name, version(name))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also the tests that take minutes")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--slow", default=False):
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="--slow runs it"))


@pytest.fixture
def field(tmp_path: Path) -> Iterator[Any]:
    """A `Field`: a folder that trainings and relays share."""
    from compat_tests.field import Field  # which needs this module

    made = Field(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium. For a module, not a session: while one is open, `asyncio.run` fails in this thread."""
    from compat_tests.browser import chromium  # Playwright is in the group `dev` alone

    with chromium() as opened:
        yield opened


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """An empty page of a browser that reaches nothing but this machine, skipped where there is no Chromium."""
    from compat_tests.browser import new_page

    with new_page(browser) as opened:
        yield opened


@pytest.fixture
def small_file_system(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a file system of a size (`48k`), or skips the test where nobody may."""
    folder = tmp_path / "tiny"

    def mount(size: str) -> Path:
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
        if subprocess.run(command, capture_output=True).returncode:
            pytest.skip("no tmpfs may be mounted here")
        return folder

    yield mount
    if folder.is_mount():
        subprocess.run(["umount", "-l", folder], check=True)
