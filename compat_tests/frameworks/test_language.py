"""Text: spaCy's logger, and TRL's trainers with a model that the script makes itself."""

from __future__ import annotations

import pytest

from compat_tests.frameworks.conftest import Train, keys, needs, only_run

pytestmark = [pytest.mark.frameworks, pytest.mark.live]


SPACY = """
from pathlib import Path
import spacy
from spacy.cli.init_config import init_config
from spacy.cli.train import train
from spacy.tokens import DocBin

texts = [("a fine day", "GOOD"), ("a bad night", "BAD"), ("fine and good", "GOOD"), ("bad, bad", "BAD")]
blank = spacy.blank("en")
Path("corpus").mkdir()
for name in ("train", "dev"):
    docs = DocBin()
    for text, label in texts:
        doc = blank(text)
        doc.cats = {"GOOD": float(label == "GOOD"), "BAD": float(label == "BAD")}
        docs.add(doc)
    docs.to_disk(f"corpus/{name}.spacy")

config = init_config(lang="en", pipeline=["textcat"], optimize="efficiency")
config["training"] |= {"max_steps": 6, "eval_frequency": 2}
config["training"]["logger"] = {
    "@loggers": "__LOGGER__",
    "project_name": "spacy",
    "remove_config_values": ["paths.train", "paths.dev"],
    "run_name": "bag of words",
    "log_dataset_dir": "corpus",
    "model_log_interval": 4,
}
config.to_disk("config.cfg")
train(Path("config.cfg"), Path("model"), overrides={"paths.train": "corpus/train.spacy", "paths.dev": "corpus/dev.spacy"})
"""


@pytest.mark.parametrize("logger", ["spacy.WandbLogger.v3", "spacy.WandbLogger.v5"])
def test_spacy_logger(train: Train, logger: str) -> None:
    """It names the run after `init`, logs its scores in rows of their own, and ends it with what old wandb calls `join`."""
    needs("spacy")
    needs("spacy_loggers")
    wandb, swan = only_run(train(SPACY.replace("__LOGGER__", logger)))
    assert {"score", "loss_textcat", "cats_score", "cats_macro_auc"} <= keys(wandb)
    assert swan.start.name == "bag of words"
    assert swan.config["components"]["textcat"]["factory"] == "textcat"


TINY = """
import torch
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM
from trl import __KIND__Config, __KIND__Trainer

torch.manual_seed(0)
words = ["[PAD]", "[EOS]", "[UNK]", *"abcdefghijklmnopqrstuvwxyz"]
tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
tokenizer = PreTrainedTokenizerFast(
    tokenizer_object=tokenizer, pad_token="[PAD]", eos_token="[EOS]", unk_token="[UNK]", padding_side="left"
)
model = Qwen2ForCausalLM(
    Qwen2Config(vocab_size=len(words), hidden_size=16, intermediate_size=16, num_hidden_layers=1,
                num_attention_heads=2, num_key_value_heads=1, pad_token_id=0, eos_token_id=1)
)
model.save_pretrained("tiny")
tokenizer.save_pretrained("tiny")
args = dict(
    output_dir="out", report_to="wandb", run_name="tiny-__KIND__", use_cpu=True, bf16=False, max_steps=3, logging_steps=1,
    per_device_train_batch_size=4, save_strategy="no", disable_tqdm=True, gradient_checkpointing=False,
)
__TRAINER__
trainer.train()
"""
SFT = """
trainer = SFTTrainer(
    model="tiny",
    args=SFTConfig(**args, max_length=16, eval_strategy="steps", eval_steps=2),
    train_dataset=Dataset.from_dict({"text": ["a b c d", "e f g h"] * 6}),
    eval_dataset=Dataset.from_dict({"text": ["a b c", "f g h"]}),
)
"""
DPO = """
trainer = DPOTrainer(
    model="tiny",
    args=DPOConfig(**args, max_length=16, beta=0.1),
    train_dataset=Dataset.from_dict({"prompt": ["a b", "c d"] * 6, "chosen": [" e", " f"] * 6, "rejected": [" g", " h"] * 6}),
)
"""
GRPO = """
def reward_letters(completions, **kwargs):
    return [float(len(set(completion.split()))) for completion in completions]

def reward_short(completions, **kwargs):
    return [-0.1 * len(completion) for completion in completions]

trainer = GRPOTrainer(
    model="tiny",
    args=GRPOConfig(**args, num_generations=2, max_completion_length=6, log_completions=True, temperature=1.0),
    reward_funcs=[reward_letters, reward_short],
    train_dataset=Dataset.from_dict({"prompt": ["a b c", "d e f", "g h i"] * 4}),
)
"""


@pytest.mark.parametrize(
    ("kind", "trainer", "logged"),
    [
        ("SFT", SFT, {"train/loss", "train/mean_token_accuracy", "eval/loss"}),
        ("DPO", DPO, {"train/rewards/margins", "train/logps/chosen"}),
        ("GRPO", GRPO, {"train/reward", "train/rewards/reward_short/mean", "completions"}),
    ],
)
def test_trl(train: Train, kind: str, trainer: str, logged: set[str]) -> None:
    needs("trl")
    script = TINY.replace("__TRAINER__", trainer).replace("__KIND__", kind)
    wandb, swan = only_run(train(script, WANDB_PROJECT="trl"))
    assert logged <= keys(wandb)
    assert swan.start.name == f"tiny-{kind}"
    assert swan.config["hidden_size"] == 16
    if kind == "GRPO":
        assert swan.kinds["completions"] == "ECHARTS"
        assert len(swan.media["completions"]) >= 3
