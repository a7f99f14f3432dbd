"""The order of the folders, and no circle among files: the contracts of import-linter in pyproject.toml."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_a_room_imports_only_rooms_below_it() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    root = Path(__file__).parent.parent.parent
    done = subprocess.run([lint, "--no-cache"], cwd=root, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 kept, 0 broken" in done.stdout
