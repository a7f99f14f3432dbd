"""SwanLab without its charts, until one is drawn: they bring pyecharts, jinja2 and more, a sixth of its import.

SwanLab 0.10 imports them for two classes that it asks each value for (`builder/__init__.py`: `_EchartsType`). Where it
keeps them elsewhere, nothing is put off.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType
from typing import Any

_CHARTS = "swanlab.sdk.internal.run.transforms.echarts.components"
_PLOTS = "swanlab.sdk.internal.run.transforms.plot"
_ASKED_FOR = ("Base", "Table")
_loading = threading.RLock()


class _Kind(type):
    """The type of a stand-in for a chart class: what has nothing of pyecharts is no instance of it."""

    def __instancecheck__(cls, value: object) -> bool:
        if not any(kind.__module__.startswith("pyecharts.") for kind in type(value).__mro__):
            return False
        return isinstance(value, getattr(_loaded(), cls.__name__))

    def __call__(cls, *given: Any, **named: Any) -> Any:
        return getattr(_loaded(), cls.__name__)(*given, **named)


class _Charts(ModuleType):
    """SwanLab's module of charts, which runs its own code when it is asked for something else than the two classes."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(_loaded(), name)


def _loaded() -> Any:
    with _loading:  # SwanLab asks in a thread of its own
        module = sys.modules[_CHARTS]
        if isinstance(module, _Charts):
            loader = module.__dict__.pop("_loader")
            for name in _ASKED_FOR:
                delattr(module, name)
            module.__class__ = ModuleType  # type: ignore[assignment]
            loader.exec_module(module)
        return module


class _Finder(MetaPathFinder, Loader):
    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        if name not in (_CHARTS, _PLOTS):
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            if name == _PLOTS:
                spec.loader = LazyLoader(spec.loader)
            else:
                self._loader, spec.loader = spec.loader, self
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Charts(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__.update({kind: _Kind(kind, (), {}) for kind in _ASKED_FOR}, _loader=self._loader)


def put_off_charts() -> None:
    """To be called before SwanLab is imported; else it does nothing."""
    if "swanlab" not in sys.modules:
        sys.meta_path.insert(0, _Finder())
