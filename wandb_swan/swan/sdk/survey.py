"""Looks once a process, at its first SwanLab run, for every capability: also for those that this run does not need."""

from __future__ import annotations

from typing import Any

from . import bulk, capabilities, run_times
from .capabilities import found
from .session import Session
from .store import can_be_read

_WRONG = (ImportError, AttributeError, TypeError, ValueError)


def survey(session: Session) -> None:
    """Notes what this SwanLab lacks. What is found missing later, as it is used, is noted there."""
    if found.surveyed:
        return
    found.surveyed = True
    core = session.core
    _need(capabilities.LOCAL_DASHBOARD, session.callbacks, "on_scalar_flush", "on_media_flush", "on_log_flush")
    _need(capabilities.CONTINUATION, core, "_metrics", "_epoch")
    _need(capabilities.KEPT_BATCHES, core, "_transport", "_tracker")
    _need(capabilities.EXPERIMENT_STATE, core, "_heartbeat")
    can_be_read()
    try:
        run_times.core_factory()
    except _WRONG as error:
        found.lack(capabilities.RUN_TIMES, why=error)
    try:
        bulk.compare(core)
    except _WRONG as error:
        found.lack(capabilities.BULK_ENCODING, why=error)
    try:
        from swanlab.sdk.internal.core_python.transport.sender import put_media_resources  # noqa: F401  (from 0.10.3)
    except ImportError as error:
        found.lack(capabilities.KEPT_BATCHES, why=error)
    try:
        from swanlab.sdk.internal.core_python import client  # noqa: F401
        from swanlab.sdk.internal.core_python.api.experiment import send_experiment_heartbeat  # noqa: F401
    except ImportError as error:
        found.lack(capabilities.EXPERIMENT_STATE, why=error)


def _need(capability: capabilities.Capability, thing: Any, *names: str) -> None:
    missing = [name for name in names if not hasattr(thing, name)]
    if missing:
        found.lack(capability, why=f"SwanLab's {type(thing).__name__} has no {', '.join(missing)}")
