"""XGBoost with W&B's callback.

WANDB_SWAN=1 python xgboost_callback.py
"""

import numpy as np
import wandb
import xgboost
from wandb.integration.xgboost import WandbCallback

config = {"max_depth": 2, "eta": 0.3, "objective": "binary:logistic", "eval_metric": ["logloss", "auc"]}
with wandb.init(project="xgboost", config=config):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3))
    data = xgboost.DMatrix(x, label=x.sum(1) > 0)
    xgboost.train(
        dict(wandb.config),
        data,
        num_boost_round=6,
        evals=[(data, "train"), (data, "valid")],
        verbose_eval=False,
        early_stopping_rounds=5,
        callbacks=[WandbCallback(log_model=False)],
    )
