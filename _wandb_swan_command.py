"""The console script `wandb-swan`, and what its worker processes start with: no code of wandb's that nobody needs.

`import wandb` takes more than a CPU second, its protobuf messages alone a tenth of one. This module lies beside the
package, since importing anything from a package runs the package's own code first.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from importlib.util import find_spec
from types import ModuleType
from typing import Any


class Deferred(ModuleType):
    """A package that runs its own code when it is asked for a name of its own, and not for a submodule."""

    def __getattr__(self, name: str) -> Any:
        assert self.__spec__ is not None and self.__spec__.loader is not None
        self.__class__ = ModuleType  # type: ignore[assignment]
        self.__spec__.loader.exec_module(self)
        return getattr(self, name)


def defer() -> None:
    """Puts off the code of wandb and wandb_swan, and SwanLab's charts, where they are not imported yet."""
    for name in ("wandb", "wandb_swan"):
        spec = None if name in sys.modules else find_spec(name)
        if spec is None or spec.submodule_search_locations is None:
            continue
        package = Deferred(name, None)
        package.__dict__.update(
            __spec__=spec,
            __loader__=spec.loader,
            __file__=spec.origin,
            __package__=name,
            __path__=spec.submodule_search_locations,
        )
        sys.modules[name] = package
    with suppress(ImportError):  # no wandb_swan, or an older one
        from wandb_swan.swan.sdk.deferred import put_off_charts

        put_off_charts()


def begin_worker() -> None:
    """Begins a process that works for a command: Ctrl-C is for the command, and so is the processor."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(10)
    defer()


def main() -> None:
    """Runs the command line."""
    defer()
    if any(find_spec(name) is None for name in ("click", "rich", "tenacity", "pydantic_settings", "swanlab")):
        from wandb_swan.sidecar import main as elsewhere  # `pip install --no-deps`

        sys.exit(elsewhere(sys.argv[1:]))
    from wandb_swan.__main__ import main as command_line

    command_line(prog_name="wandb-swan")
