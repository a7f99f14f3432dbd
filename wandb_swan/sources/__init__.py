"""Runs of the past as events: from local `wandb/` folders and from W&B's cloud."""
