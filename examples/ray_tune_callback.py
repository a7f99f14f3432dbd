"""Ray Tune with its callback.

WANDB_SWAN=1 python ray_tune_callback.py
"""

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
