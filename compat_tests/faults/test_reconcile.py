"""Rows that never pass the tap, and the check against wandb's own log."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from compat_tests.faults.conftest import Train, assert_whole, until
from compat_tests.servers.swanlab_cloud import SwanLabCloud

Check = Callable[..., None]

CHILD = """
import multiprocessing
def work(run):
    run.log({"child": 1.0})
if __name__ == "__main__":
    run = wandb.init(project="p", id="r1")
    run.log({"loss": 0.0})
    gate("middle")
    child = multiprocessing.get_context("spawn").Process(target=work, args=(run,))
    child.start()
    child.join()
    run.log({"loss": 1.0})
    gate("end")
    run.finish()
"""

TENSORBOARD = """
from {module} import SummaryWriter
run = wandb.init(project="p", id="r1", sync_tensorboard=True)
writer = SummaryWriter("tb")
for step in range(30):
    writer.add_scalar("loss", step / 4, step)
    writer.add_scalar("val/acc", step / 8, step)
writer.close()
time.sleep(1)
run.finish()
print("done")
"""


@pytest.mark.fault(
    "`sync_tensorboard=True`, with tensorboardX and torch",
    "equal stores: wandb's core makes these rows, they come from its log",
)
@pytest.mark.parametrize("module", ["tensorboardX", "torch.utils.tensorboard"])
def test_tensorboard_rows_arrive(train: Train, unharmed: Check, module: str) -> None:
    pytest.importorskip("tensorboard")
    pytest.importorskip(module.partition(".")[0])
    training = train(TENSORBOARD.format(module=module), gates=False).end().mirrored()
    swan = assert_whole(training)
    assert len(swan.scalars["loss"]) == 30
    assert {swan.columns[key].x_axis for key in ("loss", "val/acc")} == {"global_step"}
    check = training.statuses[0]["self_check"]
    assert check["differences"] == 0
    assert check["log_read_to_its_end"]
    assert check["rows_added_from_log"] >= 30


@pytest.mark.fault(
    "Nothing: the self-check",
    "rows compared and differences are in the status file",
)
def test_the_self_check_is_in_the_status(train: Train, unharmed: Check) -> None:
    training = train(gates=False).end().mirrored()
    unharmed(training)
    check = training.statuses[0]["self_check"]
    assert (check["rows_compared"], check["differences"], check["rows_added_from_log"]) == (62, 0, 0)
    assert "self-check" not in training.said[-1]


@pytest.mark.fault(
    "A spawned child logs to a run that is mirrored online",
    "what SwanLab has at another step than wandb is counted in the finish line (offline runs are made anew)",
)
def test_a_difference_is_told_in_the_finish_line(train: Train, cloud: SwanLabCloud) -> None:
    training = train(CHILD, **cloud.env())
    training.at("middle")
    until(lambda: cloud.experiments and cloud.experiment("r1").metrics)
    training.at("end")
    until(lambda: len(cloud.experiment("r1").metrics["loss"]) > 1)
    training.end().mirrored()
    assert training.statuses[0]["self_check"]["differences"]
    assert "values are not those of wandb's log" in training.said[-1]
    assert "Traceback" not in training.log()
