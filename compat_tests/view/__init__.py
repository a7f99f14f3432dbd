"""The page of `wandb-swan view`, in real headless Chromium."""
