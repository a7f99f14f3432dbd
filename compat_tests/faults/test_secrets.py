"""No file that we write holds a key."""

from __future__ import annotations

import pytest

from compat_tests.faults.conftest import LOOP, Train
from compat_tests.servers.swanlab_cloud import SwanLabCloud

WANDB_KEY = "a1b2c3d4e5" * 4
SWANLAB_KEY = "Zy9xW8vU7tS6rQ5pO4n"


@pytest.mark.fault(
    "API keys in the environment",
    "no file that we write, and no line, holds one",
)
def test_no_file_holds_a_key(train: Train) -> None:
    with SwanLabCloud(api_key=SWANLAB_KEY) as cloud:
        environment = cloud.env() | {"WANDB_API_KEY": WANDB_KEY, "WANDB_SWAN_KEEP_JOURNAL": "1"}
        training = train(LOOP, **environment)
        training.at("middle")
        cloud.fail("/house/metrics$", 401, 1)
        training.end().mirrored()
        told = training.command("status", "--all") + training.stdout + training.stderr
        sent = repr(cloud.experiment("r1"))
    files = [path for path in training.dir.rglob("*") if path.is_file() and "wandb" not in path.parts[-3:-1]]
    assert {path.suffix for path in files} >= {".journal", ".log", ".json", ".swanlab", ".yaml"}
    for key in (WANDB_KEY, SWANLAB_KEY):
        assert key not in told
        assert key not in sent
        assert [path for path in training.dir.rglob("*") if path.is_file() and key.encode() in path.read_bytes()] == []
