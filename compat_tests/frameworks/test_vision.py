"""Pictures and volumes: fastai, Ultralytics, MONAI with PyTorch-Ignite."""

from __future__ import annotations

import pytest

from compat_tests.frameworks.conftest import Train, keys, needs, only_run

pytestmark = [pytest.mark.frameworks, pytest.mark.live]


PICTURES = """
import numpy as np
from pathlib import Path
from PIL import Image
rng = np.random.default_rng(0)
for split in ("train", "valid"):
    for label in ("dark", "light"):
        folder = Path("pictures") / split / label
        folder.mkdir(parents=True)
        for i in range(4):
            pixels = rng.integers(0, 100, (32, 32, 3)) + (150 if label == "light" else 0)
            Image.fromarray(pixels.astype("uint8")).save(folder / f"{i}.png")
"""
FASTAI = """
import torch, wandb
from fastai.callback.wandb import WandbCallback
from fastai.vision.all import *

set_seed(0)
wandb.init(project="fastai", name="dark-light", config={"size": 32})
dls = ImageDataLoaders.from_folder("pictures", train="train", valid="valid", bs=4, num_workers=0)
body = torch.nn.Sequential(
    torch.nn.Conv2d(3, 4, 3, 2), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(4, 2)
)
learn = Learner(dls, body, loss_func=CrossEntropyLossFlat(), metrics=accuracy,
                cbs=WandbCallback(log="all", log_preds=True, log_model=True))
with learn.no_bar():
    learn.fit_one_cycle(2, 1e-2)
wandb.finish()
"""


def test_fastai(train: Train) -> None:
    """Its prediction samples are a table with pictures in the cells."""
    needs("fastai")
    wandb, swan = only_run(train(PICTURES + FASTAI))
    assert {"train_loss", "raw_loss", "lr_0", "valid_loss", "accuracy", "Prediction_Samples"} <= keys(wandb)
    assert (swan.config["size"], swan.config["batch size"]) == (32, 4)
    assert swan.start.name == "dark-light"


FASTAI_TABULAR = """
import numpy as np, pandas as pd, wandb
from fastai.callback.wandb import WandbCallback
from fastai.tabular.all import *

rng = np.random.default_rng(0)
frame = pd.DataFrame({"age": rng.normal(40, 9, 24), "job": rng.choice(["a", "b"], 24), "paid": rng.choice(["y", "n"], 24)})
with wandb.init(project="fastai-tabular"):
    dls = TabularDataLoaders.from_df(frame, procs=[Categorify, Normalize], cat_names=["job"], cont_names=["age"],
                                     y_names="paid", valid_idx=list(range(16, 24)), bs=4)
    learn = tabular_learner(dls, layers=[8], metrics=accuracy, cbs=WandbCallback(log_preds_every_epoch=True))
    with learn.no_bar():
        learn.fit(2)
"""


def test_fastai_tabular(train: Train) -> None:
    needs("fastai")
    wandb, swan = only_run(train(FASTAI_TABULAR))
    assert {"train_loss", "accuracy", "Prediction_Samples"} <= keys(wandb)
    assert swan.kinds["Prediction_Samples"] == "ECHARTS"


ULTRALYTICS = """
import numpy as np
from pathlib import Path
from PIL import Image
from ultralytics import YOLO, settings

rng = np.random.default_rng(0)
for split in ("train", "val"):
    for kind in ("images", "labels"):
        Path(f"squares/{kind}/{split}").mkdir(parents=True)
    for i in range(4):
        pixels = rng.integers(0, 99, (32, 32, 3))
        pixels[8:24, 8:24, i % 3] = 255
        Image.fromarray(pixels.astype("uint8")).save(f"squares/images/{split}/{i}.png")
        Path(f"squares/labels/{split}/{i}.txt").write_text(f"{i % 2} 0.5 0.5 0.5 0.5\\n")
Path("squares.yaml").write_text(
    f"path: {Path('squares').resolve()}\\ntrain: images/train\\nval: images/val\\nnames:\\n  0: square\\n  1: block\\n"
)
settings.update({"wandb": True, "runs_dir": "runs"})  # else those of the repository that Python is in
model = YOLO("yolov8n.yaml")
model.train(data="squares.yaml", epochs=2, imgsz=32, batch=4, device="cpu", workers=0, project="shapes", name="tiny",
            amp=False, seed=0)
"""


def test_ultralytics(train: Train) -> None:
    """It gives `init` a folder of its own, logs its plots with the row that follows them, and finishes the run itself."""
    needs("ultralytics")
    wandb, swan = only_run(train(ULTRALYTICS))
    assert {"train/box_loss", "lr/pg0", "metrics/mAP50(B)", "epoch", "model/parameters"} <= keys(wandb)
    assert swan.start.name == "tiny"
    assert swan.config["imgsz"] == 32
    assert swan.kinds["labels"] == "IMAGE"
    assert swan.kinds["curves/F1-Confidence(B)"] == "ECHARTS"


MONAI = """
import numpy as np, torch, wandb
from ignite.engine import Engine, Events
from ignite.handlers import ModelCheckpoint
from ignite.handlers.wandb_logger import WandBLogger
from monai.engines import SupervisedEvaluator, SupervisedTrainer
from monai.data import DataLoader, Dataset, create_test_image_2d
from monai.handlers import MeanDice, StatsHandler, ValidationHandler, from_engine
from monai.losses import DiceLoss
from monai.networks.nets import UNet
from monai.transforms import Activationsd, AsDiscreted, Compose, EnsureChannelFirstd, ScaleIntensityd
from monai.utils import set_determinism

set_determinism(seed=0)
state = np.random.RandomState(0)
data = [dict(zip(("image", "label"), create_test_image_2d(32, 32, rad_max=6, num_seg_classes=1, random_state=state)))
        for _ in range(4)]
keys = ["image", "label"]
dataset = Dataset(data, Compose([EnsureChannelFirstd(keys, channel_dim="no_channel"), ScaleIntensityd("image")]))
net = UNet(spatial_dims=2, in_channels=1, out_channels=1, channels=(4, 8), strides=(2,))
optimizer = torch.optim.Adam(net.parameters(), 1e-2)
post = Compose([Activationsd("pred", sigmoid=True), AsDiscreted("pred", threshold=0.5)])
evaluator = SupervisedEvaluator(
    device=torch.device("cpu"), val_data_loader=DataLoader(dataset, batch_size=2), network=net, postprocessing=post,
    key_val_metric={"val_dice": MeanDice(include_background=True, output_transform=from_engine(["pred", "label"]))},
)
trainer = SupervisedTrainer(
    device=torch.device("cpu"), max_epochs=2, train_data_loader=DataLoader(dataset, batch_size=2), network=net,
    optimizer=optimizer, loss_function=DiceLoss(sigmoid=True),
    train_handlers=[ValidationHandler(1, evaluator), StatsHandler(tag_name="loss", output_transform=from_engine("loss", first=True))],
)
logger = WandBLogger(project="monai", name="unet", config={"max_epochs": 2, "channels": (4, 8)}, tags=["dice"])
step = lambda *_: trainer.state.iteration
logger.attach_output_handler(trainer, Events.ITERATION_COMPLETED, tag="training",
                             output_transform=from_engine("loss", first=True))
logger.attach_output_handler(evaluator, Events.EPOCH_COMPLETED, tag="validation", metric_names=["val_dice"],
                             global_step_transform=step)
logger.attach_opt_params_handler(trainer, Events.ITERATION_STARTED, optimizer=optimizer)
logger.watch(net, log="all", log_freq=2)
evaluator.add_event_handler(Events.COMPLETED, ModelCheckpoint(logger.run.dir, "best", n_saved=1, require_empty=False,
                            global_step_transform=step), {"model": net})
labels = {0: "background", 1: "circle"}

@evaluator.on(Events.EPOCH_COMPLETED)
def show(engine):
    table = wandb.Table(columns=["case", "slice", "dice"])
    overlays = []
    for case, (batch, row) in enumerate(zip(engine.state.output, engine.state.metric_details["val_dice"])):
        picture, truth, pred = (batch[key][0].cpu().numpy() for key in ("image", "label", "pred"))
        overlays.append(wandb.Image(picture, caption=f"case {case}", masks={
            "ground_truth": {"mask_data": truth.astype(int), "class_labels": labels},
            "prediction": {"mask_data": pred.astype(int), "class_labels": labels},
        }))
        table.add_data(case, overlays[-1], float(row[0]))
    logger.log({"predictions": table, "overlays": overlays}, step=step())

trainer.run()
logger.close()
"""


def test_monai(train: Train) -> None:
    """Dice a case, overlays, a table with them in the cells, histograms of weights and gradients, checkpoints in the run's folder."""
    needs("monai")
    needs("ignite")
    wandb, swan = only_run(train(MONAI))
    assert {"training/output", "validation/val_dice", "lr/group_0", "predictions", "overlays"} <= keys(wandb)
    assert swan.config["channels"] == [4, 8]
    assert list(swan.start.tags) == ["dice"]
    assert any(key.startswith("gradients/") for key in swan.kinds)
