"""Live side, inside the training process: tap wandb's records, append them to a journal, start the mirror."""

from .live import join_running, overrides, switched_off
from .tap import follow_peer, install, installed, uninstall

__all__ = ["follow_peer", "install", "installed", "join_running", "overrides", "switched_off", "uninstall"]
