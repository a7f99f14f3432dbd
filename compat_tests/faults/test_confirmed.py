"""SwanLab's cloud fails in parts: what was not confirmed itself is sent again, or the journal stays."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests

from compat_tests.faults.conftest import Train, Training, assert_cloud_has, kill, until
from compat_tests.servers.swanlab_cloud import METRICS, PRESIGN, STORE, SwanLabCloud
from compat_tests.stores import WandbStore

Check = Callable[..., None]

PICTURES = """
import numpy
run = wandb.init(project="p", id="r1")
for i in range(COUNT):
    picture = numpy.full((4, 4, 3), i, dtype=numpy.uint8)
    run.log({"text": f"text {i}", "picture": wandb.Image(picture), "two": [wandb.Image(picture)] * 2, "loss": i / 8})
    print(f"line {i}")
run.finish()
"""


def pictures(count: int) -> str:
    return PICTURES.replace("COUNT", str(count))


def complete(training: Training, cloud: SwanLabCloud, count: int, run_id: str = "r1") -> None:
    """Every value is in the experiment once; the journal is gone."""
    kept = cloud.experiment(run_id)
    assert kept.metrics["loss"] == {step: step / 8 for step in range(count)}
    texts = {step: [item.data for item in items] for step, items in kept.media.get("text", {}).items()}
    assert texts == {step: [f"text {step}".encode()] for step in range(count)}
    for key, items in (("picture", 1), ("two", 2)):
        found = {step: [(i.data or b"")[:4] for i in media] for step, media in kept.media.get(key, {}).items()}
        assert found == {step: [b"\x89PNG"] * items for step in range(count)}
    assert [line for line in kept.lines if line.startswith("line")] == [f"line {i}" for i in range(count)]
    assert kept.duplicate_points == []
    assert kept.state == "FINISHED"
    assert training.journals == []
    assert "could not be kept" not in training.stderr


@pytest.mark.fault(
    "One upload to the object store, or the request that signs uploads, fails (cut, 400, 403, 502, 504, an error page"
    " that says 200), the rest of the batch is accepted",
    "sent again; every text and picture is there once",
)
@pytest.mark.parametrize(
    "faults",
    [
        [(STORE, "cut", {"applied": False}), (STORE, 403, {"skip": 4}), (STORE, 200, {"skip": 9})],
        [(STORE, 502, {"skip": 1}), (STORE, "cut", {"skip": 6}), (STORE, 400, {"skip": 20})],
        [(PRESIGN, 504, {}), (PRESIGN, 200, {}), (METRICS, 200, {"body": b'"type": "media"'})],
    ],
)
def test_one_upload_of_a_batch_fails(train: Train, cloud: SwanLabCloud, unharmed: Check, faults: list[Any]) -> None:
    made = [cloud.fail(pattern, kind, 1, **options) for pattern, kind, options in faults]
    training = train(pictures(8), gates=False, **cloud.env()).end().mirrored()
    unharmed(training, pictures(8))
    assert [fault.hits for fault in made] == [1, 1, 1]
    complete(training, cloud, 8)


@pytest.mark.fault(
    "SwanLab's server has interrupted the experiment: the mirror was dead, or the server away, for too long; it never"
    " lets an experiment run again, or does when it is opened again",
    "every value is in an experiment that is shown, linked with the first one; only then the journal goes",
)
@pytest.mark.parametrize("case", ["killed", "away", "reopens"])
def test_the_experiment_was_interrupted(train: Train, cloud: SwanLabCloud, unharmed: Check, case: str) -> None:
    cloud.reopens = case == "reopens"
    training = train(**cloud.env())
    training.at("middle")
    until(lambda: cloud.experiments and len(cloud.experiment("r1").metrics.get("loss", ())) > 20)
    if case == "away":
        cloud.vanish()
    else:
        training.process.send_signal(signal.SIGSTOP)  # so that it does not start the next mirror meanwhile
        kill(training.mirrors()[0])
        time.sleep(1.0)  # what it sent last has come: to an experiment that runs
    cloud.silence = 0.0  # whatever time passes is too long
    time.sleep(1.2)
    if case == "away":
        cloud.come_back()
    until(lambda: requests.get(cloud.url + "/api", timeout=5) and cloud.experiment("r1").interrupted)
    cloud.silence = math.inf
    training.process.send_signal(signal.SIGCONT)
    unharmed(training.end().mirrored())
    shown = cloud.experiment("r1" if cloud.reopens else "r1-continued-1")
    assert_cloud_has(shown, WandbStore.read(training.wandb_dirs[0]))
    assert [line for line in shown.lines if "wandb" not in line] == ["half way", "trained"]
    assert (shown.state, shown.name) == ("FINISHED", "first")
    assert training.journals == []
    if not cloud.reopens:
        first = cloud.experiment("r1")
        assert first.config["wandb_run"]["continued_in"].endswith(shown.run_id)
        assert shown.config["wandb_run"]["continues"].endswith(first.run_id)
        assert shown.run_id in training.said[-1]


@pytest.mark.fault(
    "A quarter of all requests to SwanLab fails at random, with lost requests and lost answers",
    "every value is there; nothing is uncounted",
)
@pytest.mark.slow
def test_a_quarter_of_the_requests_fails(train: Train, cloud: SwanLabCloud, unharmed: Check) -> None:
    fault = cloud.fail_at_random(0.25, seed=7)
    training = train(pictures(100), gates=False, **cloud.env(), WANDB_SWAN_FINISH_TIMEOUT="240").end(timeout=300)
    unharmed(training, pictures(100))
    training.mirrored(300)
    if training.journals:
        training.command("resume")
    assert fault.hits > 50
    cloud.heal()
    complete(training, cloud, 100)


@pytest.mark.fault(
    "SwanLab refuses one value of a batch for what it is",
    "it is counted, alone; its journal stays, and the finish line says so",
)
def test_one_value_of_a_batch_is_refused(train: Train, cloud: SwanLabCloud, unharmed: Check) -> None:
    cloud.fail(METRICS, 422, body=rb'"key": "picture", "index": 3,|"key": "loss", "index": 5,')
    training = train(pictures(8), gates=False, **cloud.env()).end().mirrored()
    unharmed(training, pictures(8))
    kept = cloud.experiment("r1")
    assert sorted(kept.metrics["loss"]) == [0, 1, 2, 3, 4, 6, 7]
    assert sorted(kept.media["picture"]) == [0, 1, 2, 4, 5, 6, 7]
    assert sorted(kept.media["text"]) == list(range(8))
    assert kept.state == "FINISHED"
    (journal,) = training.journals
    assert "2 values could not be kept" in training.said[-1]
    assert f"{journal.relative_to(training.dir)} stays" in training.said[-1]
