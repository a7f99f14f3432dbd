"""Text: spaCy's logger, and TRL's trainers with a model that the script makes itself."""

from __future__ import annotations

import pytest

from compat_tests.frameworks.conftest import Train, example, keys, needs, only_run

pytestmark = [pytest.mark.frameworks, pytest.mark.live]


@pytest.mark.parametrize("logger", ["spacy.WandbLogger.v3", "spacy.WandbLogger.v5"])
def test_spacy_logger(train: Train, logger: str) -> None:
    """It names the run after `init`, logs its scores in rows of their own, and ends it with what old wandb calls `join`."""
    needs("spacy")
    needs("spacy_loggers")
    wandb, swan = only_run(train(example("spacy_textcat"), logger))
    assert {"score", "loss_textcat", "cats_score", "cats_macro_auc"} <= keys(wandb)
    assert swan.start.name == "bag of words"
    assert swan.config["components"]["textcat"]["factory"] == "textcat"


@pytest.mark.parametrize(
    ("kind", "logged"),
    [
        ("SFT", {"train/loss", "train/mean_token_accuracy", "eval/loss"}),
        ("DPO", {"train/rewards/margins", "train/logps/chosen"}),
        ("GRPO", {"train/reward", "train/rewards/reward_short/mean", "completions"}),
    ],
)
def test_trl(train: Train, kind: str, logged: set[str]) -> None:
    needs("trl")
    wandb, swan = only_run(train(example("trl_trainers"), kind, WANDB_PROJECT="trl"))
    assert logged <= keys(wandb)
    assert swan.start.name == f"tiny-{kind}"
    assert swan.config["hidden_size"] == 16
    if kind == "GRPO":
        assert swan.kinds["completions"] == "ECHARTS"
        assert len(swan.media["completions"]) >= 3
