"""Scripts whose configuration comes from the command line."""

from __future__ import annotations

import pytest

from compat_tests.frameworks.conftest import Train, needs, only_run

pytestmark = [pytest.mark.frameworks, pytest.mark.live]


def test_argparse(train: Train) -> None:
    result = train(
        """
import argparse, wandb
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--layers", type=int, nargs="+", default=[8, 4])
parser.add_argument("--amp", action="store_true")
parser.add_argument("--resume-from", default=None)
args = parser.parse_args()
wandb.init(project="argparse", config=args)
for i in range(3):
    wandb.log({"loss": args.lr / (i + 1)})
""",
        *("--lr", "0.5", "--layers", "16", "8", "--amp"),
    )
    _, swan = only_run(result)
    config = {name: value for name, value in swan.config.items() if name != "wandb_run"}
    assert config == {"lr": 0.5, "layers": [16, 8], "amp": True, "resume_from": None}


HYDRA = """
from dataclasses import dataclass, field
import hydra, wandb
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
"""


def test_hydra(train: Train) -> None:
    needs("hydra")
    wandb, swan = only_run(train(HYDRA, "optimizer.lr=0.5", "epochs=3"))
    assert len(wandb.rows) == 3
    assert swan.config["optimizer"] == {"name": "sgd", "lr": 0.5, "betas": [0.9, 0.99]}
    assert swan.config["label"] == "sgd-3"


def test_hydra_multirun(train: Train) -> None:
    needs("hydra")
    result = train(HYDRA, "-m", "optimizer.lr=0.1,0.2,0.3", WANDB_SWAN_FINISH_TIMEOUT="0.01")
    pairs = result.pairs()
    assert sorted(swan.config["optimizer"]["lr"] for _, swan in pairs.values()) == [0.1, 0.2, 0.3]
    assert all(len(wandb.rows) == 2 for wandb, _ in pairs.values())
