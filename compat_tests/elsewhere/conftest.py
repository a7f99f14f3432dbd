"""Fixtures of the tests of the relay."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from compat_tests.servers.swanlab_cloud import SwanLabCloud


@pytest.fixture
def cloud() -> Iterator[SwanLabCloud]:
    with SwanLabCloud() as running:
        yield running
        running.heal()
