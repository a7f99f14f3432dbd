"""Several journals at once: finished in order, none taken for another."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from compat_tests.faults.conftest import Train, assert_cloud_has
from compat_tests.servers.swanlab_cloud import SwanLabCloud
from compat_tests.stores import SwanStore, WandbStore, assert_same_values

Check = Callable[..., None]

THREE = """
for n, code in ((3, 0), (1, 1), (2, 0)):
    run = wandb.init(project="p", id=f"r{n}", config={"n": n})
    for i in range(20):
        run.log({"loss": n * 100 + i})
    run.log({"word": f"run {n}"})
    print(f"run {n} is done")
    run.finish(exit_code=code)
"""


@pytest.mark.fault(
    "SwanLab is away while several runs are made, one after the other; one of them crashes",
    "`wandb-swan resume` completes each, the oldest first",
)
def test_several_journals_are_finished_oldest_first(train: Train, cloud: SwanLabCloud, unharmed: Check) -> None:
    cloud.vanish()
    training = train(THREE, gates=False, **cloud.env(), WANDB_SWAN_FINISH_TIMEOUT="0").end().mirrored()
    unharmed(training, THREE)
    assert len(training.journals) == 3
    cloud.come_back()
    told = training.command("resume", "swanlog")
    assert training.journals == []
    runs = re.findall(r"^(r\d)-\S+ \((\d) of 3\): SwanLab run at", told, re.MULTILINE)
    assert runs == [("r3", "1"), ("r1", "2"), ("r2", "3")]
    assert [kept.run_id for kept in cloud.experiments] == ["r3", "r1", "r2"]
    for kept, folder in zip(cloud.experiments, training.wandb_dirs, strict=True):
        assert folder.name.endswith(kept.run_id)
        assert_cloud_has(kept, WandbStore.read(folder))
        assert kept.config["n"] == int(kept.run_id[1])
        assert f"run {kept.run_id[1]} is done" in kept.lines
        assert kept.state == ("CRASHED" if kept.run_id == "r1" else "FINISHED")


CRASH = """
run = wandb.init(project="p", id="r1")
run.log({"loss": 1.0})
print("trained")
raise RuntimeError("boom")
"""


@pytest.mark.fault(
    "SwanLab does not take the state of a run that crashed",
    "`wandb-swan resume` brings the state; the error is there once",
)
def test_the_error_of_a_crashed_run_is_told_once(train: Train, cloud: SwanLabCloud, unharmed: Check) -> None:
    fault = cloud.fail("/state$", 500)
    training = train(CRASH, gates=False, **cloud.env(), WANDB_SWAN_FINISH_TIMEOUT="3").end(expect=1).mirrored()
    unharmed(training, CRASH)
    assert fault.hits
    assert cloud.experiment("r1").state == "RUNNING"
    cloud.heal()
    training.age().command("resume")
    kept = cloud.experiment("r1")
    assert kept.state == "CRASHED"
    assert [line for line in kept.lines if line == "trained"] == ["trained"]
    assert sum(line.startswith("Traceback") and "boom" in line for line in kept.lines) == 1
    assert_cloud_has(kept, WandbStore.read(training.wandb_dirs[0]))


SAME_SECOND = """
real = time.strftime
time.strftime = lambda form, *when: "20260102_030405" if form == "%Y%m%d_%H%M%S" else real(form, *when)
for n, (run_id, journals) in enumerate([("exp", "a"), ("exp-try1", "a"), ("exp", "b"), ("exp", "a"), ("exp", "")]):
    os.environ.pop("WANDB_SWAN_JOURNAL_DIR", None)
    if journals:
        os.environ["WANDB_SWAN_JOURNAL_DIR"] = journals
    run = wandb.init(project="p", id=run_id, dir=pathlib.Path(f"dir{n}"), config={"n": n})
    for i in range(5):
        run.log({"loss": n * 100 + i})
    run.finish()
print("done")
"""


@pytest.mark.fault(
    "Runs with the same id, or one that begins with another's, start in the same second, with one folder of journals or several",
    "each has its own SwanLab run",
)
def test_no_run_is_taken_for_an_earlier_try_of_another(train: Train) -> None:
    training = train(
        "[os.mkdir(f'dir{n}') for n in range(5)]\n" + SAME_SECOND, gates=False, WANDB_SWAN_LOG_DIR="swanlog"
    )
    training.end(timeout=240)
    stores = {store.config["n"]: store for store in map(SwanStore.read, training.swan_dirs())}
    assert sorted(stores) == list(range(5)), training.swan_dirs()
    for n, swan in stores.items():
        (folder,) = training.dir.glob(f"dir{n}/wandb/offline-run-*")
        wandb, moved = WandbStore.read(folder), 5 if n == 3 else 0  # behind the first run of that id and folder
        wandb.rows = {step + moved: row for step, row in wandb.rows.items()}
        wandb.timestamps = {step + moved: at for step, at in wandb.timestamps.items()}
        assert_same_values(wandb, swan)
