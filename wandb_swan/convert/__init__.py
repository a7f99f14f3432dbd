"""The runs of the past: from W&B's cloud and from local `wandb/` folders into SwanLab, whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .converter import WandbConverter, WandbLocalConverter

__all__ = ["WandbConverter", "WandbLocalConverter"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import converter  # late: a worker process needs neither it nor what it imports

    return getattr(converter, name)
