"""Fixtures of the tests of the relay."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from compat_tests.elsewhere.field import Field
from compat_tests.faults.conftest import processes
from compat_tests.servers.swanlab_cloud import SwanLabCloud


@pytest.fixture
def field(tmp_path: Path) -> Iterator[Field]:
    made = Field(tmp_path)
    yield made
    for process in made.started:
        if process.poll() is None:
            process.kill()
            process.wait()
    for mirror in processes(made.work):
        mirror.kill()


@pytest.fixture
def cloud() -> Iterator[SwanLabCloud]:
    with SwanLabCloud() as running:
        yield running
        running.heal()
