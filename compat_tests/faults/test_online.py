"""SwanLab's cloud: what arrives there, and what its failures cost."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from compat_tests.faults.conftest import Train, Training, assert_cloud_has, kill, until
from compat_tests.servers.swanlab_cloud import PRESIGN, SwanLabCloud
from compat_tests.stores import WandbStore

LOGIN = "/login/api_key$"
DATA = "/house/metrics$"
STATE = "/state$"

Check = Callable[..., None]


def complete(training: Training, cloud: SwanLabCloud) -> None:
    """SwanLab is well again: the mirror finishes, or `wandb-swan resume` does."""
    cloud.heal()
    cloud.come_back()
    training.mirrored()
    if training.journals:
        training.command("resume")
    assert training.journals == []
    kept = cloud.experiment("r1")
    assert_cloud_has(kept, WandbStore.read(training.wandb_dirs[0]))
    assert [line for line in kept.lines if "wandb" not in line] == ["half way", "trained"]
    assert kept.state == "FINISHED"
    assert "Traceback" not in training.log()


@pytest.mark.fault(
    "Nothing: SwanLab online",
    "name, id, tags, config, scalars, texts, console and state are in the cloud; the journal is gone",
)
def test_everything_arrives(train: Train, cloud: SwanLabCloud, unharmed: Check) -> None:
    training = train(**cloud.env(), gates=False).end().mirrored()
    unharmed(training)
    complete(training, cloud)
    kept = cloud.experiment("r1")
    assert (kept.name, kept.description, kept.tags, kept.group, kept.job_type) == ("first", "why", ["a", "b"], "g", "t")
    assert {key: kept.config[key] for key in ("lr", "net")} == {"lr": 0.1, "net": {"width": [1, 2]}}
    assert kept.config["wandb_run"]["id"] == "r1"
    assert kept.states == ["RUNNING", "FINISHED"]
    assert training.said[-1].startswith(f"SwanLab run at {cloud.url}/")
    assert cloud.api_key not in training.stdout + training.stderr + training.log()


ODD = """
import numpy
run = wandb.init(project="p", id="r1")
picture = numpy.zeros((4, 4, 3), dtype=numpy.uint8)
run.log({"many": [wandb.Image(picture, caption=caption) for caption in ("first", None, "third", None)]})
run.log({"plain": [wandb.Image(picture), wandb.Image(picture)]})
run.log({"x": float("inf")})
run.log({"x": float("-inf")})
run.log({"x": 1.0})
run.finish()
"""


@pytest.mark.fault(
    "Nothing, but what SwanLab's cloud cannot hold: infinities, a list of pictures of which some have captions",
    "NaN, counted in the finish line and in `wandb_run.not_mirrored`; each caption stays with its picture",
)
def test_what_the_cloud_cannot_hold(train: Train, cloud: SwanLabCloud, unharmed: Check) -> None:
    training = train(ODD, gates=False, **cloud.env()).end().mirrored()
    unharmed(training, ODD)
    kept = cloud.experiment("r1")
    assert [item.caption for item in kept.media["many"][0]] == ["first", " ", "third", " "]
    assert [item.caption for item in kept.media["plain"][1]] == [None, None]
    assert [str(value) for value in kept.metrics["x"].values()] == ["nan", "nan", "1.0"]
    (lost,) = kept.config["wandb_run"]["not_mirrored"]
    assert (lost["key"], lost["count"]) == ("x", 2)
    assert "2 x SwanLab's cloud has NaN where an infinity was logged" in training.said[-1]
    assert "step 3: -inf" in training.log()


@pytest.mark.fault(
    "SwanLab's login answers 401 or 500 or hangs while the run starts",
    "the training goes on, `finish()` ends in time and says what to type; the run is complete once SwanLab is back",
)
@pytest.mark.parametrize(
    ("kind", "options"),
    [(401, {}), (500, {}), ("hang", {})],
)
def test_the_server_fails_at_the_start(
    train: Train, cloud: SwanLabCloud, unharmed: Check, kind: Any, options: dict[str, Any]
) -> None:
    cloud.fail(LOGIN, kind, **options)
    training = train(**cloud.env(), gates=False, WANDB_SWAN_FINISH_TIMEOUT="1").end(timeout=30)
    unharmed(training)
    assert "wandb-swan resume" in training.said[-1]
    complete(training, cloud)


@pytest.mark.fault(
    "SwanLab refuses connections from the start to the end of the run",
    "the same",
)
def test_the_server_is_away_at_the_start(train: Train, cloud: SwanLabCloud, unharmed: Check) -> None:
    cloud.vanish()
    training = train(**cloud.env(), gates=False, WANDB_SWAN_FINISH_TIMEOUT="1").end(timeout=30)
    unharmed(training)
    assert "wandb-swan resume" in training.said[-1]
    complete(training, cloud)


@pytest.mark.fault(
    "A batch is answered with 401, 403, 404, 409, 429, 500, hangs, trickles, is cut, or the server is away for seconds",
    "sent again when SwanLab takes it; no point is lost or doubled",
)
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (401, {}),
        (403, {}),
        (404, {}),
        (409, {}),
        (429, {"retry_after": 1}),
        (500, {}),
        ("hang", {"seconds": 2}),
        ("trickle", {"seconds": 2}),
        ("cut", {"applied": False}),
        ("refuse", {"seconds": 3}),
    ],
)
def test_the_server_fails_in_the_middle(
    train: Train, cloud: SwanLabCloud, unharmed: Check, kind: Any, options: dict[str, Any]
) -> None:
    training = train(**cloud.env())
    training.at("middle")
    until(lambda: cloud.experiments and len(cloud.experiment("r1").metrics.get("loss", ())) > 20)
    fault = cloud.fail(DATA, kind, 1, **options)
    unharmed(training.end())
    assert fault.hits == 1
    complete(training, cloud)


@pytest.mark.fault(
    "A self-hosted SwanLab server from before 2.6.2: it has no views",
    "SwanLab 0.8 to 0.10 know its older paths: nothing is lost",
)
def test_a_server_without_views(train: Train, unharmed: Check) -> None:
    with SwanLabCloud(version=None) as old:
        training = train(**old.env(), gates=False).end().mirrored()
        unharmed(training)
        complete(training, old)
        assert old.count("/columns$", 201)


@pytest.mark.fault(
    "A self-hosted SwanLab server that is older still: it signs no uploads (404)",
    "the finish line and the status say that the server is older than 2.6.2; nothing is lost: when it was updated, "
    "`wandb-swan resume` completes the run",
)
def test_a_server_that_is_too_old(train: Train, unharmed: Check) -> None:
    with SwanLabCloud(signs=False) as old:
        training = train(**old.env(), gates=False).end()
        unharmed(training)
        named = "this SwanLab server is older than 2.6.2: it has no /api/resources/presigned/put"
        assert named in training.said[-1] and "wandb-swan resume" in training.said[-1]
        assert "older than 2.6.2" in training.command("status")
        old.signs = True
        complete(training, old)


def test_an_experiment_that_is_gone_is_no_older_server(train: Train, cloud: SwanLabCloud, unharmed: Check) -> None:
    cloud.fail(f"{PRESIGN}|/runs/r1$|/runs/c[0-9]+$", 404)
    training = train(**cloud.env(), gates=False, WANDB_SWAN_FINISH_TIMEOUT="3").end()
    unharmed(training)
    assert "older than" not in training.said[-1] + training.log() and "wandb-swan resume" in training.said[-1]
    complete(training, cloud)


@pytest.mark.fault(
    "The server takes a batch, its answer is lost on the way",
    "asked whether it has the batch, before it is sent again; no point and no line is lost or doubled",
)
@pytest.mark.parametrize("kind", ["scalar", "media", "log"])
def test_the_answer_to_a_batch_is_lost(train: Train, cloud: SwanLabCloud, unharmed: Check, kind: str) -> None:
    cloud.summary_lag = 3
    training = train(**cloud.env())
    training.at("middle")
    until(lambda: cloud.experiments and len(cloud.experiment("r1").metrics.get("loss", ())) > 20)
    fault = cloud.fail(DATA, "cut", 1, body=f'"type": "{kind}"'.encode())
    unharmed(training.end())
    assert fault.hits == 1
    complete(training, cloud)
    assert f"the server has 1 {kind}" in training.log() or kind == "scalar"


@pytest.mark.fault(
    "The same, and the server does not say what it has",
    "sent again after 12 s: every point is there; those that are there twice have the same value",
)
def test_an_answer_is_lost_and_the_server_does_not_say(train: Train, cloud: SwanLabCloud, unharmed: Check) -> None:
    cloud.fail("/summaries/", 404)
    training = train(**cloud.env())
    training.at("middle")
    until(lambda: cloud.experiments and len(cloud.experiment("r1").metrics.get("loss", ())) > 20)
    cloud.fail(DATA, "cut", 1, body=b'"type": "scalar"')
    unharmed(training.end().mirrored())
    twice = cloud.experiment("r1").duplicate_points
    assert twice
    assert all(first == later for _, _, first, later in twice)
    twice.clear()
    complete(training, cloud)


@pytest.mark.fault(
    "SwanLab's login expires during the run",
    "logged in again; no point is lost or doubled",
)
def test_the_session_ends_in_the_middle(train: Train, cloud: SwanLabCloud, unharmed: Check) -> None:
    training = train(**cloud.env())
    training.at("middle")
    until(lambda: cloud.experiments and len(cloud.experiment("r1").metrics.get("loss", ())) > 20)
    cloud.expire_sessions()
    unharmed(training.end())
    complete(training, cloud)
    assert training.said[-1].startswith("SwanLab run at")


@pytest.mark.fault(
    "SwanLab is away, hangs or answers 401 or 500 while the run finishes",
    "`finish()` ends in time and says what to type; `wandb-swan resume` completes the experiment without duplicates",
)
@pytest.mark.parametrize("fault", ["away", 401, 500, "hang"])
def test_the_server_fails_at_the_end(train: Train, cloud: SwanLabCloud, unharmed: Check, fault: Any) -> None:
    training = train(**cloud.env(), WANDB_SWAN_FINISH_TIMEOUT="3")
    training.at("end")
    until(lambda: cloud.experiments and len(cloud.experiment("r1").metrics.get("loss", ())) == 60)
    if fault == "away":
        cloud.vanish()
    else:
        cloud.fail(f"{DATA}|{STATE}", fault, retry_after=0)
    unharmed(training.end(timeout=20))
    assert training.seconds < 3 + 6
    assert "wandb-swan resume" in training.said[-1]
    complete(training, cloud)


@pytest.mark.fault(
    "SwanLab refuses values for what they are (400, 413, 415, 422)",
    "all else arrives; the refused values are counted in the finish line and the log",
)
@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_batches_that_the_server_will_never_take_are_counted(
    train: Train, cloud: SwanLabCloud, unharmed: Check, status: int
) -> None:
    cloud.fail(DATA, status, body=b'"type": "media"')
    training = train(**cloud.env(), gates=False).end().mirrored()
    unharmed(training)
    assert "2 values could not be kept" in training.said[-1]
    assert "refused by SwanLab's server" in training.log()
    assert len(cloud.experiment("r1").metrics["loss"]) == 60


@pytest.mark.fault(
    "`kill -9` of the mirror of an online run",
    "restarted by `finish()`; the same experiment goes on without duplicates",
)
def test_the_mirror_is_killed_while_it_sends(train: Train, cloud: SwanLabCloud, unharmed: Check) -> None:
    training = train(**cloud.env())
    training.at("middle")
    until(lambda: cloud.experiments and len(cloud.experiment("r1").metrics.get("loss", ())) > 20)
    time.sleep(1.2)
    kill(training.mirrors()[0])
    unharmed(training.end())
    complete(training, cloud)
    assert len(cloud.experiment("r1").opened) == 2


@pytest.mark.fault(
    "SwanLab is away for 30 s in the middle",
    "caught up; no point is lost or doubled",
)
@pytest.mark.slow
def test_the_server_is_away_for_thirty_seconds(train: Train, cloud: SwanLabCloud, unharmed: Check) -> None:
    training = train(**cloud.env())
    training.at("middle")
    until(lambda: cloud.experiments and len(cloud.experiment("r1").metrics.get("loss", ())) > 20)
    cloud.vanish_for(30)
    training.at("end")
    seen = len(cloud.requests)
    until(lambda: len(cloud.requests) > seen, 60)  # it is back, and the mirror has noticed
    unharmed(training.end())
    complete(training, cloud)
    assert training.said[-1].startswith("SwanLab run at")


HASTY = """
import sys
from wandb_swan.mirror import follow, process
follow.BACKLOG, follow.RECORDS_A_TURN = 20, 10
sys.exit(process.main(sys.argv[1:]))
"""
"""The mirror, for which a server is far behind with 20 records instead of 50,000."""


@pytest.mark.fault(
    "SwanLab takes nothing, and far more than the mirror's memory should hold is waiting",
    "the rest stays in the journal; the mirror gives up in time and says so; `wandb-swan resume` completes the run",
)
def test_a_server_that_is_far_behind(train: Train, cloud: SwanLabCloud) -> None:
    cloud.vanish()
    training = train(gates=False, **cloud.env(), WANDB_SWAN_FINISH_TIMEOUT="2").end().mirrored()
    (journal,) = training.journals
    cloud.come_back()
    cloud.fail(DATA, 503)
    hasty = subprocess.run([sys.executable, "-c", HASTY, str(journal)], env=training.env, cwd=training.dir, timeout=120)
    assert hasty.returncode == 1
    assert training.journals == [journal]
    assert "SwanLab does not take what is sent" in training.command("status")
    complete(training.age(), cloud)


@pytest.mark.fault(
    "`WANDB_SWAN_KEEP_WANDB=false` with `wandb_run=False`, and SwanLab is away until `wandb-swan resume`",
    "W&B's own folder stays until SwanLab's server has confirmed the run, then it is removed",
)
def test_wandbs_folder_goes_when_the_server_has_confirmed(train: Train, cloud: SwanLabCloud) -> None:
    asked = {"WANDB_SWAN_WANDB_RUN": "false", "WANDB_SWAN_KEEP_WANDB": "false"}
    cloud.vanish()
    training = train(**cloud.env(), **asked, gates=False, WANDB_SWAN_FINISH_TIMEOUT="1").end(timeout=30)
    assert "wandb-swan resume" in training.said[-1]
    training.mirrored()
    (folder,) = training.wandb_dirs
    recorded = WandbStore.read(folder)
    cloud.come_back()
    if training.journals:
        assert "W&B's own folder of it, is removed" in training.command("resume")
    assert list(folder.parent.iterdir()) == []
    assert_cloud_has(cloud.experiment("r1"), recorded)


@pytest.mark.fault(
    "A run that was recorded without network, `WANDB_SWAN_MODE=offline`: `wandb-swan resume --mode online`",
    "every value once in the cloud; the journal is gone",
)
def test_resume_in_another_mode(train: Train, cloud: SwanLabCloud) -> None:
    training = train(gates=False, WANDB_SWAN_MODE="offline", WANDB_SWAN_MIRROR="relay").end()
    training.env |= cloud.env()
    said = training.command("resume", "--mode", "online", "--json")
    assert json.loads(said.splitlines()[0])["good"]
    complete(training, cloud)
