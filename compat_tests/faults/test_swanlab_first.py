"""`swanlab.init()` came first: wandb's data goes to that run, in the same process."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from compat_tests.faults.conftest import Train
from compat_tests.stores import SwanStore, WandbStore, assert_same_values

BODY = """
run = wandb.init(project="theirs", id="r1", name="other", config={"lr": 0.1})
for i in range(20):
    run.log({"loss": i / 3, "deep": {"a": i}})
run.log({"word": "hello"})
run.finish()
"""
SWANLAB = """
import swanlab
swan = swanlab.init(mode="offline", project="mine", name="chosen", config={"own": 1})
"""
END = """
swanlab.log({"extra": 5}, step=100)
swanlab.finish()
"""


@pytest.mark.fault(
    "`swanlab.init()` before `wandb.init()`, with `sync_wandb()` before, between or not at all",
    "data goes to that run; its project, name and config stand; no second run",
)
@pytest.mark.parametrize(
    "script",
    [
        SWANLAB + BODY + END,
        SWANLAB + "wandb.sync_wandb()\n" + BODY + END,
        "import wandb_swan; wandb_swan.sync_wandb()\n" + SWANLAB + "import wandb\n" + BODY + END,
    ],
    ids=["import", "swanlab-then-sync", "sync-then-swanlab"],
)
def test_data_goes_to_the_run_that_is_there(train: Train, unharmed: Callable[..., None], script: str) -> None:
    training = train(script, gates=False).end().mirrored()
    unharmed(training, script)
    (folder,) = training.swan_dirs()
    swan = SwanStore.read(folder)
    assert (swan.start.project, swan.start.name, swan.state) == ("mine", "chosen", "finished")
    assert (swan.config["own"], swan.config["lr"], swan.about["id"]) == (1, 0.1, "r1")
    assert swan.scalars.pop("extra") == {100: 5.0}
    assert_same_values(WandbStore.read(training.wandb_dirs[0]), swan)
    assert "goes to the SwanLab run that is active in this process, chosen" in training.stderr
    assert not (training.dir / "swanlog" / "journals").exists()


@pytest.mark.fault(
    "`swanlab.finish()` before the wandb run ends",
    "wandb goes on; one warning",
)
def test_a_swanlab_run_that_ends_first_leaves_wandb_alone(train: Train, unharmed: Callable[..., None]) -> None:
    script = SWANLAB + BODY.replace('run.log({"word"', 'swanlab.finish()\nrun.log({"word"')
    training = train(script, gates=False).end().mirrored()
    unharmed(training, script)
    assert sum("is not in SwanLab" in line for line in training.said) == 1
    (folder,) = training.swan_dirs()
    assert len(SwanStore.read(folder).scalars["loss"]) == 20
