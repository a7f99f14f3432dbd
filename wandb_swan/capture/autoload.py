"""Taps wandb in a program that nobody edited: run at Python's start by `wandb_swan.pth` where WANDB_SWAN is set.

Loaded from its file, as `_wandb_swan_autoload`, because importing the package would import wandb; once, though Python
reads the `.pth` files of a virtual environment twice.
"""

from __future__ import annotations

import contextlib
import os
import sys
from importlib.machinery import ModuleSpec
from typing import Any

STARTED_IN = ""
"""The working directory at Python's start; "" where there is none."""
with contextlib.suppress(OSError):
    STARTED_IN = os.getcwd()  # noqa: PTH109  (pathlib is not loaded yet)


def activate() -> None:
    """Has wandb tapped as soon as it has been imported, by whomever. Never raises."""
    if os.environ.get("WANDB_SWAN", "").strip().lower() in {"", "0", "false", "off", "no", "f", "n"}:
        return
    if "wandb" in sys.modules:
        _tap()
    else:
        sys.meta_path.insert(0, _WandbImport())


def _tap() -> None:
    try:
        from wandb_swan.capture import install

        install()
    except Exception as error:
        print(f"wandb_swan: not active, wandb works alone ({type(error).__name__}: {error})", file=sys.stderr)


class _WandbImport:
    """Sees the import of wandb, leaves it to the other finders, and taps wandb when it has run."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if fullname != "wandb":
            return None
        for finder in sys.meta_path[sys.meta_path.index(self) + 1 :]:
            find = getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = find(fullname, path, target) if find else None
            if spec is not None:
                self._follow(spec.loader)
                return spec
        return None

    def _follow(self, loader: Any) -> None:
        def exec_module(module: Any) -> None:
            del loader.exec_module  # wandb keeps the loader it would have had
            loader.exec_module(module)
            if self in sys.meta_path:
                sys.meta_path.remove(self)
            _tap()

        try:
            loader.exec_module = exec_module
        except AttributeError as error:
            print(f"wandb_swan: not active, wandb works alone ({error})", file=sys.stderr)
