"""fastai on a table.

WANDB_SWAN=1 python fastai_tabular.py
"""

import numpy as np
import pandas as pd
import wandb
from fastai.callback.wandb import WandbCallback
from fastai.tabular.all import *

rng = np.random.default_rng(0)
frame = pd.DataFrame(
    {"age": rng.normal(40, 9, 24), "job": rng.choice(["a", "b"], 24), "paid": rng.choice(["y", "n"], 24)}
)
with wandb.init(project="fastai-tabular"):
    dls = TabularDataLoaders.from_df(
        frame,
        procs=[Categorify, Normalize],
        cat_names=["job"],
        cont_names=["age"],
        y_names="paid",
        valid_idx=list(range(16, 24)),
        bs=4,
    )
    learn = tabular_learner(dls, layers=[8], metrics=accuracy, cbs=WandbCallback(log_preds_every_epoch=True))
    with learn.no_bar():
        learn.fit(2)
