"""Fixtures of trainings whose mirrors are elsewhere."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from compat_tests.servers.swanlab_cloud import SwanLabCloud

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def cloud() -> Iterator[SwanLabCloud]:
    with SwanLabCloud() as running:
        yield running
        running.heal()


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our wheel, as it would be published."""
    folder = tmp_path_factory.mktemp("wheel")
    build = f"from hatchling.build import build_wheel; build_wheel({str(folder)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=ROOT, check=True, capture_output=True, timeout=300)
    (made,) = folder.glob("*.whl")
    return made
