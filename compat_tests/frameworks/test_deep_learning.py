"""Trainers and loggers of deep learning."""

from __future__ import annotations

import pytest

from compat_tests.frameworks.conftest import Train, keys, needs, only_run

pytestmark = [pytest.mark.frameworks, pytest.mark.live]


def test_transformers_trainer(train: Train) -> None:
    needs("transformers")
    result = train(
        """
import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

torch.manual_seed(0)
data = [{"input_ids": torch.randint(0, 99, (8,)), "labels": torch.tensor(i % 2)} for i in range(16)]
model = BertForSequenceClassification(
    BertConfig(vocab_size=99, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
)
trainer = Trainer(
    model=model,
    args=TrainingArguments(
        output_dir="out", report_to="wandb", run_name="tiny-bert", use_cpu=True, max_steps=6, logging_steps=1,
        eval_strategy="steps", eval_steps=2, per_device_train_batch_size=2, save_strategy="no", disable_tqdm=True,
    ),
    train_dataset=data,
    eval_dataset=data[:4],
    compute_metrics=lambda p: {"accuracy": float((p.predictions.argmax(-1) == p.label_ids).mean())},
)
trainer.train()
trainer.evaluate()
""",
        WANDB_PROJECT="transformers",
    )
    wandb, swan = only_run(result)
    assert {"train/loss", "train/learning_rate", "eval/loss", "eval/accuracy", "train/global_step"} <= keys(wandb)
    assert swan.config["hidden_size"] == 16
    assert swan.start.name == "tiny-bert"


def test_lightning_wandb_logger(train: Train) -> None:
    needs("lightning")
    result = train(
        """
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.loggers import WandbLogger

class Net(LightningModule):
    def __init__(self, lr=0.1, width=4):
        super().__init__()
        self.save_hyperparameters()
        self.layer = torch.nn.Linear(width, 1)
    def training_step(self, batch, i):
        loss = self.layer(batch).pow(2).mean()
        self.log("train/loss", loss, on_step=True, on_epoch=True)
        return loss
    def validation_step(self, batch, i):
        self.log_dict({"val/loss": self.layer(batch).abs().mean(), "val/n": float(len(batch))})
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), self.hparams.lr)

torch.manual_seed(0)
data = torch.utils.data.DataLoader(torch.randn(12, 4), batch_size=4)
logger = WandbLogger(project="lightning", name="linear", log_model=False)
logger.experiment.config["dataset"] = "noise"
trainer = Trainer(max_epochs=3, logger=logger, log_every_n_steps=1, accelerator="cpu", enable_progress_bar=False,
                  enable_model_summary=False, enable_checkpointing=False)
trainer.fit(Net(), data, data)
logger.log_metrics({"final": 1.5})
""",
    )
    wandb, swan = only_run(result)
    assert {"train/loss_step", "train/loss_epoch", "val/loss", "epoch", "final"} <= keys(wandb)
    assert (swan.config["lr"], swan.config["width"], swan.config["dataset"]) == (0.1, 4, "noise")


def test_accelerate_tracker(train: Train) -> None:
    needs("accelerate")
    result = train(
        """
import torch
from accelerate import Accelerator

accelerator = Accelerator(log_with="wandb", cpu=True)
accelerator.init_trackers("accelerate", config={"lr": 0.1, "epochs": 2}, init_kwargs={"wandb": {"tags": ["tiny"]}})
model = torch.nn.Linear(2, 1)
model, optimizer = accelerator.prepare(model, torch.optim.SGD(model.parameters(), 0.1))
for step in range(5):
    loss = model(torch.ones(3, 2)).pow(2).mean()
    accelerator.backward(loss)
    optimizer.step()
    optimizer.zero_grad()
    accelerator.log({"loss": loss.item(), "phase": "train"}, step=step)
accelerator.end_training()
""",
    )
    wandb, swan = only_run(result)
    assert list(wandb.rows) == [0, 1, 2, 3, 4]
    assert list(swan.start.tags) == ["tiny"]


KERAS = """
import keras, numpy as np, wandb
wandb.init(project="keras", config={"units": 2})
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(wandb.config.units), keras.layers.Dense(1)])
model.compile("sgd", "mse", metrics=["mae"])
x = np.random.default_rng(0).normal(size=(16, 3))
__CALLBACK__
model.fit(x, x.sum(1), epochs=3, batch_size=4, validation_split=0.25, verbose=0, callbacks=[callback])
wandb.finish()
"""


def test_keras(train: Train) -> None:
    needs("keras")
    callback = "callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: wandb.log(logs, step=epoch))"
    wandb, _ = only_run(train(KERAS.replace("__CALLBACK__", callback), KERAS_BACKEND="torch"))
    assert {"loss", "mae", "val_loss", "val_mae"} == keys(wandb)
    assert list(wandb.rows) == [0, 1, 2]


def test_keras_metrics_logger(train: Train) -> None:
    needs("tensorflow")  # wandb.integration.keras imports it
    callback = "from wandb.integration.keras import WandbMetricsLogger\ncallback = WandbMetricsLogger(log_freq=1)"
    wandb, _ = only_run(train(KERAS.replace("__CALLBACK__", callback)))
    assert {"batch/loss", "batch/batch_step", "epoch/loss", "epoch/val_mae", "epoch/epoch"} <= keys(wandb)


SB3 = """
import gymnasium, wandb
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback, CallbackList
from wandb.integration.sb3 import WandbCallback

class Log(BaseCallback):
    def _on_step(self):
        if self.n_calls % 16 == 0:
            wandb.log({"calls": self.n_calls, "steps": self.num_timesteps})
        return True

TENSORBOARD = __TENSORBOARD__
run = wandb.init(project="sb3", config={"policy": "MlpPolicy"}, sync_tensorboard=TENSORBOARD)
model = PPO(run.config.policy, gymnasium.make("CartPole-v1"), n_steps=32, batch_size=16, n_epochs=1, seed=0, device="cpu",
            tensorboard_log=f"runs/{run.id}" if TENSORBOARD else None)
callbacks = [WandbCallback(verbose=0)] + ([] if TENSORBOARD else [Log()])
model.learn(96, callback=CallbackList(callbacks))
run.finish()
"""


def test_stable_baselines3(train: Train) -> None:
    needs("stable_baselines3")
    wandb, swan = only_run(train(SB3.replace("__TENSORBOARD__", "False")))
    assert {"calls", "steps"} == keys(wandb)
    assert swan.config["policy"] == "MlpPolicy"
    assert "algo" in swan.config


@pytest.mark.reconcile
def test_stable_baselines3_through_tensorboard(train: Train) -> None:
    """wandb's core makes these rows from the event files."""
    needs("stable_baselines3")
    needs("tensorboard")
    wandb, _ = only_run(train(SB3.replace("__TENSORBOARD__", "True")))
    assert {"train/loss", "rollout/ep_len_mean", "global_step"} <= keys(wandb)
