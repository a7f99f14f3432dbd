"""A config from the command line.

WANDB_SWAN=1 python argparse_config.py --lr 0.5 --layers 16 8 --amp
"""

import argparse

import wandb

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--layers", type=int, nargs="+", default=[8, 4])
parser.add_argument("--amp", action="store_true")
parser.add_argument("--resume-from", default=None)
args = parser.parse_args()
wandb.init(project="argparse", config=args)
for i in range(3):
    wandb.log({"loss": args.lr / (i + 1)})
