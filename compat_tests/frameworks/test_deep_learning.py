"""Trainers and loggers of deep learning."""

from __future__ import annotations

import pytest

from compat_tests.frameworks.conftest import Train, example, keys, needs, only_run

pytestmark = [pytest.mark.frameworks, pytest.mark.live]


def test_transformers_trainer(train: Train) -> None:
    needs("transformers")
    result = train(
        example("transformers_trainer"),
        WANDB_PROJECT="transformers",
    )
    wandb, swan = only_run(result)
    assert {"train/loss", "train/learning_rate", "eval/loss", "eval/accuracy", "train/global_step"} <= keys(wandb)
    assert swan.config["hidden_size"] == 16
    assert swan.start.name == "tiny-bert"


def test_lightning_wandb_logger(train: Train) -> None:
    needs("lightning")
    result = train(
        example("lightning_logger"),
    )
    wandb, swan = only_run(result)
    assert {"train/loss_step", "train/loss_epoch", "val/loss", "epoch", "final"} <= keys(wandb)
    assert (swan.config["lr"], swan.config["width"], swan.config["dataset"]) == (0.1, 4, "noise")


def test_accelerate_tracker(train: Train) -> None:
    needs("accelerate")
    result = train(
        example("accelerate_tracker"),
    )
    wandb, swan = only_run(result)
    assert list(wandb.rows) == [0, 1, 2, 3, 4]
    assert list(swan.start.tags) == ["tiny"]


def test_keras(train: Train) -> None:
    needs("keras")
    wandb, _ = only_run(train(example("keras_callback"), KERAS_BACKEND="torch"))
    assert {"loss", "mae", "val_loss", "val_mae"} == keys(wandb)
    assert list(wandb.rows) == [0, 1, 2]


def test_keras_metrics_logger(train: Train) -> None:
    needs("tensorflow")  # wandb.integration.keras imports it
    wandb, _ = only_run(train(example("keras_metrics_logger")))
    assert {"batch/loss", "batch/batch_step", "epoch/loss", "epoch/val_mae", "epoch/epoch"} <= keys(wandb)


def test_stable_baselines3(train: Train) -> None:
    needs("stable_baselines3")
    wandb, swan = only_run(train(example("stable_baselines3_ppo")))
    assert {"calls", "steps"} == keys(wandb)
    assert swan.config["policy"] == "MlpPolicy"
    assert "algo" in swan.config


@pytest.mark.reconcile
def test_stable_baselines3_through_tensorboard(train: Train) -> None:
    """wandb's core makes these rows from the event files."""
    needs("stable_baselines3")
    needs("tensorboard")
    wandb, _ = only_run(train(example("stable_baselines3_ppo"), "--tensorboard"))
    assert {"train/loss", "rollout/ep_len_mean", "global_step"} <= keys(wandb)
