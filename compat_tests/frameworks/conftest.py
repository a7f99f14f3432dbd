"""Runs a framework's script of `examples/`, as its users write it, under `WANDB_SWAN=1`, and compares both stores."""

from __future__ import annotations

import copy
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from compat_tests.conftest import Record, Recorded
from compat_tests.stores import SwanStore, WandbStore, assert_same_values, leaves

Train = Callable[..., "Trained"]
SYSTEM = "__swanlab__."
"""What SwanLab's own monitor logs, in a run that lasts longer than its first interval."""


def example(name: str) -> str:
    """The program of `examples/` with this name."""
    return (Path(__file__).parents[2] / "examples" / f"{name}.py").read_text("utf-8")


def needs(module: str) -> None:
    """Skips where `module` is not installed; does not import it into the test process."""
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed")


@dataclass
class Trained(Recorded):
    """What a framework left behind. Wandb's folder may be anywhere below `wandb_root`, SwanLab's is the project's."""

    wandb_root: Path

    @property
    def wandb_dirs(self) -> list[Path]:
        logs = self.wandb_root.glob("**/wandb/*run-*-*/run-*.wandb")
        return [log.parent for log in logs if not log.parent.is_symlink()]


@pytest.fixture
def train(record: Record) -> Train:
    """`record` for code that imports wandb alone, or not at all."""

    def run(script: str, *args: str, **given: Any) -> Trained:
        given = {"WANDB_SWAN": "1", "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", "timeout": 240, **given}
        result = record(script, *args, **given)
        return Trained(**vars(result), wandb_root=result.dir)

    return run


def assert_same_run(wandb: WandbStore, swan: SwanStore) -> None:
    """Every scalar, text and config entry is the same; every chart, table and picture is there in some form."""
    swan = copy.copy(swan)
    swan.media = {key: dict(steps) for key, steps in swan.media.items()}
    swan.scalars = {key: steps for key, steps in swan.scalars.items() if not key.startswith(SYSTEM)}
    for step, row in wandb.rows.items():
        for path, value in leaves(row).items():
            if isinstance(value, dict):
                key = "/".join(path)
                chart = key.removesuffix("_table")  # a wandb.plot chart logs its table under this name
                shown = {name for name in (key, chart) if step in swan.media.get(name, {})}
                assert shown, f"{value['_type']} {key} at step {step} is not in SwanLab"
                for name in shown:
                    del swan.media[name][step]
    assert_same_values(wandb, swan)
    assert {key: swan.config.get(key) for key in wandb.config} == wandb.config


def only_run(result: Recorded) -> tuple[WandbStore, SwanStore]:
    """Both stores of the only run, which are the same."""
    wandb, swan = result.pair()
    assert wandb.exit_code == 0
    assert swan.state == "finished"
    assert_same_run(wandb, swan)
    return wandb, swan


def keys(wandb: WandbStore) -> set[str]:
    """Every metric that the run logged."""
    found: set[Any] = {"/".join(path) for row in wandb.rows.values() for path in leaves(row)}
    return found
