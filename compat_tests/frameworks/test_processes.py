"""Training in several processes: torchrun, spawn, fork."""

from __future__ import annotations

import sys

import pytest

from compat_tests.frameworks.conftest import Train, assert_same_run, example, needs, only_run

pytestmark = [pytest.mark.frameworks, pytest.mark.live]

TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


@pytest.mark.parametrize(
    "python", [TORCHRUN, ("-m", "wandb_swan", "run", "--", sys.executable, *TORCHRUN)], ids=["WANDB_SWAN", "wandb-swan"]
)
def test_rank_0_logs(train: Train, python: tuple[str, ...]) -> None:
    needs("torch")
    wandb, swan = only_run(
        train(example("torchrun_ddp"), "first", python=python, WANDB_SWAN=None if "run" in python else "1")
    )
    assert len(wandb.rows) == 5
    assert swan.config["rank"] == 0


def test_all_ranks_log(train: Train) -> None:
    needs("torch")
    pairs = train(example("torchrun_ddp"), "all", python=TORCHRUN).pairs()
    assert sorted(pairs) == ["rank0", "rank1"]
    for rank, (wandb, swan) in enumerate(pairs[name] for name in sorted(pairs)):
        assert_same_run(wandb, swan)
        assert swan.state == "finished"
        assert set(swan.scalars["rank"].values()) == {rank}
        assert swan.start.group == "job-7"


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_children_with_runs_of_their_own(train: Train, method: str) -> None:
    pairs = train(example("multiprocessing_children"), method, "own").pairs()
    assert sorted(pairs) == ["child0", "child1", "parent"]
    for name, (wandb, swan) in pairs.items():
        assert_same_run(wandb, swan)
        assert len(wandb.rows) == (2 if name == "parent" else 4)
        assert swan.state == "finished"


@pytest.mark.reconcile
@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_children_that_log_to_the_parents_run(train: Train, method: str) -> None:
    """Their rows reach wandb's core, not the parent's tap: only wandb's own log holds them."""
    wandb, swan = only_run(train(example("multiprocessing_children"), method, "shared"))
    assert len(wandb.rows) == 10
    assert swan.scalars["child1"] and swan.scalars["parent"]
