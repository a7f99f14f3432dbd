"""A page that shows everything that SwanLab's stores on disk hold of runs, and, beside wandb's logs, what differs."""
