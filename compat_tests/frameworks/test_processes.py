"""Training in several processes: torchrun, spawn, fork."""

from __future__ import annotations

import sys

import pytest

from compat_tests.frameworks.conftest import Train, assert_same_run, needs, only_run

pytestmark = [pytest.mark.frameworks, pytest.mark.live]

TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
DDP = """
import os, sys
import torch, torch.distributed as dist
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
"""


@pytest.mark.parametrize(
    "python", [TORCHRUN, ("-m", "wandb_swan", "run", "--", sys.executable, *TORCHRUN)], ids=["WANDB_SWAN", "wandb-swan"]
)
def test_rank_0_logs(train: Train, python: tuple[str, ...]) -> None:
    needs("torch")
    wandb, swan = only_run(train(DDP, "first", python=python, WANDB_SWAN=None if "run" in python else "1"))
    assert len(wandb.rows) == 5
    assert swan.config["rank"] == 0


def test_all_ranks_log(train: Train) -> None:
    needs("torch")
    pairs = train(DDP, "all", python=TORCHRUN).pairs()
    assert sorted(pairs) == ["rank0", "rank1"]
    for rank, (wandb, swan) in enumerate(pairs[name] for name in sorted(pairs)):
        assert_same_run(wandb, swan)
        assert swan.state == "finished"
        assert set(swan.scalars["rank"].values()) == {rank}
        assert swan.start.group == "job-7"


CHILDREN = """
import multiprocessing, sys, wandb

def own(n):
    with wandb.init(project="children", group="own", id=f"child{n}") as run:
        for i in range(4):
            run.log({"n": n, "i": i})

def shared(run, n):
    for i in range(4):
        run.log({f"child{n}": i})

if __name__ == "__main__":
    method, kind = sys.argv[1:]
    context = multiprocessing.get_context(method)
    with wandb.init(project="children", id="parent", config={"method": method}) as run:
        run.log({"parent": 0})
        for n in range(2):
            child = context.Process(target=own, args=(n,)) if kind == "own" else context.Process(
                target=shared, args=(run, n))
            child.start()
            child.join()
            assert child.exitcode == 0
        run.log({"parent": 1})
"""


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_children_with_runs_of_their_own(train: Train, method: str) -> None:
    pairs = train(CHILDREN, method, "own").pairs()
    assert sorted(pairs) == ["child0", "child1", "parent"]
    for name, (wandb, swan) in pairs.items():
        assert_same_run(wandb, swan)
        assert len(wandb.rows) == (2 if name == "parent" else 4)
        assert swan.state == "finished"


@pytest.mark.reconcile
@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_children_that_log_to_the_parents_run(train: Train, method: str) -> None:
    """Their rows reach wandb's core, not the parent's tap: only wandb's own log holds them."""
    wandb, swan = only_run(train(CHILDREN, method, "shared"))
    assert len(wandb.rows) == 10
    assert swan.scalars["child1"] and swan.scalars["parent"]
