"""Our wheel, put by `pip install --no-deps` beside the newest wandb that takes an older protobuf; the mirror from here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from compat_tests.conftest import Recorded, clean_environment, wait_for_mirrors
from compat_tests.installations import NO_COMMAND, NOT_NEEDED, TRAIN, Installation, said

pytestmark = [pytest.mark.slow, pytest.mark.live]

ROOT = Path(__file__).parent.parent.parent
UV = Path(sys.executable).with_name("uv")


def output(*command: str | Path) -> str:
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=300).stdout


@pytest.mark.parametrize("protobuf", ["3.20.3", "4.25.8", "5.29.5"])
def test_an_environment_that_keeps_its_packages(wheel: Path, protobuf: str, tmp_path: Path) -> None:
    output(UV, "venv", "-q", tmp_path / "venv", "--python", sys.executable)
    python = tmp_path / "venv" / "bin" / "python"
    output(UV, "pip", "install", "-q", "--python", python, "wandb", f"protobuf=={protobuf}")
    before = output(UV, "pip", "freeze", "--python", python).splitlines()
    assert not any(line.startswith("swanlab") for line in before)
    output(UV, "pip", "install", "-q", "--no-deps", "--python", python, wheel)
    after = output(UV, "pip", "freeze", "--python", python).splitlines()
    assert [line for line in after if not line.startswith("wandb-swan")] == before

    def train(folder: str, **more: str) -> Recorded:
        work = tmp_path / folder
        (work / "home").mkdir(parents=True)
        (work / "train.py").write_text(TRAIN)
        done = subprocess.run(
            [python, "train.py"],
            cwd=work,
            env=clean_environment(work / "home", WANDB_SWAN="1", **NO_COMMAND, **more),
            capture_output=True,
            text=True,
            timeout=200,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return Recorded(work, done.returncode, done.stdout, done.stderr)

    named = train("named", WANDB_SWAN_PYTHON=sys.executable)
    wait_for_mirrors(named.dir)
    assert named.pair()[1].scalars["a"] == {0: 0.0, 1: 1.0, 2: 2.0}
    alone = train("alone")
    (line,) = said(alone)
    assert "swanlab is not installed" in line and "the journal waits" in line
    command = [Path(sys.executable).with_name("wandb-swan"), "resume"]
    done = subprocess.run(command, cwd=alone.dir, env=clean_environment(alone.dir / "home"), capture_output=True)
    assert done.returncode == 0, done.stderr
    assert alone.pair()[1].scalars["a"] == {0: 0.0, 1: 1.0, 2: 2.0}


def test_a_sidecar_is_made_found_and_removed(tmp_path: Path) -> None:
    """As typed: an environment of its own, from the package index; trainings without SwanLab are mirrored from it."""
    place = Installation(tmp_path, without=NOT_NEEDED)

    def sidecar(*options: str, expect: int = 0) -> str:
        done = subprocess.run(
            [Path(sys.executable).with_name("wandb-swan"), "sidecar", *options],
            env=clean_environment(place.home, PATH=f"{UV.parent}:/usr/bin:/bin"),
            capture_output=True,
            text=True,
            timeout=500,
        )
        assert done.returncode == expect, done.stderr
        return done.stdout

    sidecar("--where", expect=1)
    said = sidecar("--swanlab", "0.10.2")
    folder = Path(sidecar("--where").strip())
    assert str(folder) in said and folder.is_relative_to(place.home)
    versions = output(folder / "bin" / "python", "-c", "import swanlab, wandb_swan; print(swanlab.__version__)")
    assert versions.strip() == "0.10.2"
    result = place.start("train.py", WANDB_SWAN="1", **NO_COMMAND)
    assert result.pair()[1].scalars["a"] == {0: 0.0, 1: 1.0, 2: 2.0}
    assert "removed" in sidecar("--remove") and not folder.exists()
