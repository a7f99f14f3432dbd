"""A name, tags, notes and a group that are set after `init` are those of the SwanLab run."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from compat_tests.conftest import Record, coming_by
from compat_tests.servers.swanlab_cloud import SwanLabCloud

pytestmark = pytest.mark.live

LATE = """
import json, pathlib, time
import wandb_swan as wandb
run = wandb.init(project="p", id="late", name="first", group="g")
time.sleep(BEFORE)
run.name = "lr=0.5"
run.tags = ("x", "y")
run.notes = "why"
run.log({"a": 1})
while not any(json.loads(file.read_bytes()).get("run_dir") for file in pathlib.Path("swanlog/journals").glob("*.status.json")):
    time.sleep(0.05)  # until the SwanLab run is opened
run.name = "lr=0.7"
run.tags += ("z",)
run.log({"a": 2})
run.finish()
"""


@pytest.mark.parametrize("before", ["0.6", pytest.param("7", id="after the SwanLab run was opened")])
@pytest.mark.parametrize(("mode", "way"), [("offline", "import"), ("offline", "toggle"), ("local", "import")])
def test_a_run_on_disk_has_the_last_ones(record: Record, mode: str, way: str, before: str) -> None:
    if mode == "local":
        pytest.importorskip("swanboard")
    result = coming_by(way, record)(LATE.replace("BEFORE", before), WANDB_SWAN_MODE=mode)
    _, swan = result.pair()  # `wandb-swan verify` compares them too
    assert (swan.start.name, swan.start.description, swan.start.group) == ("lr=0.7", "why", "g")
    assert list(swan.start.tags) == ["x", "y", "z"] and swan.scalars == {"a": {0: 1, 1: 2}}
    assert not result.statuses[0]["not_mirrored"]
    if mode == "local":
        with sqlite3.connect(result.dir / "swanlog" / "runs.swanlab") as database:
            assert database.execute("select name, description from experiment").fetchall() == [("lr=0.7", "why")]


@pytest.mark.parametrize("takes", [True, False])
def test_swanlabs_server_is_told(record: Record, tmp_path: Path, takes: bool) -> None:
    with SwanLabCloud() as cloud:
        cloud.renames = takes
        result = record(LATE.replace("BEFORE", "7"), **cloud.env(tmp_path / "swanlab"))
        kept = cloud.experiment("late")
        assert (kept.name == "lr=0.7") == takes and kept.scalars["a"].keys() == {0, 1}
        assert kept.states[-1] == "FINISHED"
        assert kept.config["wandb_run"]["name"] == "lr=0.7"
        assert not takes or (kept.tags, kept.description, kept.group) == (["x", "y", "z"], "why", "g")
        reason = "SwanLab's server does not take a new name, description, tags, group or job type"
        lost = [] if takes else [{"key": "run", "reason": reason, "count": 1}]
        assert result.statuses[0]["not_mirrored"] == lost, json.dumps(result.statuses, indent=1)


def test_what_is_set_before_the_first_row_needs_no_change(record: Record, tmp_path: Path) -> None:
    with SwanLabCloud() as cloud:
        cloud.renames = False
        record(LATE.replace("BEFORE", "0.6"), **cloud.env(tmp_path / "swanlab"))
        kept = cloud.experiment("late")
        assert (kept.name, kept.tags, kept.description, kept.group) == ("lr=0.5", ["x", "y"], "why", "g")


def test_a_run_of_a_sweep_is_in_its_group(record: Record) -> None:
    script = """
    import wandb_swan as wandb
    wandb.init(project="p").finish()
    wandb.init(project="p", group="mine").finish()
    """
    of_sweep, of_user = (swan for _, swan in record(script, WANDB_SWEEP_ID="sweep1").pairs().values())
    assert (of_sweep.start.group, of_user.start.group) == ("sweep1", "mine")
    assert of_sweep.about["sweep_id"] == "sweep1" and "group" not in of_sweep.about
