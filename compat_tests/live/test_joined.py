"""`sync_wandb()`, or the import, after `wandb.init()`: all of the run is in SwanLab, once."""

from __future__ import annotations

import pytest

from compat_tests.conftest import Record
from compat_tests.stores import SwanStore, assert_same_values

pytestmark = pytest.mark.live

BEFORE = """
import sys, wandb
run = wandb.init(project="p", id="r1", name="first name", config={"lr": 0.5, "big": 10**20, "empty": {}}, tags=["t"])
run.define_metric("best", summary="max")
run.define_metric("val/*", step_metric="epoch")
print("a line before")
with open("saved.txt", "w") as file:
    file.write("before")
run.save("saved.txt")
for i in range(5):
    run.log({"a": i, "best": -i, "text": f"at {i}", "val/x": i, "epoch": i / 2})
run.log({"h": wandb.Histogram([1, 2, 3])})
run.config["late"] = 1
run.summary["by hand"] = "before"
run.log({"half": 1}, commit=False)
"""
AFTER = """
run.log({"other half": 2})
print("a line after")
run.name = "last name"
for i in range(3):
    run.log({"a": 10 + i})
run.log({"a": 100}, step=50)
"""
JOIN = {
    "call": "import wandb_swan\nprint('between')\nwandb_swan.sync_wandb(mode='local', workspace='w')\n",
    "import": "import wandb_swan\n",
    "twice": "import wandb_swan\nwandb_swan.sync_wandb()\nwandb_swan.sync_wandb()\n",
}
END = {
    "finish": "run.finish()\n",
    "no finish": "",
    "error": "1 / 0\n",
    "killed": "import os; os.kill(os.getpid(), 9)\n",
}


@pytest.mark.parametrize(("join", "end"), [("call", "finish"), ("import", "no finish"), ("twice", "error")])
def test_a_run_that_goes_on_already(record: Record, join: str, end: str) -> None:
    result = record(BEFORE + JOIN[join] + AFTER + END[end], expect=None)
    wandb, swan = result.pair()  # `wandb-swan verify` says the same of both
    assert_same_values(wandb, swan)
    assert sorted(swan.scalars["a"]) == [0, 1, 2, 3, 4, 7, 8, 9, 50]
    assert swan.scalars["half"] == {6: 1.0} and swan.scalars["other half"] == {6: 2.0}
    assert swan.config["lr"] == 0.5 and swan.config["big"] == 10**20 and swan.config["late"] == 1
    assert swan.start.name == "last name"
    assert swan.console().count("a line before") == swan.console().count("a line after") == 1
    assert (swan.dir / "files" / "saved.txt").read_text() == "before"
    assert result.stderr.count("wandb_swan: what run r1 logged before this line comes from wandb's own log") == 1
    (status,) = result.statuses
    assert status["mode"] == ("local" if join == "call" else "offline"), "the arguments of the call came too late"


def test_a_run_that_goes_on_already_and_is_killed(record: Record) -> None:
    """What wandb's core had not written is in the journal alone; what is in neither is counted."""
    result = record(BEFORE + JOIN["call"] + AFTER + END["killed"], expect=-9)
    (folder,) = result.swan_dirs()
    swan = SwanStore.read(folder)
    assert sorted(swan.scalars["a"])[-4:] == [7, 8, 9, 50] and "a line after" in swan.console()
    lost = {item["reason"]: item["count"] for item in swan.about.get("not_mirrored", [])}
    there = sum(step < 6 for step in {*swan.scalars["a"], *({5} if "h" in swan.kinds else ())})
    assert there + sum(lost.values()) == 6


def test_finished_runs_and_those_of_others_are_left_alone(record: Record) -> None:
    script = """
import os, wandb
wandb.init(project="p", id="over").finish()
run = wandb.init(project="p", id="parents")
run.log({"a": 1})
pid = os.fork()
if not pid:
    import wandb_swan
    os._exit(0)
os.waitpid(pid, 0)
run.finish()
"""
    result = record(script)
    assert "wandb_swan" not in result.stderr and not (result.dir / "swanlog").exists()


def test_several_runs_at_once(record: Record) -> None:
    script = """
import wandb
runs = [wandb.init(project="p", id=f"r{i}", reinit="create_new") for i in range(2)]
for run in runs:
    run.log({"a": 1})
import wandb_swan
for run in runs:
    run.log({"a": 2})
    run.finish()
"""
    pairs = record(script).pairs()
    assert sorted(pairs) == ["r0", "r1"]
    for _, swan in pairs.values():
        assert swan.scalars["a"] == {0: 1.0, 1: 2.0}
