"""The examples run as `make demo` runs them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from compat_tests.conftest import clean_environment

pytestmark = pytest.mark.live

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


def test_the_demo(tmp_path: Path) -> None:
    environment = clean_environment(tmp_path, WANDB_MODE="offline", WANDB_SWAN_MODE="local")
    for script in ("train_digits.py", "compare.py"):
        done = subprocess.run(
            [sys.executable, EXAMPLES / script],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=200,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert "points: the two stores are identical" in done.stdout
