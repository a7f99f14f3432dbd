"""Versions of other packages, against what the matrix has."""

from __future__ import annotations

from wandb_swan.versions import newer_than_tested


def test_newer_than_tested() -> None:
    assert newer_than_tested("wandb", "0.32.0") and newer_than_tested("wandb", "1.0.0rc1")
    for version in ("0.31.9", "0.9.0", "unknown"):
        assert not newer_than_tested("wandb", version)
    assert newer_than_tested("swanlab", "0.11.0a1") and not newer_than_tested("swanlab", "0.10.9")
