"""Drop-in replacement for wandb that records every run in SwanLab as well: `import wandb_swan as wandb`.

Every name of wandb is here, the same object; ours are `init` (wandb's, with SwanLab's switches), `sync_wandb` and
`__swan_version__`.
"""

from __future__ import annotations

import functools as _functools
import inspect as _inspect
import sys as _sys
import types as _types
from importlib.metadata import version as _version
from typing import Any as _Any

import wandb as _wandb

from . import capture as _capture

__swan_version__ = _version("wandb-swan")
__version__ = _wandb.__version__

_SWITCHES = ("wandb_run", "swanlab_mode", "swanlab_project", "swanlab_workspace", "swanlab_log_dir")


@_functools.wraps(_wandb.init)
def init(
    *args: _Any,
    wandb_run: bool | None = None,
    swanlab_mode: str | None = None,
    swanlab_project: str | None = None,
    swanlab_workspace: str | None = None,
    swanlab_log_dir: str | None = None,
    **kwargs: _Any,
) -> _Any:
    """Starts a run in wandb and in SwanLab: `wandb.init`, its arguments, result and errors, and these besides.

    Args:
        wandb_run: False: nothing is uploaded to W&B, the real run is made with `mode="offline"`.
        swanlab_mode: online (or cloud), local, offline, disabled.
        swanlab_project: SwanLab project; the wandb project if not given.
        swanlab_workspace: SwanLab workspace.
        swanlab_log_dir: SwanLab's log directory.
        args: as in `wandb.init`.
        kwargs: as in `wandb.init`.
    """
    given = {
        "wandb_run": wandb_run,
        "mode": swanlab_mode,
        "project": swanlab_project,
        "workspace": swanlab_workspace,
        "log_dir": swanlab_log_dir,
    }
    with _capture.overrides(**{name: value for name, value in given.items() if value is not None}):
        return _wandb.init(*args, **kwargs)


def sync_wandb(
    mode: str | None = None,
    wandb_run: bool | None = None,
    workspace: str | None = None,
    log_dir: str | None = None,
) -> None:
    """Mirrors every later wandb run of this process; for scripts that keep `import wandb`.

    The signature of `swanlab.sync_wandb`. What is not given comes from the environment.
    """
    if not _capture.switched_off():
        _capture.install(mode=mode, wandb_run=wandb_run, workspace=workspace, log_dir=log_dir)


class _Surface(_types.ModuleType):
    """wandb's names as they are at the moment of asking: `run`, `config` and `log` change with every init."""

    def __getattr__(self, name: str) -> _Any:
        try:
            return getattr(_wandb, name)
        except AttributeError as error:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}") from error

    def __setattr__(self, name: str, value: _Any) -> None:
        ours = name.startswith("__") or name in self.__dict__
        if ours or (isinstance(value, _types.ModuleType) and value.__name__ == f"{self.__name__}.{name}"):
            super().__setattr__(name, value)
        else:
            setattr(_wandb, name, value)

    def __delattr__(self, name: str) -> None:
        if name in self.__dict__:
            super().__delattr__(name)
        else:
            delattr(_wandb, name)

    def __dir__(self) -> list[str]:
        return sorted({*self.__dict__, *dir(_wandb)})


_signature = _inspect.signature(_wandb.init)
init.__signature__ = _signature.replace(  # type: ignore[attr-defined]
    parameters=[
        *_signature.parameters.values(),
        *(p for p in _inspect.signature(init, follow_wrapped=False).parameters.values() if p.name in _SWITCHES),
    ]
)
_sys.modules[__name__].__class__ = _Surface
if not _capture.switched_off():
    _capture.install()
