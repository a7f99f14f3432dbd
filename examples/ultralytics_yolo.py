"""Ultralytics YOLO, whose settings switch W&B on.

WANDB_SWAN=1 python ultralytics_yolo.py
"""

from pathlib import Path

import numpy as np
from PIL import Image
from ultralytics import YOLO, settings

rng = np.random.default_rng(0)
for split in ("train", "val"):
    for kind in ("images", "labels"):
        Path(f"squares/{kind}/{split}").mkdir(parents=True)
    for i in range(4):
        pixels = rng.integers(0, 99, (32, 32, 3))
        pixels[8:24, 8:24, i % 3] = 255
        Image.fromarray(pixels.astype("uint8")).save(f"squares/images/{split}/{i}.png")
        Path(f"squares/labels/{split}/{i}.txt").write_text(f"{i % 2} 0.5 0.5 0.5 0.5\n")
Path("squares.yaml").write_text(
    f"path: {Path('squares').resolve()}\ntrain: images/train\nval: images/val\nnames:\n  0: square\n  1: block\n"
)
settings.update({"wandb": True, "runs_dir": "runs"})  # else those of the repository that Python is in
model = YOLO("yolov8n.yaml")
model.train(
    data="squares.yaml",
    epochs=2,
    imgsz=32,
    batch=4,
    device="cpu",
    workers=0,
    project="shapes",
    name="tiny",
    amp=False,
    seed=0,
)
