"""Our wheel from the package index's packages, in empty environments: each Python that is declared, `uv tool`, `pipx`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from compat_tests.conftest import Recorded, clean_environment, wait_for_mirrors
from compat_tests.installations import NO_COMMAND, NOT_NEEDED, TRAIN, Installation, interpreter

pytestmark = [pytest.mark.slow, pytest.mark.live]

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
PYTHONS = re.findall(r"Python :: (3\.\d+)\"", (ROOT / "pyproject.toml").read_text("utf-8"))
"""The declared ones."""
WHOLE = (3, 10)
"""The oldest Python that has the mirror and the command line; older ones have the training's side."""


def run(*command: str | Path, cwd: Path, home: Path, expect: int = 0, **more: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command,
        cwd=cwd,
        env=clean_environment(home, SWANLAB_PROBE_MONITOR="false", **more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done


def trained(python: str | Path, folder: Path, **more: str) -> Recorded:
    """A training of that Python, mirrored."""
    work = folder / "work"
    work.mkdir()
    (work / "train.py").write_text(TRAIN)
    done = run(python, "train.py", cwd=work, home=folder, WANDB_SWAN="1", **more)
    wait_for_mirrors(work)
    return Recorded(work, done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("version", PYTHONS)
def test_an_empty_environment(wheel: Path, version: str, tmp_path: Path) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    run(UV, "venv", "-q", "--python", interpreter(version), tmp_path / "venv", cwd=tmp_path, home=tmp_path)
    run(UV, "pip", "install", "-q", "--python", python, wheel, cwd=tmp_path, home=tmp_path)
    run(UV, "pip", "check", "--python", python, cwd=tmp_path, home=tmp_path)
    whole = tuple(map(int, version.split("."))) >= WHOLE
    mirrors = {} if whole else {"WANDB_SWAN_PYTHON": sys.executable}
    result = trained(python, tmp_path, **NO_COMMAND, **mirrors)
    assert result.pair()[1].scalars["a"] == {0: 0.0, 1: 1.0, 2: 2.0}
    command = python.with_name("wandb-swan")
    told = run(command, "doctor", cwd=tmp_path, home=tmp_path, PATH=f"{python.parent}:/usr/bin:/bin", **mirrors).stdout
    assert "one run, the same in wandb and SwanLab" in told and "not ok" not in told


def test_the_first_lines_of_the_readme(wheel: Path, tmp_path: Path) -> None:
    """A demo without a login, and a look at it, of what `pip install 'wandb-swan[demo]'` gives."""
    python = tmp_path / "venv" / "bin" / "python"
    run(UV, "venv", "-q", "--python", sys.executable, tmp_path / "venv", cwd=tmp_path, home=tmp_path)
    run(
        UV,
        "pip",
        "install",
        "-q",
        "--python",
        python,
        f"wandb-swan[demo] @ {wheel.as_uri()}",
        cwd=tmp_path,
        home=tmp_path,
    )
    command = python.with_name("wandb-swan")
    said = run(command, "demo", "--epochs", "2", cwd=tmp_path, home=tmp_path, **NO_COMMAND).stdout
    assert "the two stores are identical" in said
    run(command, "view", "wandb-swan-demo/swanlog", "--html", "demo.html", cwd=tmp_path, home=tmp_path, **NO_COMMAND)
    assert "mlp on digits" in (tmp_path / "demo.html").read_text("utf-8")


@pytest.mark.parametrize("installer", ["uv", "pipx"])
def test_as_a_tool_beside_a_training_environment(wheel: Path, installer: str, tmp_path: Path) -> None:
    """As in the README: the training's own environment has neither us nor SwanLab, and stays as it is."""
    trainer = Installation(tmp_path / "trainer", without=NOT_NEEDED, ours=False)
    tools, binaries = str(tmp_path / "tools"), tmp_path / "bin"
    if installer == "uv":
        command = [UV, "tool", "install", "-q", "--python", sys.executable, wheel]
        places = {"UV_TOOL_DIR": tools, "UV_TOOL_BIN_DIR": str(binaries)}
    else:
        command = [UV, "tool", "run", "pipx", "install", "-q", "--python", sys.executable, wheel]
        places = {"PIPX_HOME": tools, "PIPX_BIN_DIR": str(binaries), "PIPX_MAN_DIR": tools}
    run(*command, cwd=tmp_path, home=tmp_path, **places)
    (trainer.work / "train.py").write_text(TRAIN)
    line = [binaries / "wandb-swan", "run", "--", trainer.python, "train.py"]
    done = run(*line, cwd=trainer.work, home=trainer.home, **NO_COMMAND)
    wait_for_mirrors(trainer.work)
    result = Recorded(trainer.work, done.returncode, done.stdout, done.stderr)
    assert result.pair()[1].scalars["a"] == {0: 0.0, 1: 1.0, 2: 2.0}
    told = run(
        binaries / "wandb-swan", "doctor", "--python", trainer.python, cwd=tmp_path, home=trainer.home, **NO_COMMAND
    ).stdout
    assert "one run, the same in wandb and SwanLab" in told and "not ok" not in told


def test_the_source_distribution_tests_itself(distributions: Path, tmp_path: Path) -> None:
    """Unpacked, all of its tests are found, and those of what would be published run in it."""
    (sdist,) = distributions.glob("*.tar.gz")
    run("tar", "xf", sdist, cwd=tmp_path, home=tmp_path)
    (folder,) = tmp_path.glob("wandb_swan-*")
    pytest_here = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    run(*pytest_here, "--collect-only", "compat_tests", cwd=folder, home=tmp_path, PYTHONPATH=str(folder))
    run(*pytest_here, "compat_tests/surface/test_distributions.py", cwd=folder, home=tmp_path)
