"""Taps wandb in a program that nobody edited: run at Python's start by `wandb_swan.pth` where WANDB_SWAN is set.

Any Python can read this. Loaded from its file, as `_wandb_swan_autoload`, because importing the package would import
wandb; once, though Python reads the `.pth` files of a virtual environment twice.
"""

import contextlib
import os
import sys
from importlib.machinery import ModuleSpec
from typing import Any, Callable, Optional

STARTED_IN = ""
"""The working directory at Python's start; "" where there is none."""
with contextlib.suppress(OSError):
    STARTED_IN = os.getcwd()  # noqa: PTH109  (pathlib is not loaded yet)
PEER = "swanlab.converter.wb.sync"
"""The module of SwanLab's own `sync_wandb` (0.10)."""
KEPT = "_wandb_swan_kept"
"""The attribute of that function that keeps its own code and defaults."""


def activate() -> None:
    """Has wandb tapped as soon as it has been imported, by whomever. Never raises."""
    if os.environ.get("WANDB_SWAN", "").strip().lower() in {"", "0", "false", "off", "no", "f", "n"}:
        return
    if "wandb" in sys.modules:
        _tap(None)
        return
    when_imported("wandb", _tap)
    when_imported(PEER, take_over)  # it imports wandb when it is called, which is too late


def _tap(_: Any) -> None:
    try:
        if sys.version_info < (3, 8):
            raise RuntimeError("Python {}.{} is below 3.8".format(*sys.version_info))
        from wandb_swan.capture import install

        install()
    except ModuleNotFoundError as error:  # `wandb-swan run` of another Python
        what = f"no module {error.name} for {sys.executable}; type `{sys.executable} -m pip install wandb-swan`"
        print(f"wandb_swan: not active, wandb works alone ({what})", file=sys.stderr)
    except Exception as error:
        print(f"wandb_swan: not active, wandb works alone ({type(error).__name__}: {error})", file=sys.stderr)


def _sync_wandb(mode=None, wandb_run=None, workspace=None, log_dir=None):  # type: ignore[no-untyped-def]
    import wandb_swan

    wandb_swan.capture.follow_peer(mode=mode, wandb_run=wandb_run, workspace=workspace, log_dir=log_dir)


def take_over(module: Any) -> None:
    """Makes SwanLab's `sync_wandb` do ours, under every name that it has been imported by; again is harmless.

    Else both would record: it logs what it takes of `wandb.log()` into a SwanLab run of its own. Never raises.
    """
    try:
        theirs = module.sync_wandb
        if not hasattr(theirs, KEPT):
            setattr(theirs, KEPT, (theirs.__code__, theirs.__defaults__))
            theirs.__code__, theirs.__defaults__ = _sync_wandb.__code__, _sync_wandb.__defaults__
    except Exception as error:
        what = "swanlab.sync_wandb() is not taken over, SwanLab may have values twice"
        print(f"wandb_swan: {what} ({type(error).__name__}: {error})", file=sys.stderr)


def when_imported(name: str, then: Callable[[Any], None]) -> None:
    """Calls `then` with a module as soon as it has been imported, by whomever."""
    sys.meta_path.insert(0, AwaitedImport(name, then))


class AwaitedImport:
    """Sees the import of one module, leaves it to the other finders, and says when it has run."""

    def __init__(self, name: str, then: Callable[[Any], None]) -> None:
        self.name = name
        self._then = then

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Optional[ModuleSpec]:
        if fullname != self.name:
            return None
        for finder in sys.meta_path[sys.meta_path.index(self) + 1 :]:
            find = getattr(finder, "find_spec", None)
            spec: Optional[ModuleSpec] = find(fullname, path, target) if find else None
            if spec is not None:
                self._follow(spec.loader)
                return spec
        return None

    def _follow(self, loader: Any) -> None:
        def exec_module(module: Any) -> None:
            del loader.exec_module  # the module keeps the loader it would have had
            loader.exec_module(module)
            if self in sys.meta_path:
                sys.meta_path.remove(self)
            self._then(module)

        try:
            loader.exec_module = exec_module
        except AttributeError as error:
            print(f"wandb_swan: {self.name} is not followed, wandb works alone ({error})", file=sys.stderr)
