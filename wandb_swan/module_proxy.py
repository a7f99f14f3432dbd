"""Makes a module show the names of wandb: looked up whenever they are asked for, its submodules the same objects."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

import wandb

_WANDBS = frozenset(vars(wandb))
"""The names that wandb had when it was imported: a mock deletes one before it sets it back."""


class Surface(ModuleType):
    """The module `wandb_swan`: what it does not define itself is read from, set on and deleted from wandb."""

    @property
    def init(self) -> Any:
        """Ours, as long as nobody replaced wandb's: a mock of either name is seen under both."""
        ours = self.__dict__["_init"]
        return ours if wandb.init is ours.__wrapped__ else wandb.init

    def __getattr__(self, name: str) -> Any:
        try:
            return getattr(wandb, name)
        except AttributeError as error:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}") from error

    def __setattr__(self, name: str, value: Any) -> None:
        own_module = isinstance(value, ModuleType) and value.__name__ == f"{self.__name__}.{name}"
        identity = name.startswith("__") and name not in _WANDBS  # `__version__` is wandb's
        if own_module or identity or name in self.__dict__:
            super().__setattr__(name, value)
        elif value is self.__dict__["_init"]:
            wandb.init = value.__wrapped__
        else:
            setattr(wandb, name, value)

    def __delattr__(self, name: str) -> None:
        if name in self.__dict__:
            super().__delattr__(name)
        else:
            delattr(wandb, name)

    def __dir__(self) -> list[str]:
        return sorted({*self.__dict__, *dir(wandb)})

    def __reduce__(self) -> tuple[Any, ...]:
        # cloudpickle knows modules by their exact type; functions that use us as a global must reach its workers.
        return importlib.import_module, (self.__name__,)


class SubmoduleFinder(MetaPathFinder, Loader):
    """Imports `wandb_swan.x.y` as wandb's module `wandb.x.y`, unless `wandb_swan.x` is a module of our own.

    Asked first: `wandb_swan.sdk` is wandb's package, and Python would load a second copy of what lies in its folder.
    """

    def __init__(self, package: str) -> None:
        self._package = package

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        parent, _, name = fullname.rpartition(".")
        if not f"{parent}.".startswith(f"{self._package}.") or parent not in sys.modules:
            return None
        above = sys.modules[parent].__name__
        if above == self._package:
            ours = PathFinder.find_spec(fullname, path)
            above = "wandb" if ours is None or ours.loader is None else above  # no loader: a folder without code
        theirs = f"{above}.{name}"
        if above.startswith(self._package) or (theirs not in sys.modules and importlib.util.find_spec(theirs) is None):
            return None
        return ModuleSpec(fullname, self, loader_state=theirs)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(spec.loader_state)
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to run: the module is wandb's, and keeps wandb's spec, which the import system has just replaced."""
        if module.__spec__ is not None and module.__spec__.loader is self:
            module.__spec__ = module.__spec__.loader_state


def cover(package: str) -> None:
    """Makes the imported module `package` be wandb; again (a reload) is harmless."""
    sys.modules[package].__class__ = Surface
    if not any(isinstance(finder, SubmoduleFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, SubmoduleFinder(package))
