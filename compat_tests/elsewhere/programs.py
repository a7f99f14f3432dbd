"""Random programs of `log()` and `define_metric()`, the same for a seed: run by trainings of any Python and wandb.

`python programs.py FIRST LAST`: a run for each seed, FIRST <= seed < LAST.
"""

import contextlib
import random
import sys

import wandb_swan as wandb

KEYS = ["a", "b", "loss", "m/x", "m/y", "a.b", "n", "epoch", "val/z"]
NUMBERS = [0.5, 0.25, 3, -5, 1e300, float("nan"), True]


def value(dice, depth=0):
    """A number, a text, None, a dict or a list."""
    kind = dice.random()
    if kind < 0.5:
        return dice.choice(NUMBERS)
    if kind < 0.6:
        return dice.choice(["text", "NaN", ""])
    if kind < 0.7:
        return None
    if kind < 0.9 and depth < 2:
        return {dice.choice(["p", "q", "r.s", "a"]): value(dice, depth + 1) for _ in range(dice.randint(0, 3))}
    return [1, 2, dice.randint(0, 3)]


def define(run, dice):
    """One call of `define_metric`."""
    given = {}
    if dice.random() < 0.7:
        given["step_metric"] = dice.choice(["epoch", "a", "n.p", "m/x", "a.b"])
        if dice.random() < 0.7:
            given["step_sync"] = dice.random() < 0.7
    if dice.random() < 0.2:
        given["overwrite"] = True
    if dice.random() < 0.2:
        given["hidden"] = True
    # no `summary=`: wandb's Python core dies of one for a key that is a number now and a dict then
    run.define_metric(dice.choice([*KEYS, "m/*", "*", "val/*", "n.p"]), **given)


def program(run, dice):
    """Some definitions, and up to fifteen rows."""
    for _ in range(dice.randint(0, 3)):
        with contextlib.suppress(wandb.Error):  # a combination that this version refuses
            define(run, dice)
    step = 0
    for _ in range(dice.randint(3, 15)):
        given = {}
        if dice.random() < 0.35:
            step = max(0, step + dice.choice([0, 0, 1, 1, 3, -2]))
            given["step"] = step
        if dice.random() < 0.4:
            given["commit"] = dice.random() < 0.5
        run.log({dice.choice(KEYS): value(dice) for _ in range(dice.randint(0, 4))}, **given)
        if dice.random() < 0.1:
            run.summary[dice.choice(KEYS)] = dice.random()
        if dice.random() < 0.1:
            run.config.update({dice.choice(KEYS): value(dice)}, allow_val_change=True)


for seed in range(*map(int, sys.argv[1:])):
    run = wandb.init(project="programs", id=f"s{seed}", reinit=True, config={"seed": seed, "big": 2**60, "e": {}})
    program(run, random.Random(seed))
    run.finish()
