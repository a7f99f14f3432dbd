"""What the package tells installers about itself."""

from __future__ import annotations

import subprocess
import sys
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_extras_are_for_users(tmp_path: Path) -> None:
    """Those who work on the package have dependency groups, which are not shipped."""
    pytest.importorskip("hatchling")
    if not (ROOT / "pyproject.toml").exists():
        pytest.skip("not a source tree")
    build = f"import hatchling.build as b; print(b.prepare_metadata_for_build_wheel({str(tmp_path)!r}))"
    done = subprocess.run([sys.executable, "-c", build], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    told = Parser().parsestr((tmp_path / done.stdout.split()[-1] / "METADATA").read_text("utf-8"))
    assert set(told.get_all("Provides-Extra", [])) == {"dashboard", "demo", "distributed", "media"}
    assert not [one for one in told.get_all("Requires-Dist", []) if one.startswith(("pytest", "torch"))]
