"""The runs of the past: from W&B's cloud and from local `wandb/` folders into SwanLab, whole."""

from .converter import WandbConverter, WandbLocalConverter

__all__ = ["WandbConverter", "WandbLocalConverter"]
