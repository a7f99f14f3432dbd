"""Before a mirror is started: which wandb is newer than any that was tested."""

from __future__ import annotations

from wandb_swan.capture.launch import newer_than_tested


def test_newer_than_tested() -> None:
    assert newer_than_tested("0.32.0") and newer_than_tested("1.0.0rc1")
    assert not newer_than_tested("0.31.9") and not newer_than_tested("0.9.0") and not newer_than_tested("unknown")
