"""Lets SwanLab describe the training process instead of the mirror that it runs in."""

from __future__ import annotations

import os
from contextlib import suppress
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any

from ...atomic_file import write_whole
from . import capabilities
from .capabilities import found


def preload() -> None:
    """Imports what SwanLab's probe needs, before a run asks for it."""
    with suppress(ImportError):
        import_module("swanlab.sdk.internal.probe_python")


def keep_requirements(folder: Path) -> None:
    """What is installed is listed once for all mirrors of a host, in its `folder`: SwanLab starts a `pip list` for it,
    for half a CPU second. Its answer may be another one in another working folder (pixi, uv)."""
    with suppress(ImportError, AttributeError):
        requirements: Any = import_module("swanlab.sdk.internal.probe_python.environment.requirements")
        list_anew = requirements.get
        kept = folder / f"{sha256(os.fsencode(Path.cwd())).hexdigest()[:32]}.requirements"

        def get() -> Any:
            with suppress(OSError, ValueError):
                return kept.read_text("utf-8")
            told = list_anew()
            if isinstance(told, str) and told:
                with suppress(OSError, ValueError):
                    write_whole(kept, told)
            return told

        requirements.get = get


def describe(trainer: dict[str, Any], *, monitor: bool) -> None:
    """Gives SwanLab's probe the trainer's command, folder and process id, in this process.

    What the installed SwanLab keeps elsewhere (read at 0.10.3: `probe_python/environment/runtime.py`) stays the
    mirror's own; that costs a wrong line in the run's metadata, no data.
    """
    facts = {
        "get_command": " ".join(map(str, trainer.get("argv") or [])),
        "get_pid": trainer.get("pid"),
        "get_cwd": trainer.get("cwd"),
        "get_python_executable": trainer.get("executable"),
    }
    try:
        from swanlab.sdk.internal.probe_python.environment import runtime
    except ImportError as error:
        found.lack(capabilities.TRAINER_METADATA, why=error)
        return
    moved = [name for name in facts if not hasattr(runtime, name)]
    if moved:
        found.lack(capabilities.TRAINER_METADATA, why=f"SwanLab's probe has no {', '.join(moved)}")
    for name, value in facts.items():
        if value and hasattr(runtime, name):
            setattr(runtime, name, lambda value=value: value)
    if monitor and isinstance(trainer.get("pid"), int):
        _watch(trainer["pid"])


def _watch(pid: int) -> None:
    """`psutil.Process()` means the trainer: SwanLab's monitor reads memory and threads of "this" process so."""
    import psutil

    class Trainer(psutil.Process):  # type: ignore[misc]
        def __init__(self, other: int | None = None) -> None:
            super().__init__(pid if other is None else other)

    psutil.Process = Trainer
