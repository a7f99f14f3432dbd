"""TRL: supervised fine-tuning, preferences, or reinforcement, with a model of its own.

WANDB_SWAN=1 python trl_trainers.py [SFT | DPO | GRPO]
"""

import sys

import torch
import trl
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

KIND = sys.argv[1] if len(sys.argv) > 1 else "SFT"
torch.manual_seed(0)
words = ["[PAD]", "[EOS]", "[UNK]", *"abcdefghijklmnopqrstuvwxyz"]
tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
tokenizer = PreTrainedTokenizerFast(
    tokenizer_object=tokenizer, pad_token="[PAD]", eos_token="[EOS]", unk_token="[UNK]", padding_side="left"
)
model = Qwen2ForCausalLM(
    Qwen2Config(
        vocab_size=len(words),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        pad_token_id=0,
        eos_token_id=1,
    )
)
model.save_pretrained("tiny")
tokenizer.save_pretrained("tiny")
args = dict(
    output_dir="out",
    report_to="wandb",
    run_name=f"tiny-{KIND}",
    use_cpu=True,
    bf16=False,
    max_steps=3,
    logging_steps=1,
    per_device_train_batch_size=4,
    save_strategy="no",
    disable_tqdm=True,
    gradient_checkpointing=False,
)


def reward_letters(completions, **kwargs):
    return [float(len(set(completion.split()))) for completion in completions]


def reward_short(completions, **kwargs):
    return [-0.1 * len(completion) for completion in completions]


if KIND == "SFT":
    trainer = trl.SFTTrainer(
        model="tiny",
        args=trl.SFTConfig(**args, max_length=16, eval_strategy="steps", eval_steps=2),
        train_dataset=Dataset.from_dict({"text": ["a b c d", "e f g h"] * 6}),
        eval_dataset=Dataset.from_dict({"text": ["a b c", "f g h"]}),
    )
elif KIND == "DPO":
    trainer = trl.DPOTrainer(
        model="tiny",
        args=trl.DPOConfig(**args, max_length=16, beta=0.1),
        train_dataset=Dataset.from_dict(
            {"prompt": ["a b", "c d"] * 6, "chosen": [" e", " f"] * 6, "rejected": [" g", " h"] * 6}
        ),
    )
else:
    trainer = trl.GRPOTrainer(
        model="tiny",
        args=trl.GRPOConfig(**args, num_generations=2, max_completion_length=6, log_completions=True, temperature=1.0),
        reward_funcs=[reward_letters, reward_short],
        train_dataset=Dataset.from_dict({"prompt": ["a b c", "d e f", "g h i"] * 4}),
    )
trainer.train()
