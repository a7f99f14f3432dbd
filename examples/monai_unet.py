"""MONAI with PyTorch-Ignite's logger: overlays, tables, histograms of weights.

WANDB_SWAN=1 python monai_unet.py
"""

import numpy as np
import torch
import wandb
from ignite.engine import Events
from ignite.handlers import ModelCheckpoint
from ignite.handlers.wandb_logger import WandBLogger
from monai.data import DataLoader, Dataset, create_test_image_2d
from monai.engines import SupervisedEvaluator, SupervisedTrainer
from monai.handlers import MeanDice, StatsHandler, ValidationHandler, from_engine
from monai.losses import DiceLoss
from monai.networks.nets import UNet
from monai.transforms import Activationsd, AsDiscreted, Compose, EnsureChannelFirstd, ScaleIntensityd
from monai.utils import set_determinism

set_determinism(seed=0)
state = np.random.RandomState(0)
data = [
    dict(zip(("image", "label"), create_test_image_2d(32, 32, rad_max=6, num_seg_classes=1, random_state=state)))
    for _ in range(4)
]
keys = ["image", "label"]
dataset = Dataset(data, Compose([EnsureChannelFirstd(keys, channel_dim="no_channel"), ScaleIntensityd("image")]))
net = UNet(spatial_dims=2, in_channels=1, out_channels=1, channels=(4, 8), strides=(2,))
optimizer = torch.optim.Adam(net.parameters(), 1e-2)
post = Compose([Activationsd("pred", sigmoid=True), AsDiscreted("pred", threshold=0.5)])
evaluator = SupervisedEvaluator(
    device=torch.device("cpu"),
    val_data_loader=DataLoader(dataset, batch_size=2),
    network=net,
    postprocessing=post,
    key_val_metric={"val_dice": MeanDice(include_background=True, output_transform=from_engine(["pred", "label"]))},
)
trainer = SupervisedTrainer(
    device=torch.device("cpu"),
    max_epochs=2,
    train_data_loader=DataLoader(dataset, batch_size=2),
    network=net,
    optimizer=optimizer,
    loss_function=DiceLoss(sigmoid=True),
    train_handlers=[
        ValidationHandler(1, evaluator),
        StatsHandler(tag_name="loss", output_transform=from_engine("loss", first=True)),
    ],
)
logger = WandBLogger(project="monai", name="unet", config={"max_epochs": 2, "channels": (4, 8)}, tags=["dice"])
step = lambda *_: trainer.state.iteration
logger.attach_output_handler(
    trainer, Events.ITERATION_COMPLETED, tag="training", output_transform=from_engine("loss", first=True)
)
logger.attach_output_handler(
    evaluator, Events.EPOCH_COMPLETED, tag="validation", metric_names=["val_dice"], global_step_transform=step
)
logger.attach_opt_params_handler(trainer, Events.ITERATION_STARTED, optimizer=optimizer)
logger.watch(net, log="all", log_freq=2)
evaluator.add_event_handler(
    Events.COMPLETED,
    ModelCheckpoint(logger.run.dir, "best", n_saved=1, require_empty=False, global_step_transform=step),
    {"model": net},
)
labels = {0: "background", 1: "circle"}


@evaluator.on(Events.EPOCH_COMPLETED)
def show(engine):
    table = wandb.Table(columns=["case", "slice", "dice"])
    overlays = []
    for case, (batch, row) in enumerate(zip(engine.state.output, engine.state.metric_details["val_dice"])):
        picture, truth, pred = (batch[key][0].cpu().numpy() for key in ("image", "label", "pred"))
        overlays.append(
            wandb.Image(
                picture,
                caption=f"case {case}",
                masks={
                    "ground_truth": {"mask_data": truth.astype(int), "class_labels": labels},
                    "prediction": {"mask_data": pred.astype(int), "class_labels": labels},
                },
            )
        )
        table.add_data(case, overlays[-1], float(row[0]))
    logger.log({"predictions": table, "overlays": overlays}, step=step())


trainer.run()
logger.close()
