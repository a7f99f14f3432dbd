"""SwanLab without what few runs need, until one does: its charts (pyecharts, jinja2 and more, a sixth of its import),
the names of NVIDIA's library (2 MB), and what guesses the charset of an answer (1.5 MB).

SwanLab 0.10 imports its charts for two classes that it asks each value for (`builder/__init__.py`: `_EchartsType`).
Where it keeps them elsewhere, nothing is put off.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from ...versions import installed

_CHARTS = "swanlab.sdk.internal.run.transforms.echarts.components"
_PLOTS = "swanlab.sdk.internal.run.transforms.plot"
_GPUS = "pynvml"
_CHARSETS = "charset_normalizer"
_loading = threading.RLock()


class _Kind(type):
    """The type of a stand-in for a chart class: what has nothing of pyecharts is no instance of it."""

    def __instancecheck__(cls, value: object) -> bool:
        if not any(kind.__module__.startswith("pyecharts.") for kind in type(value).__mro__):
            return False
        return isinstance(value, getattr(_loaded(_CHARTS), cls.__name__))

    def __call__(cls, *given: Any, **named: Any) -> Any:
        return getattr(_loaded(_CHARTS), cls.__name__)(*given, **named)


class _NoGPUs(Exception):
    """What `nvmlInit` raises where NVIDIA's library is not there."""


def _nvml_init() -> None:
    import ctypes  # here: commands that answer at once have no need of it

    try:
        ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        raise _NoGPUs from None
    _loaded(_GPUS).nvmlInit()


_STAND_INS: dict[str, Callable[[], dict[str, Any]]] = {
    _CHARTS: lambda: {name: _Kind(name, (), {}) for name in ("Base", "Table")},
    _CHARSETS: lambda: {"__version__": installed("charset-normalizer")},  # which requests looks at
}
"""Module -> the names that it answers without its own code."""
if sys.platform == "linux":
    _STAND_INS[_GPUS] = lambda: {"NVMLError": _NoGPUs, "nvmlInit": _nvml_init}


class _StandIn(ModuleType):
    """A module that runs its own code when it is asked for something else than a few names."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        module = _loaded(self.__name__)
        try:
            return module.__dict__[name]
        except KeyError:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}") from None


def _loaded(name: str) -> ModuleType:
    module = sys.modules[name]
    if isinstance(module, _StandIn):
        with _loading:  # another thread may ask meanwhile: until the end, what the module has not yet is waited for
            later = module.__dict__.pop("_later", None)
            if later is not None:
                later.loader.exec_module(module)
                module.__class__ = ModuleType  # type: ignore[assignment]
    return module


class _Later(Loader):
    """Loads a stand-in; `loader` loads the module itself."""

    def __init__(self, loader: Loader, answers: dict[str, Any]) -> None:
        self.loader, self.answers = loader, answers

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _StandIn(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__.update(self.answers, _later=self)


class _Finder(MetaPathFinder):
    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        if name not in _STAND_INS and name != _PLOTS:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader) if name == _PLOTS else _Later(spec.loader, _STAND_INS[name]())
        return spec


def put_off_charts() -> None:
    """And the rest. To be called before SwanLab is imported; else it does nothing."""
    if "swanlab" not in sys.modules:
        sys.meta_path.insert(0, _Finder())


def load_what_is_needed_here() -> None:
    """For processes that many are forked from: what each of them would load on this machine."""
    if _GPUS in _STAND_INS and Path("/dev/nvidiactl").exists():
        with suppress(ImportError):
            import_module(_GPUS)
            _loaded(_GPUS)
