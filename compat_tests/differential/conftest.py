"""The worker process and the size of the search.

`HYPOTHESIS_PROFILE=deep` runs 10,000 programs of the step rule and 1,000 mirrored ones; the default is some ten seconds a test, other
programs each time. `ci` tries the same ones every time: a gate says the same of the same code.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from compat_tests.conftest import clean_environment
from compat_tests.differential.worker import Made, Operation

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]
settings.register_profile(
    "differential", max_examples=150, deadline=None, suppress_health_check=_SLOW, print_blob=True, database=None
)
settings.register_profile("deep", settings.get_profile("differential"), max_examples=10_000)
settings.register_profile("ci", settings.get_profile("differential"), derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "differential"))


RUNS_A_PROCESS = 30
"""SwanLab (0.10.3) keeps an inotify watcher of every finished run; the kernel gives a user 128."""


class Worker:
    """Hands programs to the process of `worker.py`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "home").mkdir()
        self._process: subprocess.Popen[bytes] | None = None
        self._mirrored = 0

    def run(self, program: list[Operation], *, mirrored: bool = False) -> list[Made]:
        """The runs that the program made, in the order in which they started."""
        if self._mirrored >= RUNS_A_PROCESS:
            self.close()
        process = self._process = self._process or self._start()
        assert process.stdin is not None and process.stdout is not None
        pickle.dump((program, mirrored), process.stdin)
        process.stdin.flush()
        answer: Any = pickle.load(process.stdout)
        assert not isinstance(answer, str), answer
        self._mirrored += mirrored * len(answer)
        return answer

    def _start(self) -> subprocess.Popen[bytes]:
        with (self._folder / "worker.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "compat_tests.differential.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=self._folder,
                env=clean_environment(
                    self._folder / "home",
                    WANDB_CONSOLE="off",
                    PYTHONPATH=str(Path(__file__).parents[2]),
                    WANDB_SWAN_MODE="offline",
                    WANDB_SWAN_KEEP_JOURNAL="true",
                ),
            )

    def close(self) -> None:
        process, self._process, self._mirrored = self._process, None, 0
        if process is not None:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.close()
            process.wait(60)
            process.stdout.close()


@pytest.fixture(scope="session")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    made = Worker(tmp_path_factory.mktemp("differential"))
    yield made
    made.close()
