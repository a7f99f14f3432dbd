"""fastai with its callback: predictions are a table with pictures in its cells.

WANDB_SWAN=1 python fastai_vision.py
"""

from pathlib import Path

import numpy as np
from PIL import Image

rng = np.random.default_rng(0)
for split in ("train", "valid"):
    for label in ("dark", "light"):
        folder = Path("pictures") / split / label
        folder.mkdir(parents=True)
        for i in range(4):
            pixels = rng.integers(0, 100, (32, 32, 3)) + (150 if label == "light" else 0)
            Image.fromarray(pixels.astype("uint8")).save(folder / f"{i}.png")

import torch
import wandb
from fastai.callback.wandb import WandbCallback
from fastai.vision.all import *

set_seed(0)
wandb.init(project="fastai", name="dark-light", config={"size": 32})
dls = ImageDataLoaders.from_folder("pictures", train="train", valid="valid", bs=4, num_workers=0)
body = torch.nn.Sequential(
    torch.nn.Conv2d(3, 4, 3, 2),
    torch.nn.ReLU(),
    torch.nn.AdaptiveAvgPool2d(1),
    torch.nn.Flatten(),
    torch.nn.Linear(4, 2),
)
learn = Learner(
    dls,
    body,
    loss_func=CrossEntropyLossFlat(),
    metrics=accuracy,
    cbs=WandbCallback(log="all", log_preds=True, log_model=True),
)
with learn.no_bar():
    learn.fit_one_cycle(2, 1e-2)
wandb.finish()
