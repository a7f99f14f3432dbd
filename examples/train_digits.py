"""A real training loop on scikit-learn's digits, written against wandb's API alone.

Offline or online, the only thing that makes it record in SwanLab as well is its import of wandb.
"""

from __future__ import annotations

import argparse

import numpy as np
import plotly.graph_objects as go
from sklearn.datasets import load_digits
from sklearn.metrics import f1_score, log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

import wandb_swan as wandb


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--lr", type=float, default=0.002)
    args = parser.parse_args()

    run = wandb.init(
        project="digits",
        name="mlp on digits",
        notes="A small multilayer perceptron on scikit-learn's bundled digits.",
        tags=["digits", "mlp"],
        config={**vars(args), "model": {"kind": "MLPClassifier", "hidden": [64, 32]}},
    )
    run.define_metric("epoch")
    run.define_metric("val/*", step_metric="epoch")

    digits = load_digits()
    x_train, x_val, y_train, y_val = train_test_split(
        digits.data / 16.0, digits.target, test_size=0.25, random_state=0, stratify=digits.target
    )
    model = MLPClassifier((64, 32), learning_rate_init=args.lr, random_state=0)
    classes = np.unique(digits.target)
    shuffle = np.random.default_rng(0)

    best = 0.0
    for epoch in range(args.epochs):
        order = shuffle.permutation(len(x_train))
        for start in range(0, len(order), args.batch_size):
            batch = order[start : start + args.batch_size]
            model.partial_fit(x_train[batch], y_train[batch], classes=classes)
            accuracy = model.score(x_train[batch], y_train[batch])
            run.log({"train/loss": model.loss_, "train/acc": accuracy, "epoch": epoch})

        predicted = model.predict(x_val)
        probabilities = model.predict_proba(x_val)
        accuracy = float((predicted == y_val).mean())
        wrong = np.flatnonzero(predicted != y_val)
        run.log(
            {
                "epoch": epoch,
                "val": {"loss": log_loss(y_val, probabilities), "f1": f1_score(y_val, predicted, average="macro")},
                "val/acc": accuracy,
                "note": f"epoch {epoch}: {len(wrong)} of {len(y_val)} digits wrong",
            }
        )
        print(f"epoch {epoch:2d}  val accuracy {accuracy:.3f}")
        if accuracy > best:
            best = accuracy
            run.summary["best"] = {"acc": accuracy, "epoch": epoch}
    log_predictions(run, x_val, y_val, model.predict_proba(x_val))
    run.finish()


def log_predictions(run: wandb.Run, pixels: np.ndarray, truth: np.ndarray, probabilities: np.ndarray) -> None:
    """The digits that the model gets wrong, and how sure it was of them."""
    predicted = probabilities.argmax(axis=1)
    sure = probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != truth)
    pictures = (255 * pixels.reshape(-1, 8, 8)).astype(np.uint8).repeat(8, axis=1).repeat(8, axis=2)
    names = [str(digit) for digit in range(10)]
    figure = go.Figure(go.Histogram(x=sure, nbinsx=20), layout={"title": {"text": "How sure the model is"}})
    rows = [[int(t), int(p), float(s), bool(t == p)] for t, p, s in zip(truth, predicted, sure, strict=True)]
    run.log(
        {
            "wrong": [wandb.Image(pictures[i], caption=f"{truth[i]} taken for {predicted[i]}") for i in wrong[:16]],
            "predictions": wandb.Table(columns=["digit", "guess", "sure", "right"], data=rows),
            "confusion": wandb.plot.confusion_matrix(
                y_true=truth.tolist(), preds=predicted.tolist(), class_names=names, title="Digits"
            ),
            "sureness": wandb.Histogram(sure, num_bins=20),
            "sureness_figure": figure,
        }
    )


if __name__ == "__main__":
    main()
