"""wandb's media become SwanLab's."""
