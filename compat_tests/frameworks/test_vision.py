"""Pictures and volumes: fastai, Ultralytics, MONAI with PyTorch-Ignite."""

from __future__ import annotations

import pytest

from compat_tests.frameworks.conftest import Train, example, keys, needs, only_run

pytestmark = [pytest.mark.frameworks, pytest.mark.live]


def test_fastai(train: Train) -> None:
    """Its prediction samples are a table with pictures in the cells."""
    needs("fastai")
    wandb, swan = only_run(train(example("fastai_vision")))
    assert {"train_loss", "raw_loss", "lr_0", "valid_loss", "accuracy", "Prediction_Samples"} <= keys(wandb)
    assert (swan.config["size"], swan.config["batch size"]) == (32, 4)
    assert swan.start.name == "dark-light"


def test_fastai_tabular(train: Train) -> None:
    needs("fastai")
    wandb, swan = only_run(train(example("fastai_tabular")))
    assert {"train_loss", "accuracy", "Prediction_Samples"} <= keys(wandb)
    assert swan.kinds["Prediction_Samples"] == "ECHARTS"


def test_ultralytics(train: Train) -> None:
    """It gives `init` a folder of its own, logs its plots with the row that follows them, and finishes the run itself."""
    needs("ultralytics")
    wandb, swan = only_run(train(example("ultralytics_yolo")))
    assert {"train/box_loss", "lr/pg0", "metrics/mAP50(B)", "epoch", "model/parameters"} <= keys(wandb)
    assert swan.start.name == "tiny"
    assert swan.config["imgsz"] == 32
    assert swan.kinds["labels"] == "IMAGE"
    assert swan.kinds["curves/F1-Confidence(B)"] == "ECHARTS"


def test_monai(train: Train) -> None:
    """Dice a case, overlays, a table with them in the cells, histograms of weights and gradients, checkpoints in the run's folder."""
    needs("monai")
    needs("ignite")
    wandb, swan = only_run(train(example("monai_unet")))
    assert {"training/output", "validation/val_dice", "lr/group_0", "predictions", "overlays"} <= keys(wandb)
    assert swan.config["channels"] == [4, 8]
    assert list(swan.start.tags) == ["dice"]
    assert any(key.startswith("gradients/") for key in swan.kinds)
