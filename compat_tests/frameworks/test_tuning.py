"""Ray Tune: every trial's run is made in an actor, a process that Ray started."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from compat_tests.frameworks.conftest import Train, assert_same_run, keys, needs

pytestmark = [pytest.mark.frameworks, pytest.mark.live]


CALLBACK = """
import ray
from ray import tune
from ray.air.integrations.wandb import WandbLoggerCallback

def train(config):
    for epoch in range(1, 6):
        tune.report({"loss": config["lr"] / epoch, "epoch": epoch})

ray.init(num_cpus=2, include_dashboard=False)
tuner = tune.Tuner(
    train,
    param_space={"lr": tune.grid_search([0.1, 0.2]), "layers": [8, 4]},
    run_config=tune.RunConfig(name="study", callbacks=[WandbLoggerCallback(project="ray", log_config=False)]),
)
tuner.fit()
"""
SETUP = """
import ray
from ray import tune
from ray.air.integrations.wandb import setup_wandb

def train(config):
    run = setup_wandb(config, project="ray")
    for epoch in range(1, 6):
        run.log({"loss": config["lr"] / epoch, "epoch": epoch})
        tune.report({"loss": config["lr"] / epoch})
    run.finish()

ray.init(num_cpus=2, include_dashboard=False)
tuner = tune.Tuner(
    train,
    param_space={"lr": tune.grid_search([0.1, 0.2]), "layers": [8, 4]},
    run_config=tune.RunConfig(name="study"),
)
tuner.fit()
"""


@pytest.mark.parametrize("script", [CALLBACK, SETUP], ids=["callback", "setup_wandb"])
def test_ray_tune(train: Train, script: str) -> None:
    """A trial runs, with wandb's folder, in a folder of Ray's session, of which Ray copies what is there now and then."""
    needs("ray")
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as session:  # a socket's path is short
        result = train(script, RAY_TMPDIR=session)
        result.wandb_root = Path(session)
        pairs = result.pairs()
    assert len(pairs) == 2
    for wandb, swan in pairs.values():
        assert_same_run(wandb, swan)
        assert swan.state == "finished"
        assert {"loss", "epoch"} <= keys(wandb)
        assert swan.start.group == "study"
        assert swan.config["layers"] == [8, 4]
    assert sorted(swan.config["lr"] for _, swan in pairs.values()) == [0.1, 0.2]
