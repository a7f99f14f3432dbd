"""Keras on TensorFlow, with W&B's WandbMetricsLogger.

WANDB_SWAN=1 python keras_metrics_logger.py
"""

import keras
import numpy as np
import wandb
from wandb.integration.keras import WandbMetricsLogger

wandb.init(project="keras", config={"units": 2})
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(wandb.config.units), keras.layers.Dense(1)])
model.compile("sgd", "mse", metrics=["mae"])
x = np.random.default_rng(0).normal(size=(16, 3))
callback = WandbMetricsLogger(log_freq=1)
model.fit(x, x.sum(1), epochs=3, batch_size=4, validation_split=0.25, verbose=0, callbacks=[callback])
wandb.finish()
