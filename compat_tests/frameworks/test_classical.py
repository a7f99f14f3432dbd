"""Boosting, scikit-learn plots and hyperparameter search."""

from __future__ import annotations

import pytest

from compat_tests.frameworks.conftest import Train, assert_same_run, keys, needs, only_run

pytestmark = [pytest.mark.frameworks, pytest.mark.live]


XGBOOST = """
import numpy as np, xgboost
import wandb
from wandb.integration.xgboost import WandbCallback

config = {"max_depth": 2, "eta": 0.3, "objective": "binary:logistic", "eval_metric": ["logloss", "auc"]}
with wandb.init(project="xgboost", config=config):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3))
    data = xgboost.DMatrix(x, label=x.sum(1) > 0)
    xgboost.train(dict(wandb.config), data, num_boost_round=6, evals=[(data, "train"), (data, "valid")],
                  verbose_eval=False, early_stopping_rounds=5, callbacks=[WandbCallback(log_model=False)])
"""


@pytest.mark.parametrize("name", ["wandb", "wandb_swan"])
def test_xgboost_callback(train: Train, name: str) -> None:
    """Unedited, and with every import changed to ours."""
    needs("xgboost")
    script = XGBOOST.replace("import wandb\n", f"import {name} as wandb\n").replace("from wandb.", f"from {name}.")
    wandb, _ = only_run(train(script, WANDB_SWAN="1" if name == "wandb" else None))
    assert {"train-logloss", "valid-auc", "epoch"} <= keys(wandb)


def test_lightgbm_callback(train: Train) -> None:
    needs("lightgbm")
    result = train(
        """
import lightgbm, numpy as np, wandb
from wandb.integration.lightgbm import log_summary, wandb_callback

with wandb.init(project="lightgbm"):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 3))
    data = lightgbm.Dataset(x, label=x.sum(1))
    params = {"objective": "regression", "metric": ["rmse", "l1"], "verbose": -1, "min_data_in_leaf": 5}
    booster = lightgbm.train(params, data, num_boost_round=5, valid_sets=[data], valid_names=["valid"],
                             callbacks=[wandb_callback()])
    log_summary(booster, save_model_checkpoint=False)
"""
    )
    wandb, swan = only_run(result)
    assert {"valid_rmse", "valid_l1", "iteration"} <= keys(wandb)
    assert swan.config["objective"] == "regression"


def test_sklearn_plots(train: Train) -> None:
    needs("sklearn")
    result = train(
        """
import wandb
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

x, y = load_iris(return_X_y=True)
x_train, x_test, y_train, y_test = train_test_split(x, y, random_state=0)
model = LogisticRegression(max_iter=200).fit(x_train, y_train)
labels = ["setosa", "versicolor", "virginica"]
with wandb.init(project="sklearn", config=model.get_params()) as run:
    run.log({"accuracy": model.score(x_test, y_test)})
    wandb.sklearn.plot_roc(y_test, model.predict_proba(x_test), labels)
    wandb.sklearn.plot_precision_recall(y_test, model.predict_proba(x_test), labels)
    wandb.sklearn.plot_confusion_matrix(y_test, model.predict(x_test), labels)
    wandb.sklearn.plot_class_proportions(y_train, y_test, labels)
    wandb.sklearn.plot_summary_metrics(model, x_train, y_train, x_test, y_test)
"""
    )
    wandb, _ = only_run(result)
    assert {"accuracy", "roc_table", "precision_recall_table"} <= keys(wandb)


def test_optuna_one_run_a_trial(train: Train) -> None:
    needs("optuna")
    result = train(
        """
import optuna, wandb

def objective(trial):
    lr = trial.suggest_float("lr", 0.01, 1, log=True)
    run = wandb.init(project="optuna", group="study", name=f"trial-{trial.number}", config=trial.params,
                     reinit="finish_previous")
    value = lr
    for step in range(6):
        value *= 0.9
        run.log({"value": value, "trial": trial.number})
        trial.report(value, step)
        if trial.number == 2 and step == 3:
            run.summary["state"] = "pruned"
            run.finish()
            raise optuna.TrialPruned
    run.finish()
    return value

study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
study.optimize(objective, n_trials=4)
""",
        WANDB_SWAN_FINISH_TIMEOUT="0.01",
    )
    pairs = result.pairs()
    assert len(pairs) == 4
    for wandb, swan in pairs.values():
        assert_same_run(wandb, swan)
        assert swan.state == "finished"
        assert len(wandb.rows) == (4 if wandb.run.display_name == "trial-2" else 6)
        assert swan.start.group == "study"
