"""Optuna: one run a trial, in one group; a trial may be pruned.

WANDB_SWAN=1 WANDB_SWAN_FINISH_TIMEOUT=0 python optuna_trials.py
"""

import optuna
import wandb


def objective(trial):
    lr = trial.suggest_float("lr", 0.01, 1, log=True)
    run = wandb.init(
        project="optuna", group="study", name=f"trial-{trial.number}", config=trial.params, reinit="finish_previous"
    )
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
