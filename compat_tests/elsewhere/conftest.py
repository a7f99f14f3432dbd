"""Fixtures of trainings whose mirrors are elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from compat_tests.servers.swanlab_cloud import SwanLabCloud


@pytest.fixture
def cloud() -> Iterator[SwanLabCloud]:
    with SwanLabCloud() as running:
        yield running
        running.heal()


@pytest.fixture(scope="session")
def wheel(distributions: Path) -> Path:
    """Our wheel, as it would be published."""
    (made,) = distributions.glob("*.whl")
    return made
