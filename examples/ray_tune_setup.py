"""Ray Tune with setup_wandb in each trial.

WANDB_SWAN=1 python ray_tune_setup.py
"""

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
