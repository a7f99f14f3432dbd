"""Scripts whose configuration comes from the command line."""

from __future__ import annotations

import pytest

from compat_tests.frameworks.conftest import Train, example, needs, only_run

pytestmark = [pytest.mark.frameworks, pytest.mark.live]


def test_argparse(train: Train) -> None:
    result = train(
        example("argparse_config"),
        *("--lr", "0.5", "--layers", "16", "8", "--amp"),
    )
    _, swan = only_run(result)
    config = {name: value for name, value in swan.config.items() if name != "wandb_run"}
    assert config == {"lr": 0.5, "layers": [16, 8], "amp": True, "resume_from": None}


def test_hydra(train: Train) -> None:
    needs("hydra")
    wandb, swan = only_run(train(example("hydra_app"), "optimizer.lr=0.5", "epochs=3"))
    assert len(wandb.rows) == 3
    assert swan.config["optimizer"] == {"name": "sgd", "lr": 0.5, "betas": [0.9, 0.99]}
    assert swan.config["label"] == "sgd-3"


def test_hydra_multirun(train: Train) -> None:
    needs("hydra")
    result = train(example("hydra_app"), "-m", "optimizer.lr=0.1,0.2,0.3", WANDB_SWAN_FINISH_TIMEOUT="0.01")
    pairs = result.pairs()
    assert sorted(swan.config["optimizer"]["lr"] for _, swan in pairs.values()) == [0.1, 0.2, 0.3]
    assert all(len(wandb.rows) == 2 for wandb, _ in pairs.values())
