"""Keras, any backend, with a callback of two lines.

WANDB_SWAN=1 python keras_callback.py
"""

import keras
import numpy as np
import wandb

wandb.init(project="keras", config={"units": 2})
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(wandb.config.units), keras.layers.Dense(1)])
model.compile("sgd", "mse", metrics=["mae"])
x = np.random.default_rng(0).normal(size=(16, 3))
callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: wandb.log(logs, step=epoch))
model.fit(x, x.sum(1), epochs=3, batch_size=4, validation_split=0.25, verbose=0, callbacks=[callback])
wandb.finish()
