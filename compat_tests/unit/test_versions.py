"""Versions of other packages, against what the matrix has."""

from __future__ import annotations

from importlib.metadata import requires

import pytest

from wandb_swan import versions
from wandb_swan.versions import NEWEST_TESTED, below_declared, newer_than_tested


def test_newer_than_tested() -> None:
    assert newer_than_tested("wandb", "0.32.0") and newer_than_tested("wandb", "1.0.0rc1")
    for version in ("0.31.9", "0.9.0", "unknown"):
        assert not newer_than_tested("wandb", version)
    assert newer_than_tested("swanlab", "0.11.0a1") and not newer_than_tested("swanlab", "0.10.9")


def test_a_swanlab_that_is_not_tested_is_not_installed() -> None:
    """SwanLab's later ones drop what older servers need: its declaration has the series after the newest tested as cap."""
    (declared,) = [item for item in requires("wandb-swan") or [] if item.startswith("swanlab<")]
    major, minor = NEWEST_TESTED["swanlab"]
    assert f"<{major}.{minor + 1}," in declared


@pytest.mark.parametrize(
    ("declared", "found"),
    [
        ("swanlab<0.11,>=0.8.3; python_version >= '3.10'", ["swanlab 0.8.0 is below 0.8.3"]),
        ("swanlab>=0.8.3,<0.11", ["swanlab 0.8.0 is below 0.8.3"]),
        ("swanlab>=0.8", []),
        ("swanlab<0.11", []),
        ("swanlab>=0.8.3; python_version < '3.10'", []),
        ("swanlab[dashboard]>=0.9; extra == 'demo'", []),
    ],
)
def test_below_declared(declared: str, found: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "_declared", lambda *_: [declared])
    monkeypatch.setattr(versions, "installed", lambda _: "0.8.0")
    assert below_declared() == found
