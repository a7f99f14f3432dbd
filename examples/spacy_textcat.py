"""spaCy with its W&B logger.

WANDB_SWAN=1 python spacy_textcat.py [spacy.WandbLogger.v3]
"""

import sys
from pathlib import Path

import spacy
from spacy.cli.init_config import init_config
from spacy.cli.train import train
from spacy.tokens import DocBin

LOGGER = sys.argv[1] if len(sys.argv) > 1 else "spacy.WandbLogger.v5"
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
    "@loggers": LOGGER,
    "project_name": "spacy",
    "remove_config_values": ["paths.train", "paths.dev"],
    "run_name": "bag of words",
    "log_dataset_dir": "corpus",
    "model_log_interval": 4,
}
config.to_disk("config.cfg")
train(
    Path("config.cfg"), Path("model"), overrides={"paths.train": "corpus/train.spacy", "paths.dev": "corpus/dev.spacy"}
)
