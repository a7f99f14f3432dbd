"""The worker process and the size of the search.

`HYPOTHESIS_PROFILE=deep` runs 10,000 programs of the step rule; the default is some ten seconds a test.
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
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "differential"))


class Worker:
    """Hands programs to the process of `worker.py`."""

    def __init__(self, folder: Path) -> None:
        home = folder / "home"
        home.mkdir()
        self._log = (folder / "worker.log").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "compat_tests.differential.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            cwd=folder,
            env=clean_environment(
                home,
                WANDB_CONSOLE="off",
                PYTHONPATH=str(Path(__file__).parents[2]),
                WANDB_SWAN_MODE="offline",
                WANDB_SWAN_KEEP_JOURNAL="true",
            ),
        )

    def run(self, program: list[Operation], *, mirrored: bool = False) -> list[Made]:
        """The runs that the program made, in the order in which they started."""
        assert self._process.stdin is not None and self._process.stdout is not None
        pickle.dump((program, mirrored), self._process.stdin)
        self._process.stdin.flush()
        answer: Any = pickle.load(self._process.stdout)
        assert not isinstance(answer, str), answer
        return answer

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._log.close()


@pytest.fixture(scope="session")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    made = Worker(tmp_path_factory.mktemp("differential"))
    yield made
    made.close()
