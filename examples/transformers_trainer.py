"""Hugging Face Trainer, with report_to="wandb".

WANDB_SWAN=1 python transformers_trainer.py
"""

import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

torch.manual_seed(0)
data = [{"input_ids": torch.randint(0, 99, (8,)), "labels": torch.tensor(i % 2)} for i in range(16)]
model = BertForSequenceClassification(
    BertConfig(vocab_size=99, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
)
trainer = Trainer(
    model=model,
    args=TrainingArguments(
        output_dir="out",
        report_to="wandb",
        run_name="tiny-bert",
        use_cpu=True,
        max_steps=6,
        logging_steps=1,
        eval_strategy="steps",
        eval_steps=2,
        per_device_train_batch_size=2,
        save_strategy="no",
        disable_tqdm=True,
    ),
    train_dataset=data,
    eval_dataset=data[:4],
    compute_metrics=lambda p: {"accuracy": float((p.predictions.argmax(-1) == p.label_ids).mean())},
)
trainer.train()
trainer.evaluate()
