"""A program that logs one of everything that wandb takes, with plain wandb: `bench/fidelity.py` says what arrives."""

import math
import time
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import plotly.graph_objects as go
import wandb
from PIL import Image

matplotlib.use("Agg")
import matplotlib.pyplot as plt

rng = np.random.default_rng(0)


def picture(**more: Any) -> wandb.Image:
    """Of random pixels."""
    return wandb.Image(rng.integers(0, 255, (24, 24, 3), dtype=np.uint8), **more)


run = wandb.init(
    project="fidelity",
    id="everything",
    name="one of everything",
    notes="what is carried",
    tags=["a", "b"],
    group="g",
    job_type="train",
    config={
        "lr": 0.1,
        "layers": [64, 32],
        "seed": 7,
        "amp": True,
        "note": "7",
        "model": {"kind": "mlp", "dropout": None},
    },
    settings=wandb.Settings(x_stats_sampling_interval=1),
)
run.config.update({"later": 1})
run.define_metric("epoch")
run.define_metric("val/*", step_metric="epoch")
run.define_metric("best_loss", summary="min")
for i in range(40):
    print(f"step {i}")
    nested = {"a": i, "b": {"c": i / 3}}
    run.log({"train/loss": 1 / (i + 1), "epoch": i // 10, "nested": nested, "best_loss": abs(20 - i)})
    if i % 10 == 9:
        run.log({"val/acc": i / 40, "epoch": i // 10})
run.log({"odd/nan": math.nan, "odd/inf": math.inf, "odd/yes": True, "odd/numpy": np.float32(0.25)})
run.log({"parts/a": 1.0}, commit=False)
run.log({"parts/b": 2.0})
run.log({"text": "a text", "list": [1, 2, 3], "none": None})
run.log({"after": 3.0})
run.log({"image": picture(caption="one")})
run.log({"images": [picture(caption=f"no. {i}") for i in range(3)]})
box = {"position": {"minX": 0.1, "maxX": 0.5, "minY": 0.1, "maxY": 0.5}, "class_id": 1}
run.log({"boxes": picture(boxes={"p": {"box_data": [box], "class_labels": {1: "cat"}}})})
run.log({"masks": picture(masks={"p": {"mask_data": np.eye(24, dtype=np.uint8), "class_labels": {1: "dog"}}})})
sound = np.sin(np.arange(4000) / 9).astype(np.float32)
run.log({"audio": wandb.Audio(sound, sample_rate=8000, caption="beep")})
frames = [Image.fromarray(rng.integers(0, 255, (24, 24, 3), dtype=np.uint8)) for _ in range(5)]
frames[0].save("video.gif", save_all=True, append_images=frames[1:], duration=200)
run.log({"video": wandb.Video("video.gif", caption="noise", format="gif")})
run.log({"html": wandb.Html("<p>a page</p>")})
run.log({"plotly": go.Figure(go.Scatter(x=[1, 2], y=[3, 4]))})
figure, axes = plt.subplots()
axes.plot([1, 2, 3])
run.log({"matplotlib": figure})
run.log({"table": wandb.Table(columns=["x", "y"], data=[[1, "first"], [2, "second"]])})
run.log({"gallery": wandb.Table(columns=["picture", "y"], data=[[picture(), "third"], [picture(), "fourth"]])})
run.log({"histogram": wandb.Histogram([1, 2, 2, 3])})
run.log({"confusion": wandb.plot.confusion_matrix(y_true=[0, 1, 1], preds=[0, 1, 0], class_names=["a", "b"])})
run.log({"line": wandb.plot.line(wandb.Table(columns=["x", "y"], data=[[1, 2], [3, 4]]), "x", "y", title="t")})
run.log({"cloud": wandb.Object3D(rng.random((20, 3)))})
Path("water.pdb").write_text("HETATM    1  O   HOH A   1       0.000   0.000   0.000  1.00  0.00           O\nEND\n")
run.log({"molecule": wandb.Molecule("water.pdb")})
run.summary["verdict"] = "good"
Path("weights.txt").write_text("the weights")
run.save("weights.txt")
artifact = wandb.Artifact("model", "model")
artifact.add_file("weights.txt")
run.log_artifact(artifact)
run.alert("an alert", "of something")
run.tags = (*run.tags, "later")
time.sleep(12)  # for samples of the machine's metrics
run.finish()
