"""Hydra: a nested config, and multirun.

WANDB_SWAN=1 python hydra_app.py -m optimizer.lr=0.1,0.2,0.3
"""

from dataclasses import dataclass, field

import hydra
import wandb
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf


@dataclass
class Optimizer:
    name: str = "sgd"
    lr: float = 0.1
    betas: list[float] = field(default_factory=lambda: [0.9, 0.99])


@dataclass
class Config:
    optimizer: Optimizer = field(default_factory=Optimizer)
    epochs: int = 2
    label: str = "${optimizer.name}-${epochs}"


ConfigStore.instance().store("config", Config)


@hydra.main(version_base=None, config_path=None, config_name="config")
def main(cfg):
    with wandb.init(project="hydra", config=OmegaConf.to_container(cfg, resolve=True)) as run:
        for epoch in range(cfg.epochs):
            run.log({"epoch": epoch, "train": {"loss": cfg.optimizer.lr / (epoch + 1)}})


main()
