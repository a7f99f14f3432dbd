"""Drop-in replacement for wandb that records every run in SwanLab as well: `import wandb_swan as wandb`.

Every name of wandb is here, the same object; ours are `init` (wandb's, with SwanLab's switches), `sync_wandb` and
`__swan_version__`.
"""

from __future__ import annotations

import functools as _functools
import inspect as _inspect
from typing import Any as _Any

import wandb as _wandb

from . import capture as _capture
from . import module_proxy as _module_proxy
from .versions import installed as _installed

__swan_version__ = _installed("wandb-swan")

if not _capture.switched_off():
    _capture.install()  # first: it may undo what SwanLab has made of `wandb.init`


@_functools.wraps(_wandb.init)
def _init(
    *args: _Any,
    wandb_run: bool | None = None,
    swanlab_mode: str | None = None,
    swanlab_project: str | None = None,
    swanlab_workspace: str | None = None,
    swanlab_log_dir: str | None = None,
    swanlab_python: str | None = None,
    keep_wandb: bool | None = None,
    **kwargs: _Any,
) -> _Any:
    given = {
        "wandb_run": wandb_run,
        "mode": swanlab_mode,
        "project": swanlab_project,
        "workspace": swanlab_workspace,
        "log_dir": swanlab_log_dir,
        "python": swanlab_python,
        "keep_wandb": keep_wandb,
    }
    with _capture.overrides(**{name: value for name, value in given.items() if value is not None}):
        return _init.__wrapped__(*args, **kwargs)


def sync_wandb(
    mode: str | None = None,
    wandb_run: bool | None = None,
    workspace: str | None = None,
    log_dir: str | None = None,
    *,
    python: str | None = None,
) -> None:
    """Mirrors every wandb run of this process; for scripts that keep `import wandb`.

    A run that goes on already is mirrored from here on; what it logged before is taken from wandb's own log.

    The signature of `swanlab.sync_wandb`. What is not given comes from the environment; `WANDB_SWAN=0` makes it do
    nothing.

    Args:
        mode: online (or cloud), local, offline, disabled.
        wandb_run: False: nothing is uploaded to W&B, the real runs are made with `mode="offline"`.
        workspace: SwanLab workspace.
        log_dir: SwanLab's log directory; `swanlog` where the program was started if not given.
        python: The Python whose environment holds the mirror.
    """
    if not _capture.switched_off():
        given = {
            "mode": mode,
            "wandb_run": wandb_run,
            "workspace": workspace,
            "log_dir": log_dir,
            "python": python,
        }
        _capture.install(**given)
        _capture.join_running(**given)


_theirs = _inspect.signature(_wandb.init)
_init.__module__ = __name__  # pickled by this name
_init.__signature__ = _theirs.replace(  # type: ignore[attr-defined]
    parameters=[
        *_theirs.parameters.values(),
        *(p for p in _inspect.signature(_init, follow_wrapped=False).parameters.values() if p.kind is p.KEYWORD_ONLY),
    ]
)
_init.__doc__ = f"""{(_inspect.getdoc(_wandb.init) or "").rstrip()}

Besides these, for the run in SwanLab (none of them is passed to wandb):
    wandb_run: False: nothing is uploaded to W&B, the real run is made with `mode="offline"`.
    swanlab_mode: online (or cloud), local, offline, disabled.
    swanlab_project: SwanLab project; the wandb project if not given.
    swanlab_workspace: SwanLab workspace.
    swanlab_log_dir: SwanLab's log directory; `swanlog` where the program was started if not given.
    swanlab_python: The Python whose environment holds the mirror.
    keep_wandb: False, with `wandb_run=False`: W&B's own folder of the run is removed once SwanLab has all of it.
"""
_module_proxy.cover(__name__)
