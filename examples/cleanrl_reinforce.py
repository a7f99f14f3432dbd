"""Reinforcement learning in one file, as CleanRL has it: TensorBoard's writer, videos, the code saved.

WANDB_SWAN=1 python cleanrl_reinforce.py
"""

import time
from dataclasses import dataclass

import gymnasium as gym
import torch
from torch.distributions import Categorical
from torch.utils.tensorboard import SummaryWriter


@dataclass
class Args:
    exp_name: str = "reinforce"
    seed: int = 1
    track: bool = True
    wandb_project_name: str = "cleanRL"
    wandb_entity: str = None
    capture_video: bool = True
    env_id: str = "CartPole-v1"
    total_timesteps: int = 128
    learning_rate: float = 1e-2
    num_envs: int = 2
    num_steps: int = 32


def make_env(env_id, idx, capture_video, run_name):
    def thunk():
        if capture_video and idx == 0:
            env = gym.make(env_id, render_mode="rgb_array")
            env = gym.wrappers.RecordVideo(env, f"videos/{run_name}", episode_trigger=lambda n: n % 2 == 0)
        else:
            env = gym.make(env_id)
        return gym.wrappers.RecordEpisodeStatistics(env)

    return thunk


args = Args()
run_name = f"{args.env_id}__{args.exp_name}__{args.seed}__{int(time.time())}"
if args.track:
    import wandb

    wandb.init(
        project=args.wandb_project_name,
        entity=args.wandb_entity,
        sync_tensorboard=True,
        config=vars(args),
        name=run_name,
        monitor_gym=True,
        save_code=True,
    )
writer = SummaryWriter(f"runs/{run_name}")
writer.add_text(
    "hyperparameters",
    "|param|value|\n|-|-|\n" + "\n".join(f"|{key}|{value}|" for key, value in vars(args).items()),
)
torch.manual_seed(args.seed)
envs = gym.vector.SyncVectorEnv([make_env(args.env_id, i, args.capture_video, run_name) for i in range(args.num_envs)])
agent = torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.Tanh(), torch.nn.Linear(16, 2))
optimizer = torch.optim.Adam(agent.parameters(), lr=args.learning_rate, eps=1e-5)
obs, _ = envs.reset(seed=args.seed)
global_step = 0
start_time = time.time()
for _ in range(args.total_timesteps // (args.num_envs * args.num_steps)):
    terms = []
    for _ in range(args.num_steps):
        global_step += args.num_envs
        policy = Categorical(logits=agent(torch.tensor(obs, dtype=torch.float32)))
        action = policy.sample()
        obs, reward, terminations, truncations, infos = envs.step(action.numpy())
        terms.append(policy.log_prob(action) * torch.tensor(reward, dtype=torch.float32))
        for info in infos.get("final_info", []):
            if info and "episode" in info:
                print(f"global_step={global_step}, episodic_return={info['episode']['r']}")
                writer.add_scalar("charts/episodic_return", info["episode"]["r"], global_step)
                writer.add_scalar("charts/episodic_length", info["episode"]["l"], global_step)
    loss = -torch.stack(terms).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    writer.add_scalar("charts/learning_rate", optimizer.param_groups[0]["lr"], global_step)
    writer.add_scalar("losses/policy_loss", loss.item(), global_step)
    writer.add_histogram("weights/first", agent[0].weight, global_step)
    writer.add_scalar("charts/SPS", int(global_step / (time.time() - start_time)), global_step)
envs.close()
writer.close()
