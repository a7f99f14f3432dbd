"""`wandb-swan demo`, which `make demo` types, too."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from compat_tests.conftest import clean_environment
from wandb_swan.__main__ import main
from wandb_swan.commands import demo

pytestmark = pytest.mark.live


def test_the_demo(tmp_path: Path) -> None:
    command = Path(sys.executable).with_name("wandb-swan")
    unkind = clean_environment(tmp_path / "home", WANDB_SWAN="0", WANDB_MODE="disabled", WANDB_SWAN_LOG_DIR="elsewhere")
    for folder in ("twice", "twice"):
        done = subprocess.run(
            [command, "demo", folder, "--epochs", "1"], cwd=tmp_path, env=unkind, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "points: the two stores are identical" in done.stdout
        assert done.stdout.count("wandb | SwanLab") == 1, "the run of this time alone"
    assert "type `swanlab watch twice/swanlog` to see it" in done.stderr
    *_, drawn, _, watch, _, view = done.stdout.splitlines()
    assert "draws 8 of the 12 metrics" in drawn
    assert watch.endswith("swanlab watch twice/swanlog`")
    assert view.endswith("wandb-swan view twice/swanlog --wandb twice/wandb`")
    assert len([*tmp_path.glob("twice/swanlog/run-*")]) == 2 and not (tmp_path / "elsewhere").exists()


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    done = CliRunner().invoke(main, ["demo", str(tmp_path)])
    assert done.exit_code == 2 and "holds other things" in done.output and done.output.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_without_scikit_learn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    look = importlib.util.find_spec
    monkeypatch.setattr(demo, "find_spec", lambda name: None if name == "sklearn" else look(name))
    done = CliRunner().invoke(main, ["demo", str(tmp_path / "new")])
    assert done.exit_code == 2
    assert "needs scikit-learn: type `pip install 'wandb-swan[demo]'`" in done.output
    assert not (tmp_path / "new").exists()
