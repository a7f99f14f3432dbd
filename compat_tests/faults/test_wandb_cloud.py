"""Runs that W&B's server continues, forks, rewinds or shares between processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from compat_tests.conftest import Record
from compat_tests.faults.conftest import Train, until
from compat_tests.servers.swanlab_cloud import SwanLabCloud
from compat_tests.stores import SwanStore

pytest.importorskip("graphql", reason="the loopback W&B parses GraphQL with graphql-core")
from compat_tests.servers.wandb_cloud import WandbCloud

Check = Callable[..., None]

PART = """
run = wandb.init(project="p", id="r1", resume=os.environ.get("RESUME") or None, config={{"part": {part}}})
print("starts at", run.starting_step)
for i in range(10):
    run.log({{"loss": {part} * 100 + i}})
    if i == 5:
        gate("middle")
gate("end")
run.finish()
print("part {part}")
"""


@pytest.fixture
def wandb_cloud() -> Iterator[WandbCloud]:
    with WandbCloud() as running:
        yield running


def both(wandb_cloud: WandbCloud, cloud: SwanLabCloud | None = None, **more: str) -> dict[str, str]:
    theirs = wandb_cloud.env(impatient=True) | {"WANDB_MODE": "online"}
    return theirs | (cloud.env() if cloud is not None else {}) | more


@pytest.mark.fault(
    '`resume="allow"`, `"must"`, `"auto"` with the same id',
    "the same SwanLab experiment goes on at the right step",
)
@pytest.mark.parametrize("how", ["allow", "must", "auto"])
def test_a_wandb_resume_continues_the_experiment(
    train: Train, cloud: SwanLabCloud, wandb_cloud: WandbCloud, how: str
) -> None:
    first = "auto" if how == "auto" else ""
    train(PART.format(part=1), gates=False, **both(wandb_cloud, cloud, RESUME=first)).end().mirrored().age()
    second = train(PART.format(part=2), gates=False, **both(wandb_cloud, cloud, RESUME=how)).end().mirrored()
    assert "starts at 10" in second.stdout
    kept = cloud.experiment("r1")
    assert kept.metrics["loss"] == {i: 100 + i if i < 10 else 190 + i for i in range(20)}
    assert kept.duplicate_points == []
    assert kept.states == ["RUNNING", "FINISHED"] * 2
    assert kept.config["part"] == 2
    assert [line for line in kept.lines if line.startswith("part") or line.startswith("starts")] == [
        "starts at 0",
        "starts at 10",
    ]


@pytest.mark.fault(
    "A run is resumed in wandb while its first part is not whole in SwanLab",
    "the first part is completed first; no point is lost or doubled",
)
def test_a_resumed_run_brings_its_unfinished_part_first(
    train: Train, cloud: SwanLabCloud, wandb_cloud: WandbCloud
) -> None:
    first = train(PART.format(part=1), **both(wandb_cloud, cloud, WANDB_SWAN_FINISH_TIMEOUT="1"))
    first.at("middle")
    until(lambda: cloud.experiments and len(cloud.experiment("r1").metrics.get("loss", ())) == 6)
    cloud.vanish()
    first.end()
    assert "wandb-swan resume" in first.said[-1]
    first.mirrored().age()
    cloud.come_back()
    train(PART.format(part=2), gates=False, **both(wandb_cloud, cloud, RESUME="must")).end().mirrored()
    kept = cloud.experiment("r1")
    assert kept.metrics["loss"] == {i: 100 + i if i < 10 else 190 + i for i in range(20)}
    assert kept.duplicate_points == []
    assert first.journals == []


BRANCH = """
run = wandb.init(project="p", {how}="r1?_step=4")
for i in range(3):
    run.log({{"loss": 900 + i}})
run.finish()
"""


@pytest.mark.fault(
    "`fork_from` and `resume_from`",
    "a SwanLab run of its own that says where it came from",
)
@pytest.mark.parametrize("how", ["fork_from", "resume_from"])
def test_a_run_that_branches_off_is_a_run_of_its_own(
    train: Train, cloud: SwanLabCloud, wandb_cloud: WandbCloud, how: str
) -> None:
    """A rewind is made with W&B offline: the stand-in for its server cannot rewind."""
    environment = both(wandb_cloud, cloud, WANDB_MODE="online" if how == "fork_from" else "offline")
    train(PART.format(part=1), gates=False, **environment).end().mirrored()
    train(BRANCH.format(how=how), gates=False, **environment).end().mirrored()
    old, new = cloud.experiments
    assert len(old.metrics["loss"]) == 10
    assert new.run_id != "r1"
    assert new.run_id.startswith("r1-rewound-") == (how == "resume_from")
    assert sorted(new.metrics["loss"].values()) == [900, 901, 902]
    assert "r1" in new.config["wandb_run"][how]


SHARED = """
import subprocess
settings = wandb.Settings(mode="shared", x_primary={primary}, x_label="{label}")
run = wandb.init(project="p", id="r1", settings=settings)
for i in range(5):
    run.log({{"{label}/loss": i}})
gate("middle")
run.finish()
print("done")
"""


@pytest.mark.fault(
    "wandb's shared mode: two processes, one run",
    "SwanLab has what the primary logs; the other says so in one line",
)
def test_shared_mode_mirrors_the_primary_and_says_so(train: Train, wandb_cloud: WandbCloud) -> None:
    environment = both(wandb_cloud, WANDB_MODE="shared")
    primary = train(SHARED.format(primary=True, label="one"), **environment)
    primary.at("middle")
    other = train(SHARED.format(primary=False, label="two"), name="other", gates=False, **environment).end().mirrored()
    primary.end().mirrored()
    assert "SwanLab gets what its primary process logs" in other.stderr
    assert other.swan_dirs() == []
    (folder,) = primary.swan_dirs()
    assert SwanStore.read(folder).scalars["one/loss"] == {i: float(i) for i in range(5)}


UNLOGGED = """
run = wandb.init(project="p", id="r1", config={"lr": 0.1}, settings=wandb.Settings(x_skip_transaction_log=True))
for i in range(300):
    run.log({"loss": 1 / (i + 1), "note": f"step {i}", "deep": {"a": i}})
run.finish()
"""


@pytest.mark.fault(
    "`x_skip_transaction_log`: wandb online writes no log to compare with",
    "the journal alone is enough: SwanLab has what W&B's server has",
)
def test_a_run_without_a_transaction_log(train: Train, wandb_cloud: WandbCloud) -> None:
    training = train(UNLOGGED, gates=False, **both(wandb_cloud)).end().mirrored()
    assert not list(training.dir.rglob("*.wandb"))
    swan = SwanStore.read(*training.swan_dirs())
    rows = wandb_cloud.run("r1").rows()
    assert len(rows) == 300
    assert swan.scalars["loss"] == {row["_step"]: row["loss"] for row in rows}
    assert swan.scalars["deep/a"] == {row["_step"]: row["deep"]["a"] for row in rows}
    assert swan.texts("note") == {row["_step"]: row["note"] for row in rows}
    assert swan.config["lr"] == 0.1
    assert swan.state == "finished"


@pytest.mark.fault(
    "`sync_wandb()` after `wandb.init()`, where wandb writes no log",
    "mirrored from there on at wandb's steps; that the rest is in W&B alone is said, and a loss",
)
def test_joined_without_a_transaction_log(record: Record, wandb_cloud: WandbCloud) -> None:
    script = UNLOGGED.replace("run.finish()", "")
    join = """
import wandb_swan
wandb_swan.sync_wandb(wandb_run=False)
for i in range(3):
    run.log({"loss": i})
run.finish()
"""
    training = record("import wandb\n" + script + join, **both(wandb_cloud))
    assert "what run r1 logged before this line is in W&B alone" in training.stderr
    assert "wandb_run=False comes too late for run r1" in training.stderr
    swan = SwanStore.read(*training.swan_dirs())
    assert swan.scalars["loss"] == {300: 0.0, 301: 1.0, 302: 2.0} and swan.config["lr"] == 0.1
    assert "before it was mirrored" in str(swan.about["not_mirrored"])
