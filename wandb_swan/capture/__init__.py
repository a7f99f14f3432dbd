"""Live side, inside the training process: tap wandb's records, append them to a journal, start the mirror."""

from .tap import install, installed, join_running, overrides, switched_off, uninstall

__all__ = ["install", "installed", "join_running", "overrides", "switched_off", "uninstall"]
