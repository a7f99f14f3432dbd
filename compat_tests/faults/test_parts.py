"""The same run id again, seen from elsewhere: other machines, real resumes, rewinds, other ids, `verify`."""

from __future__ import annotations

import shutil

import pytest

from compat_tests.faults.conftest import Train, kill, until
from compat_tests.servers.swanlab_cloud import SwanLabCloud
from compat_tests.stores import SwanStore, WandbStore

PLAIN = """
run = wandb.init(project="p", id="r1")
for i in range(40):
    run.log({"loss": i})
print("trained")
gate("end")
run.finish()
"""


@pytest.mark.fault(
    "A run and its mirror are killed; its journal alone is taken to another machine",
    "`wandb-swan resume` completes the experiment there: the same steps, nothing doubled",
)
def test_a_journal_that_is_moved(train: Train, cloud: SwanLabCloud) -> None:
    training = train(PLAIN, **cloud.env())
    training.at("end")
    until(lambda: cloud.experiments and len(cloud.experiment("r1").metrics.get("loss", ())) >= 38, 60)
    for mirror in training.mirrors():
        kill(mirror)
    kill(training.process)
    training.end(check=False)
    (journal,) = training.journals
    moved = training.dir / "elsewhere" / journal.name
    moved.parent.mkdir()
    shutil.copy(journal, moved)
    for file in journal.parent.glob("r1-*"):
        file.unlink()
    assert "there, behind" not in training.command("resume", str(moved))
    kept = cloud.experiment("r1")
    assert kept.metrics["loss"] == {i: float(i) for i in range(40)}
    assert [line for line in kept.lines if line == "trained"] == ["trained"]


@pytest.mark.slow
@pytest.mark.fault(
    "The first part was recorded on another machine; SwanLab is away when the second one's mirror starts",
    "`wandb-swan resume` brings the second part behind the first",
)
def test_a_first_try_that_never_reached_swanlab(train: Train, cloud: SwanLabCloud) -> None:
    train(PLAIN, gates=False, name="one", **cloud.env()).end().mirrored()
    cloud.vanish()
    second = train(PLAIN, gates=False, name="two", WANDB_SWAN_FINISH_TIMEOUT="1", **cloud.env()).end().mirrored(120)
    cloud.come_back()
    second.command("resume")
    assert cloud.experiment("r1").metrics["loss"] == {i: float(i % 40) for i in range(80)}


ALERTS = """
run = wandb.init(project="p", id="r1", resume=os.environ.get("RESUME") or None)
for i in range(10):
    run.log({"loss": i})
if not os.environ.get("RESUME"):
    for n in range(4):
        run.alert(title=f"t{n}", text="x")
run.finish()
"""


@pytest.mark.fault(
    "wandb resumes a run whose alerts ran ahead of its rows",
    "the steps are wandb's",
)
def test_a_real_resume_after_alerts(train: Train, cloud: SwanLabCloud) -> None:
    pytest.importorskip("graphql", reason="the loopback W&B parses GraphQL with graphql-core")
    from compat_tests.servers.wandb_cloud import WandbCloud

    with WandbCloud() as wandb_cloud:
        env = wandb_cloud.env(impatient=True) | {"WANDB_MODE": "online"} | cloud.env()
        train(ALERTS, gates=False, **env).end().mirrored().age()
        train(ALERTS, gates=False, **env, RESUME="must").end().mirrored()
    assert sorted(cloud.experiment("r1").metrics["loss"]) == list(range(20))


REWIND = """
run = wandb.init(project="p", resume_from="r1?_step=4")
for i in range(3):
    run.log({"loss": 900 + i})
run.finish()
"""


@pytest.mark.fault("`resume_from`: a SwanLab run of its own", "its steps are wandb's")
def test_a_rewound_run_is_not_moved(train: Train, cloud: SwanLabCloud) -> None:
    train(PLAIN, gates=False, **cloud.env()).end().mirrored().age()
    training = train(REWIND, gates=False, **cloud.env()).end().mirrored()
    steps = sorted(WandbStore.read(training.wandb_dirs[-1]).rows)
    assert sorted(cloud.experiments[-1].metrics["loss"]) == steps


LONG = """
for last in "12":
    run = wandb.init(project="p", id="a" * 110 + last)
    for i in range(5):
        run.log({"loss": i})
    run.finish()
"""


@pytest.mark.fault("Two ids whose journals have the same name", "neither run is taken for a part of the other")
def test_ids_that_begin_alike(train: Train) -> None:
    stores = list(map(SwanStore.read, train(LONG, gates=False).end().mirrored().swan_dirs()))
    assert [sorted(store.scalars["loss"]) for store in stores] == [list(range(5))] * 2
    assert not any("earlier_parts" in store.about or "continued_in" in store.about for store in stores)


@pytest.mark.fault("`wandb-swan verify` of a run id that was used twice", "each part is compared with its own run")
def test_verify_of_both_parts(train: Train) -> None:
    for _ in range(2):
        training = train(PLAIN, gates=False).end().mirrored()
    training.command("verify", "wandb", "swanlog")
