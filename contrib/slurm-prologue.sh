#!/bin/sh
# TaskProlog of Slurm: what is printed as `export NAME=value` is set for the task. The relay runs on the login node:
#   wandb-swan relay /shared/$USER/swanlog
swanlog="${SWANLOG_SHARED:-/shared}/$USER/swanlog"
mkdir -p "$swanlog" || exit 0 # the job goes on without
echo "export WANDB_SWAN=1"
echo "export WANDB_SWAN_MIRROR=relay"
echo "export WANDB_SWAN_LOG_DIR=$swanlog"
