"""Boosting, scikit-learn plots and hyperparameter search."""

from __future__ import annotations

import pytest

from compat_tests.frameworks.conftest import Train, assert_same_run, example, keys, needs, only_run

pytestmark = [pytest.mark.frameworks, pytest.mark.live]


@pytest.mark.parametrize("name", ["wandb", "wandb_swan"])
def test_xgboost_callback(train: Train, name: str) -> None:
    """Unedited, and with every import changed to ours."""
    needs("xgboost")
    script = example("xgboost_callback")
    script = script.replace("import wandb\n", f"import {name} as wandb\n").replace("from wandb.", f"from {name}.")
    wandb, _ = only_run(train(script, WANDB_SWAN="1" if name == "wandb" else None))
    assert {"train-logloss", "valid-auc", "epoch"} <= keys(wandb)


def test_lightgbm_callback(train: Train) -> None:
    needs("lightgbm")
    result = train(
        example("lightgbm_callback"),
    )
    wandb, swan = only_run(result)
    assert {"valid_rmse", "valid_l1", "iteration"} <= keys(wandb)
    assert swan.config["objective"] == "regression"


def test_sklearn_plots(train: Train) -> None:
    needs("sklearn")
    result = train(
        example("sklearn_plots"),
    )
    wandb, _ = only_run(result)
    assert {"accuracy", "roc_table", "precision_recall_table"} <= keys(wandb)


def test_optuna_one_run_a_trial(train: Train) -> None:
    needs("optuna")
    result = train(
        example("optuna_trials"),
        WANDB_SWAN_FINISH_TIMEOUT="0.01",
    )
    pairs = result.pairs()
    assert len(pairs) == 4
    for wandb, swan in pairs.values():
        assert_same_run(wandb, swan)
        assert swan.state == "finished"
        assert len(wandb.rows) == (4 if wandb.run.display_name == "trial-2" else 6)
        assert swan.start.group == "study"
