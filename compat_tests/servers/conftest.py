"""The loopback W&B for a test, and the real wandb client, in processes of its own, that talks to it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from compat_tests.servers.wandb_cloud import WandbCloud

PRELUDE = """
import json, math, os, sys, time
import wandb
def say(value):
    print("@@" + json.dumps(value), flush=True)
"""


class Client:
    """Runs scripts with the installed wandb, each in its own process, and knows the processes they leave."""

    def __init__(self, cloud: WandbCloud, folder: Path) -> None:
        self.cloud, self.folder = cloud, folder
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("WANDB_")}
        self.env |= cloud.env(folder, impatient=True)

    def start(self, script: str, **env: str) -> subprocess.Popen[str]:
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        command = [sys.executable, "-c", PRELUDE + script]
        return subprocess.Popen(command, env=self.env | env, cwd=self.folder, text=True, **pipes)  # type: ignore[call-overload]

    def __call__(self, script: str, *, fails: bool = False, refused: bool = False, **env: str) -> Any:
        """What the script said last (None: nothing). What wandb asks, W&B's schema must have, but for `refused`."""
        process = self.start(script, **env)
        out, _ = process.communicate(timeout=150)
        assert (process.returncode != 0) == fails, out
        assert not self.cloud.errors, self.cloud.errors
        assert refused or not self.cloud.refused, self.cloud.refused
        said = [line[2:] for line in out.splitlines() if line.startswith("@@")]
        return json.loads(said[-1]) if said else None

    def left(self) -> list[int]:
        """The processes that still run with this folder in their environment (wandb-core is one)."""
        found = []
        for place in Path("/proc").glob("[0-9]*/environ"):
            try:
                if f"WANDB_DIR={self.folder}\0".encode() in place.read_bytes():
                    found.append(int(place.parent.name))
            except OSError:
                continue
        return found


@pytest.fixture
def cloud() -> Iterator[WandbCloud]:
    from compat_tests.servers.wandb_cloud import WandbCloud

    with WandbCloud() as cloud:
        yield cloud


@pytest.fixture
def client(cloud: WandbCloud, tmp_path: Path) -> Iterator[Client]:
    client = Client(cloud, tmp_path)
    yield client
    end = time.monotonic() + 15
    while (left := client.left()) and time.monotonic() < end:
        time.sleep(0.05)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left
