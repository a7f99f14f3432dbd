"""torchrun: rank 0 logs, or each rank has a run of its own.

WANDB_SWAN=1 torchrun --nproc-per-node 2 torchrun_ddp.py [first | all]
"""

import sys

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
model = DistributedDataParallel(torch.nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), 0.1)
all_ranks = sys.argv[1] == "all"
run = None
if all_ranks or rank == 0:
    import wandb

    run = wandb.init(project="ddp", group="job-7", name=f"rank-{rank}", id=f"rank{rank}", config={"rank": rank})
for step in range(5):
    loss = model(torch.full((2, 4), float(rank + 1))).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if run:
        run.log({"loss": loss.item(), "rank": rank}, step=step)
if run:
    run.finish()
dist.destroy_process_group()
