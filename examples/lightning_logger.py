"""PyTorch Lightning with its WandbLogger.

WANDB_SWAN=1 python lightning_logger.py
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
trainer = Trainer(
    max_epochs=3,
    logger=logger,
    log_every_n_steps=1,
    accelerator="cpu",
    enable_progress_bar=False,
    enable_model_summary=False,
    enable_checkpointing=False,
)
trainer.fit(Net(), data, data)
logger.log_metrics({"final": 1.5})
