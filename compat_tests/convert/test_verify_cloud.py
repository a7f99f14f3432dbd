# ruff: noqa: F811
"""`wandb-swan verify` with an experiment in SwanLab's cloud (a loopback one): what can be read back is compared."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from compat_tests.convert.conftest import Cli, run_dirs
from compat_tests.convert.experiment import EXPORT, cloud, converted, kept, recorded  # noqa: F401
from compat_tests.servers.swanlab_cloud import SwanLabCloud
from compat_tests.servers.swanlab_state import Experiment
from wandb_swan.parity.pairing import Pair, pairs
from wandb_swan.parity.report import Parity

pytestmark = pytest.mark.live


def compared(recorded: Path) -> Parity:
    (pair,) = pairs(str(run_dirs(recorded)["read"]), "swan/p/read")
    assert isinstance(pair, Pair)
    return pair.parity


def test_what_can_be_read_back_is_the_same(cloud: SwanLabCloud, recorded: Path) -> None:
    parity = compared(recorded)
    assert parity.identical, parity.differences()
    assert {metric.metric: metric.points_wandb for metric in parity.metrics} == {
        "a": 2000,
        "b/c": 2000,
        'odd, "key"': 1,
        "word": 2,
        "picture": 1,
    }
    assert any("saved files" in what for what in parity.not_compared)


def test_the_command(cloud: SwanLabCloud, recorded: Path, cli: Cli, tmp_path: Path) -> None:
    cli.env.update(cloud.env(tmp_path / "swanlab"))
    said = cli("verify", run_dirs(recorded)["read"], "swan/p/read", "--json", "r.json")
    assert "1 of 1 runs identical" in said and "not compared: saved files" in said
    (run,) = json.loads((cli.dir / "r.json").read_text())
    assert run["depth"] == "counts" and run["swanlab"] == "swan/p/read"
    said = cli("verify", run_dirs(recorded)["read"], "swan/p/nothing", expect=2)
    assert "there is none that this login may see" in said and said.count("\n") == 1


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda it: it.scalars["a"].pop(700), "a (scalar): 1 missing (step 700: not in SwanLab)"),
        (
            lambda it: it.scalars["a"].update({700: (1.0, it.scalars["a"][700][1])}),
            "step 700: 350.0 in wandb, 1.0",
        ),
        (lambda it: it.scalars["a"].update({5000: (1.0, 1.0)}), "a (scalar): 1 extra"),
        (lambda it: it.scalars.pop("b/c"), "b/c (scalar): 2000 missing"),
        (lambda it: it.media["word"].pop(2001), "word (text): 1 missing"),
        (
            lambda it: it.media["picture"].update({2000: [replace(it.media["picture"][2000][0], caption="white")]}),
            "the caption 'black' in wandb",
        ),
        (lambda it: it.profile["config"]["lr"].update(value="0.5"), "config lr: 0.5 in wandb"),
        (lambda it: it.console.clear(), "console"),
        (lambda it: setattr(it, "state", "FINISHED"), "run state"),
    ],
)
def test_a_change_is_seen(
    cloud: SwanLabCloud,
    recorded: Path,
    kept: Experiment,
    change: Callable[[Experiment], object],
    named: str,
) -> None:
    before = copy.deepcopy(vars(kept))
    try:
        change(kept)
        found = compared(recorded).differences()
    finally:
        vars(kept).update(before)
    assert any(named in difference for difference in found), found


def test_a_sample_of_the_points_is_no_difference(cloud: SwanLabCloud, recorded: Path) -> None:
    cloud.fail(EXPORT, 404)
    parity = compared(recorded)
    assert parity.identical, parity.differences()
    (metric,) = (metric for metric in parity.metrics if metric.metric == "a")
    assert "a sample of the points" in metric.not_compared[0] and "last step 1999" in metric.compared
