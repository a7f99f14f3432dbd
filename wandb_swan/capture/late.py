"""Runs that go on already when wandb is tapped: which they are, and what their journals begin with.

wandb's own log has what they recorded before; the mirror takes it from there.
"""

from __future__ import annotations

import os
import sys
from typing import Any


def running() -> list[tuple[str, Any]]:
    """Stream id and run of every run that this process has started and not finished."""
    setup = sys.modules.get("wandb.sdk.wandb_setup")
    wandb = getattr(setup, "_singleton", None)
    if wandb is None:  # up to 0.19.1
        wandb = getattr(getattr(setup, "_WandbSetup", None), "_instance", None)
    if wandb is None or getattr(wandb, "_pid", None) != os.getpid():  # a fork has its parent's
        return []
    runs = list(getattr(wandb, "_active_runs", None) or getattr(wandb, "_global_run_stack", None) or ())
    return [
        (run._settings.run_id, run)
        for run in runs
        if run._init_pid == os.getpid() and not getattr(run, "_is_attached", False)
    ]


def step_of(run: Any) -> int:
    """wandb's step of the row that the run gathers, as far as this process can know."""
    for name in ("_local_step", "_step"):  # from 0.27; before
        step = getattr(run, name, None)
        if isinstance(step, int):
            return step
    return 0


def is_of_the_run(record: Any) -> bool:
    """Whether a record is what the user does with the run: not its output, nor wandb's own questions."""
    kind = record.WhichOneof("record_type")
    if kind == "request":
        return bool(record.request.WhichOneof("request_type") == "partial_history")
    return kind not in {"output", "output_raw", "telemetry", "stats"}


def start_record(run: Any) -> bytes:
    """The record with which a run starts, made anew of what the run is now."""
    from wandb.proto import wandb_internal_pb2 as pb

    interface = getattr(run, "_interface", None) or run._backend.interface  # up to 0.24
    record = pb.Record()
    record.request.run_start.run.CopyFrom(interface._make_run(run))
    return bytes(record.SerializeToString())
