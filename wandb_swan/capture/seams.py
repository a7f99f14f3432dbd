"""Where wandb is tapped, by its version; read from its source, 0.13 to 0.31.

- `InterfaceSock._publish`: every published record. Up to 0.20 also those that expect an answer.
- `InterfaceSock._deliver` (0.21) or `InterfaceSock.deliver_async` (from 0.22): records that expect an answer.
- `InterfaceQueue`, up to 0.19.1 in the place of `InterfaceSock` where wandb has no service: WANDB_DISABLE_SERVICE is
  set, or the first run of the process was a disabled one. It does not know its stream.
- `InterfaceSock.deliver_run_start(run)`: called once, in the thread of `wandb.init`, when the run exists. Up to 0.18 it
  is given the run's record.
- `Run._finish`: after it, wandb's own transaction log is whole.
- `ServiceConnection.teardown` (from 0.18): ends every run that nobody finished, at interpreter exit or in
  `wandb.teardown()`; wandb's core then writes the exit by itself. Up to 0.17 it is `_Manager._inform_teardown`, and
  `_Service.join` waits for that.
- `_WandbInit.maybe_login`, up to 0.19.1 `_WandbInit.setup`: the first place that sees the mode; used for
  `wandb_run=False` alone.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from typing import Any

OLDEST = (0, 13)
"""The lowest series of wandb that is tapped: before it a run has no service, and other classes."""

_CONNECTIONS = (
    ("wandb.sdk.lib.service.service_connection", "ServiceConnection"),  # from 0.21
    ("wandb.sdk.lib.service_connection", "ServiceConnection"),  # 0.18 to 0.20
)


def interface() -> type:
    """What runs publish their records through."""
    import wandb

    assert wandb.sdk  # a name of its own, first: the command line puts wandb's code off until one is asked for
    from wandb.sdk.interface.interface_sock import InterfaceSock

    found: type = InterfaceSock
    return found


def queue() -> type | None:
    """What runs without a service publish through; None where there are no such runs."""
    with contextlib.suppress(ImportError, AttributeError):
        found: type = importlib.import_module("wandb.sdk.backend.backend").InterfaceQueue
        return found
    return None


def stream_of_queue(publisher: Any) -> str | None:
    """What `InterfaceSock` calls `_stream_id`: the id of the run, once that is there."""
    return getattr(getattr(publisher._run, "_settings", None), "run_id", None)


def answered(publisher: type) -> str | None:
    """The method for records that expect an answer, None where they are published like all others."""
    if hasattr(publisher, "deliver_async"):
        return "deliver_async"
    return "_deliver" if "_deliver" in publisher.__dict__ else None


def run_class() -> type:
    from wandb.sdk.wandb_run import Run

    found: type = Run
    return found


def connection() -> type | None:
    """What ends wandb's service, up to 0.17 None: then see `old_teardown`."""
    for module, name in _CONNECTIONS:
        with contextlib.suppress(ImportError, AttributeError):
            found: type = getattr(importlib.import_module(module), name)
            return found
    return None


def old_teardown() -> tuple[type, type]:
    """Up to 0.17: what tells the service to end its runs, and what waits for it."""
    manager = importlib.import_module("wandb.sdk.wandb_manager")
    service = importlib.import_module("wandb.sdk.service.service")
    return manager._Manager, service._Service


def login() -> tuple[type, str]:
    """Class and method of the place that sees a run's settings before anything is asked of W&B."""
    from wandb.sdk.wandb_init import _WandbInit

    return _WandbInit, "maybe_login" if hasattr(_WandbInit, "maybe_login") else "setup"


def run_of(publisher: Any, given: Any) -> Any:
    """The run that starts: what `deliver_run_start` is given, or the one whose record that is."""
    return given if hasattr(given, "_settings") else publisher._run


def stay_offline(init: Any, given: Any) -> None:
    """Makes the run that `init`, wandb's, prepares an offline one; a disabled run stays disabled.

    `given` is what `login()` is given first: settings, or up to 0.18 a dict of arguments.
    """
    if isinstance(given, dict):
        if not _is_disabled(given):
            given["mode"] = "offline"
        return
    import wandb

    lib = getattr(init, "_wl", None)  # not there yet where `setup` makes it
    merged = lib.settings.model_copy() if lib is not None else wandb.Settings()
    if lib is None:
        merged.update_from_env_vars(os.environ)
    merged.update_from_settings(given)
    if not merged._noop:
        given.mode = "offline"


def seems_disabled(given: Any) -> bool:
    """Whether a run that is prepared will be a disabled one, as far as that is seen at once; `given` as in
    `stay_offline`."""
    mode = given.get("mode") if isinstance(given, dict) else getattr(given, "mode", None)
    return bool((mode or os.environ.get("WANDB_MODE")) == "disabled")


def _is_disabled(arguments: Any) -> bool:
    """Whether a run is disabled, by what wandb 0.13 to 0.18 will make of the arguments of `init`."""
    import wandb

    settings = arguments.get("settings") or {}
    of_settings = settings.get("mode") if isinstance(settings, dict) else getattr(settings, "mode", None)
    if arguments.get("mode") or of_settings:
        return "disabled" in (arguments.get("mode"), of_settings)
    merged: Any = wandb.Settings()
    merged._apply_config_files()
    merged._apply_env_vars(os.environ)
    return bool(merged.mode == "disabled")


def python_core(run: Any) -> bool:
    """Whether rows get their steps from wandb's Python core: up to 0.17, and later where it is asked for."""
    from wandb import env

    without_service = queue()
    if without_service is not None and isinstance(getattr(run._backend, "interface", None), without_service):
        return True
    legacy = getattr(env, "is_require_legacy_service", None)  # 0.17 to 0.20
    if legacy is not None and legacy():
        return True
    core = getattr(env, "is_require_core", None)  # 0.15 to 0.17: wandb.require("core")
    return connection() is None and not (core is not None and core())
