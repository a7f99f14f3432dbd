"""Accelerate with its tracker.

WANDB_SWAN=1 python accelerate_tracker.py
"""

import torch
from accelerate import Accelerator

accelerator = Accelerator(log_with="wandb", cpu=True)
accelerator.init_trackers("accelerate", config={"lr": 0.1, "epochs": 2}, init_kwargs={"wandb": {"tags": ["tiny"]}})
model = torch.nn.Linear(2, 1)
model, optimizer = accelerator.prepare(model, torch.optim.SGD(model.parameters(), 0.1))
for step in range(5):
    loss = model(torch.ones(3, 2)).pow(2).mean()
    accelerator.backward(loss)
    optimizer.step()
    optimizer.zero_grad()
    accelerator.log({"loss": loss.item(), "phase": "train"}, step=step)
accelerator.end_training()
