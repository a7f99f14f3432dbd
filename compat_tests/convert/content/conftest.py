"""The items, made once for all tests of them."""

from __future__ import annotations

import pytest

from compat_tests.convert.content.held import Held, held_items


@pytest.fixture(scope="session")
def held(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Held]]:
    """SwanLab's key -> the items of the metric, in the order of their steps."""
    return held_items(tmp_path_factory.mktemp("content"))
