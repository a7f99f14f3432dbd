"""The same run id again: a job that is requeued, whose wandb counts from step 0 each time."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from compat_tests.faults.conftest import Train, Training, kill, until
from compat_tests.servers.swanlab_cloud import SwanLabCloud
from compat_tests.stores import SwanStore

Check = Callable[..., None]

PART = """
part = os.environ["PART"]
run = wandb.init(project="p", id="again", config={"part": part})
for i in range(30):
    run.log({"loss": int(part) * 1000 + i, f"only{part}": i})
run.log({"word": f"part {part}"})
print(f"part {part} is done")
gate("end")
run.finish()
"""


def loss(part: int) -> list[float]:
    return [float(part * 1000 + i) for i in range(30)]


def in_order(points: dict[int, float]) -> list[float]:
    return [points[step] for step in sorted(points)]


def rows(training: Training) -> int:
    return int(training.statuses[-1].get("counts", {}).get("rows", 0)) if training.statuses else 0


def killed_part(train: Train, part: int, **env: str) -> Training:
    training = train(PART, PART=str(part), **env)
    training.at("end")
    until(lambda: len(training.statuses) == part + 1 and rows(training) >= 31, 90)
    for mirror in training.mirrors():
        kill(mirror)
    kill(training.process)
    for gate in ("middle", "end"):
        for suffix in ("go", "reached"):
            (training.dir / f"{gate}.{suffix}").unlink(missing_ok=True)
    training.process.communicate()
    for gate in ("middle", "end"):
        (training.dir / f"{gate}.go").unlink(missing_ok=True)
    return training


@pytest.mark.fault(
    "The same run id twice, W&B offline, SwanLab online: wandb counts from 0 again",
    "the second part's steps go on behind the first's, the finish line and `wandb_run` say so; nothing is lost or doubled",
)
def test_twice_online(train: Train, cloud: SwanLabCloud) -> None:
    for part in range(2):
        training = train(PART, PART=str(part), gates=False, **cloud.env()).end().mirrored()
        training.age()
    kept = cloud.experiment("again")
    assert in_order(kept.metrics["loss"]) == loss(0) + loss(1)
    assert in_order(kept.metrics["only1"]) == [float(i) for i in range(30)]
    assert kept.duplicate_points == []
    assert [line for line in kept.lines if line.startswith("part")] == ["part 0 is done", "part 1 is done"]
    words = [(items[0].data or b"").decode() for _, items in sorted(kept.media["word"].items())]
    assert words == ["part 0", "part 1"]
    assert kept.config["wandb_run"]["step_offset"] == 31
    assert "wandb's step 0 is step 31 there" in training.said[-1]
    assert training.journals == []


@pytest.mark.fault(
    "Three runs of one id, each killed with its mirror; SwanLab online; `resume` in between, or not",
    "`wandb-swan resume` completes each: every value that reached `log()` is there once, in order",
)
@pytest.mark.parametrize("between", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["", "resumed between"])
def test_three_killed_online(train: Train, cloud: SwanLabCloud, between: bool) -> None:
    for part in range(3):
        training = killed_part(train, part, **cloud.env())
        training.age()
        if between and part == 1:
            training.command("resume")
            training.age()
    training.command("resume")
    kept = cloud.experiment("again")
    assert in_order(kept.metrics["loss"]) == loss(0) + loss(1) + loss(2)
    assert kept.duplicate_points == []
    assert [line for line in kept.lines if line.startswith("part")] == [f"part {n} is done" for n in range(3)]
    assert training.journals == []


@pytest.mark.fault(
    "The mirror of the second of two runs of one id is killed in the middle; its status file is lost",
    "the same steps, nothing doubled",
)
@pytest.mark.parametrize("lost", [False, True], ids=["", "status file lost"])
def test_the_second_mirror_is_killed(train: Train, cloud: SwanLabCloud, lost: bool) -> None:
    first = train(PART, PART="0", gates=False, **cloud.env()).end().mirrored().age()
    second = train(PART, PART="1", **cloud.env())
    second.at("end")
    until(lambda: len(cloud.experiment("again").metrics["loss"]) >= 60, 90)
    second.process.send_signal(signal.SIGSTOP)
    kill(second.mirrors()[0])
    if lost:
        sorted((first.dir / "swanlog" / "journals").glob("*.status.json"))[-1].unlink()
    else:
        second.age()
    second.process.send_signal(signal.SIGCONT)
    second.end().mirrored()
    kept = cloud.experiment("again")
    assert in_order(kept.metrics["loss"]) == loss(0) + loss(1)
    assert kept.duplicate_points == []
    assert second.journals == []


@pytest.mark.fault(
    "The same run id three times, SwanLab offline or local; the second is killed with its mirror",
    "a SwanLab run each, which name each other; their steps go on, so that `swanlab sync` of all keeps every value",
)
@pytest.mark.parametrize("mode", ["offline", pytest.param("local", marks=pytest.mark.slow)])
def test_three_times_offline(train: Train, mode: str) -> None:
    train(PART, PART="0", gates=False, WANDB_SWAN_MODE=mode).end().mirrored()
    killed_part(train, 1, WANDB_SWAN_MODE=mode)
    training = train(PART, PART="2", gates=False, WANDB_SWAN_MODE=mode).end().mirrored()
    if training.journals:
        training.command("resume")
    stores = {int(store.config["part"]): store for store in map(SwanStore.read, training.swan_dirs())}
    assert sorted(stores) == [0, 1, 2] and len(training.swan_dirs()) == 3
    together: dict[int, float] = {}
    for part in range(3):
        assert not together.keys() & stores[part].scalars["loss"].keys()
        together |= stores[part].scalars["loss"]
        assert in_order(stores[part].scalars["loss"]) == loss(part)
    assert in_order(together) == loss(0) + loss(1) + loss(2)
    for part in range(2):
        assert stores[part].about["continued_in"] == stores[part + 1].dir.name
    assert [stores[part].about.get("step_offset") for part in range(3)] == [None, 31, 62]
    assert stores[2].about["earlier_parts"] == [str(stores[0].dir), str(stores[1].dir)]
    assert training.journals == []


EXPLICIT = """
for part, first in ((0, 0), (1, 40)):
    run = wandb.init(project="p", id="again", config={"part": part})
    for i in range(30):
        run.log({"loss": i}, step=first + i)
    run.finish()
"""


@pytest.mark.fault(
    "The same run id twice in one process, the second part counts on by itself (`step=`)",
    "its steps are kept",
)
def test_no_collision_no_offset(train: Train, cloud: SwanLabCloud) -> None:
    training = train(EXPLICIT, gates=False, **cloud.env()).end().mirrored()
    kept = cloud.experiment("again")
    assert sorted(kept.metrics["loss"]) == [*range(30), *range(40, 70)]
    assert "step_offset" not in kept.config["wandb_run"]
    assert "there, behind" not in training.said[-1]


def test_parts_are_verified_apart(train: Train) -> None:
    training = train(EXPLICIT, gates=False).end().mirrored()
    assert "2 of 2 runs identical" in training.command("verify", "wandb", "swanlog")
