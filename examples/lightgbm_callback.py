"""LightGBM with W&B's callback, and its summary.

WANDB_SWAN=1 python lightgbm_callback.py
"""

import lightgbm
import numpy as np
import wandb
from wandb.integration.lightgbm import log_summary, wandb_callback

with wandb.init(project="lightgbm"):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 3))
    data = lightgbm.Dataset(x, label=x.sum(1))
    params = {"objective": "regression", "metric": ["rmse", "l1"], "verbose": -1, "min_data_in_leaf": 5}
    booster = lightgbm.train(
        params, data, num_boost_round=5, valid_sets=[data], valid_names=["valid"], callbacks=[wandb_callback()]
    )
    log_summary(booster, save_model_checkpoint=False)
