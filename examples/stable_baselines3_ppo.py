"""stable-baselines3 with W&B's callback, or through TensorBoard.

WANDB_SWAN=1 python stable_baselines3_ppo.py [--tensorboard]
"""

import sys

import gymnasium
import wandb
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback, CallbackList
from wandb.integration.sb3 import WandbCallback


class Log(BaseCallback):
    def _on_step(self):
        if self.n_calls % 16 == 0:
            wandb.log({"calls": self.n_calls, "steps": self.num_timesteps})
        return True


TENSORBOARD = "--tensorboard" in sys.argv
run = wandb.init(project="sb3", config={"policy": "MlpPolicy"}, sync_tensorboard=TENSORBOARD)
model = PPO(
    run.config.policy,
    gymnasium.make("CartPole-v1"),
    n_steps=32,
    batch_size=16,
    n_epochs=1,
    seed=0,
    device="cpu",
    tensorboard_log=f"runs/{run.id}" if TENSORBOARD else None,
)
callbacks = [WandbCallback(verbose=0)] + ([] if TENSORBOARD else [Log()])
model.learn(96, callback=CallbackList(callbacks))
run.finish()
