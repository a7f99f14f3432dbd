"""SwanLab's cloud fails in parts: what was not confirmed itself is sent again, or the journal stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from compat_tests.faults.conftest import Train, Training
from compat_tests.servers.swanlab_cloud import METRICS, PRESIGN, STORE, SwanLabCloud

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
    "fault",
    [
        (STORE, "cut", {"skip": 1, "applied": False}),
        (STORE, 400, {"skip": 1}),
        (STORE, 403, {"skip": 1}),
        (STORE, 502, {"skip": 1}),
        (STORE, 200, {"skip": 1}),
        (PRESIGN, 504, {}),
        (PRESIGN, 200, {}),
        (METRICS, 200, {"body": b'"type": "media"'}),
    ],
)
def test_one_upload_of_a_batch_fails(train: Train, cloud: SwanLabCloud, unharmed: Check, fault: Any) -> None:
    pattern, kind, options = fault
    fault = cloud.fail(pattern, kind, 1, **options)
    training = train(pictures(8), gates=False, **cloud.env()).end().mirrored()
    unharmed(training, pictures(8))
    assert fault.hits == 1
    complete(training, cloud, 8)
