"""`convert --follow`: new runs come, running ones grow, those that have ended are compared once and left."""

from __future__ import annotations

import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

pytest.importorskip("graphql", reason="the loopback W&B parses GraphQL with graphql-core")
wandb_cloud = pytest.importorskip("compat_tests.servers.wandb_cloud")

from compat_tests.conftest import clean_environment  # noqa: E402
from compat_tests.convert.conftest import Cli, run_dirs, wait_for, workers_of  # noqa: E402
from compat_tests.servers.swanlab_cloud import SwanLabCloud  # noqa: E402
from compat_tests.stores import WandbStore, assert_same_values  # noqa: E402

pytestmark = pytest.mark.live

FOLLOW = ("convert", "--follow", "--every", "5", "--report", "r.json")


@pytest.fixture
def wandb(cloud: wandb_cloud.WandbCloud) -> wandb_cloud.WandbCloud:
    return cloud


@pytest.fixture
def online(both: Cli) -> Cli:
    return both


def states(cli: Cli) -> dict[str, str]:
    """Run id -> state, as the report says it now."""
    path = cli.dir / "r.json"
    return {run["run_id"]: run["state"] for run in reported(cli)} if path.exists() else {}


def reported(cli: Cli) -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = json.loads((cli.dir / "r.json").read_text())["runs"]
    return runs


def stopped(cli: Cli, process: subprocess.Popen[str], number: int = signal.SIGINT) -> str:
    """What it said until it was stopped."""
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 128 + number, out + err + cli.log()
    assert "Traceback" not in out + err + cli.log(), cli.log()
    assert (out + err).splitlines()[-1].endswith("type the same command again to go on")
    wait_for(lambda: not workers_of(cli), 20)
    return out + err


def grow(run: Any, count: int, **values: Any) -> None:
    """More rows in W&B."""
    at = len(run.history)
    rows = [
        json.dumps({"_step": i, "_timestamp": run.created + i, "_runtime": i, "loss": i / 2} | values)
        for i in range(at, at + count)
    ]
    run.write("wandb-history.jsonl", at, rows)
    run.summary = json.loads(rows[-1])
    run.heartbeat = time.time()


TRAINING = """
import pathlib, sys, time
import wandb
run = wandb.init(id=sys.argv[1], project="p", config={"lr": 0.5})
for i in range(20000):
    run.log({"loss": i / 2, "word": f"at {i}"} if i % 1000 == 0 else {"loss": i / 2})
    if i == 12000:
        print("half way", flush=True)
        run.config["late"] = 1
        pathlib.Path(sys.argv[1] + ".reached").touch()
        while not pathlib.Path(sys.argv[1] + ".go").exists():
            time.sleep(0.05)
run.finish()
"""


Training = Callable[[str], "subprocess.Popen[bytes]"]


@pytest.fixture
def training(tmp_path: Path) -> Iterator[Training]:
    """Starts a training with plain wandb, in the folder `w`, that waits in its middle."""
    folder, started = tmp_path / "w", []
    (folder / "home").mkdir(parents=True)
    environment = clean_environment(folder / "home", WANDB_X_DISABLE_STATS="true")

    def start(run_id: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([sys.executable, "-c", TRAINING, run_id], cwd=folder, env=environment)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture(autouse=True)
def nothing_is_left(cli: Cli) -> Iterator[None]:
    yield
    for process in started:
        if process.poll() is None:
            process.kill()
    started.clear()


started: list[subprocess.Popen[str]] = []


def follow(cli: Cli, *more: str | Path) -> subprocess.Popen[str]:
    process = cli.start(*FOLLOW, *more)
    started.append(process)
    return process


def test_local_folders(cli: Cli, tmp_path: Path, training: Training) -> None:
    place = tmp_path / "w"
    first = training("one")
    wait_for((place / "one.reached").exists, 120)
    process = follow(cli, "-t", "wandb-local", "--wb-dir", place, "--mode", "offline")
    wait_for(lambda: states(cli) == {"one": "following"}, 60)
    second = training("two")
    wait_for(lambda: states(cli).get("two") == "following", 120)
    (place / "one.go").touch()
    assert first.wait(120) == 0
    wait_for(lambda: states(cli) == {"one": "converted", "two": "following"}, 60)
    said = stopped(cli, process)
    assert "one: converted" in said and "identical" in said and "1 done, 1 not yet" in said
    stores = cli.stores()
    assert stores["two"].state == "aborted" and len(stores["two"].scalars["loss"]) > 5000
    (place / "two.go").touch()
    assert second.wait(120) == 0
    process = follow(cli, "-t", "wandb-local", "--wb-dir", place, "--mode", "offline")
    wait_for(lambda: states(cli) == {"one": "skipped", "two": "converted"}, 60)
    stopped(cli, process, signal.SIGTERM)
    assert all(run["identical"] for run in reported(cli))
    for run_id, folder in run_dirs(place / "wandb").items():
        assert_same_values(WandbStore.read(folder), cli.stores()[run_id])
    assert len(list((cli.dir / "swanlog").glob("run-*"))) == 2
    assert cli.stores()["one"].config["late"] == 1


def test_a_run_of_the_cloud_grows(online: Cli, swan: SwanLabCloud, wandb: Any) -> None:
    run = wandb.add_run("p", "grows", final=None, config={"lr": 0.5})
    grow(run, 1000)
    wandb.add_run("p", "ended", [{"loss": i} for i in range(100)])
    process = follow(online, "--wb-project", "p", "--mode", "online")
    wait_for(lambda: states(online) == {"grows": "following", "ended": "converted"}, 90)
    kept = swan.experiment("grows")
    wait_for(lambda: len(kept.scalars["loss"]) == 1000)
    asked = wandb.operations("grows"), wandb.operations("ended")
    for count in (1500, 2000):
        grow(run, 500, late=count)
        run.name = f"named at {count}"
        run.config["lr"] = {"value": count}
        wait_for(lambda count=count: len(kept.scalars["loss"]) == count, 30)  # type: ignore[misc]
    assert (set(kept.states), kept.name) == ({"RUNNING"}, "named at 2000")
    run.finish(0)
    run.heartbeat = time.time()
    wait_for(lambda: states(online)["grows"] == "converted", 60)
    rounds = {name: count - asked[0].get(name, 0) for name, count in wandb.operations("grows").items()}
    time.sleep(11)
    assert wandb.operations("ended") == asked[1]
    assert {name: count - asked[0].get(name, 0) for name, count in wandb.operations("grows").items()} == rounds
    said = stopped(online, process)
    assert kept.duplicate_points == [] and kept.state == "FINISHED" and kept.config["lr"] == 2000
    assert all(run["identical"] and not run["differences"] for run in reported(online)), reported(online)
    assert "grows: follows, 1,000 points so far" in said and "1 run grown by" in said
    assert max(rounds.values()) <= 8, rounds  # of a look each: some rounds, and the one that found the end


def test_only_runs_that_run_are_asked_for(online: Cli, wandb: Any) -> None:
    run = wandb.add_run("p", "grows", final=None)
    grow(run, 10)
    wandb.add_run("p", "ended", [{"loss": i} for i in range(10)])
    process = follow(online, "--wb-project", "p", "--mode", "offline", "--state", "running")
    wait_for(lambda: states(online) == {"grows": "following"}, 60)
    grow(run, 10)
    run.finish(0)
    wait_for(lambda: states(online) == {"grows": "converted"}, 60)
    assert "1 done, 0 not yet" in stopped(online, process)
    assert reported(online)[0]["identical"] and len(online.stores()["grows"].scalars["loss"]) == 20


def test_killed_and_typed_again(online: Cli, swan: SwanLabCloud, wandb: Any) -> None:
    run = wandb.add_run("p", "grows", final=None)
    grow(run, 1000)
    for _ in range(2):
        process = follow(online, "--wb-project", "p", "--mode", "online")
        count = len(run.history)
        wait_for(lambda count=count: swan.experiments and len(swan.experiment().scalars.get("loss", ())) == count)  # type: ignore[misc]
        wait_for(lambda: states(online).get("grows") == "following", 60)
        process.kill()
        process.communicate(timeout=60)
        wait_for(lambda: not workers_of(online), 20)
        (online.dir / "r.json").unlink()
        grow(run, 300)
    run.finish(1)
    process = follow(online, "--wb-project", "p", "--mode", "online")
    wait_for(lambda: states(online) == {"grows": "converted"}, 90)
    stopped(online, process)
    kept = swan.experiment("grows")
    assert kept.duplicate_points == [] and len(kept.scalars["loss"]) == 1600
    assert (kept.state, kept.lines) == ("CRASHED", ["W&B says: failed"])
    assert reported(online)[0]["identical"]


def test_rows_wait_for_their_files(online: Cli, swan: SwanLabCloud, wandb: Any) -> None:
    run = wandb.add_run("p", "pictures", final=None)
    grow(run, 3)
    process = follow(online, "--wb-project", "p", "--mode", "online")
    wait_for(lambda: states(online) == {"pictures": "following"}, 60)
    picture = {"_type": "image-file", "path": "media/images/it_3_0.png", "format": "png", "width": 1, "height": 1}
    grow(run, 1, it=picture)
    grow(run, 2)
    kept = swan.experiment("pictures")
    time.sleep(12)
    assert len(kept.scalars["loss"]) == 3
    made = io.BytesIO()
    Image.new("RGB", (1, 1)).save(made, "png")
    wandb.add_file("pictures", "media/images/it_3_0.png", made.getvalue())
    run.heartbeat = time.time()
    wait_for(lambda: len(kept.scalars["loss"]) == 6, 30)
    wait_for(lambda: set(kept.media.get("it", ())) == {3}, 30)
    run.finish(0)
    wait_for(lambda: states(online) == {"pictures": "converted"}, 60)
    stopped(online, process)
    assert reported(online)[0]["identical"] and not reported(online)[0]["lost"]


def test_a_log_that_is_silent_for_long_is_that_of_a_killed_run(cli: Cli, tmp_path: Path, training: Training) -> None:
    place = tmp_path / "w"
    killed = training("one")
    wait_for((place / "one.reached").exists, 120)
    process = follow(cli, "-t", "wandb-local", "--wb-dir", place, "--mode", "offline")
    wait_for(lambda: states(cli) == {"one": "following"}, 60)
    killed.kill()
    log = run_dirs(place / "wandb")["one"] / "run-one.wandb"
    wait_for(lambda: time.time() - log.stat().st_mtime > 3, 60)
    long_ago = time.time() - 3600
    os.utime(log, (long_ago, long_ago))
    wait_for(lambda: states(cli) == {"one": "converted"}, 60)
    stopped(cli, process)
    (run,) = reported(cli)
    assert run["identical"], run["differences"]
    assert cli.stores()["one"].state == "crashed"


def test_more_runs_grow_than_there_are_workers(online: Cli, wandb: Any) -> None:
    for number in range(3):
        grow(wandb.add_run("p", f"grows{number}", final=None), 100)
    wandb.add_run("p", "ended", [{"loss": i} for i in range(100)])
    online.env["PYTHONPATH"] = str(online.dir)
    (online.dir / "sitecustomize.py").write_text("import wandb_swan.convert.follow as it\nit.TURN = 3.0\n")
    process = follow(online, "--wb-project", "p", "--mode", "offline", "--workers", "2")
    wait_for(lambda: set(states(online)) == {"ended", "grows0", "grows1", "grows2"}, 150)
    for number in range(3):
        wandb.run(f"grows{number}").finish(0)
    wait_for(lambda: set(states(online).values()) == {"converted"}, 150)
    stopped(online, process)
    assert all(run["identical"] for run in reported(online))
    assert {run_id: len(store.scalars["loss"]) for run_id, store in online.stores().items()} == dict.fromkeys(
        ["ended", "grows0", "grows1", "grows2"], 100
    )


def test_wandb_is_away_for_a_round(online: Cli, wandb: Any) -> None:
    run = wandb.add_run("p", "grows", final=None)
    grow(run, 10)
    online.env["WANDB__GRAPHQL_RETRY_MAX"] = "1"
    process = follow(online, "--wb-project", "p", "--mode", "offline")
    wait_for(lambda: states(online) == {"grows": "following"}, 60)
    wandb.vanish()
    time.sleep(15)
    wandb.come_back()
    grow(run, 10)
    run.finish(0)
    wait_for(lambda: states(online) == {"grows": "converted"}, 120)
    said = stopped(online, process)
    assert "the next look is in 5 s" in said
    assert reported(online)[0]["identical"] and len(online.stores()["grows"].scalars["loss"]) == 20


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_project_of_fifty_runs_of_which_five_grow(online: Cli, swan: SwanLabCloud, wandb: Any) -> None:
    for number in range(45):
        rows = [{"loss": i / 2, "number": number} for i in range(20)]
        wandb.add_run("p", f"ended{number}", rows, final=("finished", "failed", "crashed")[number % 3])
    growing = [wandb.add_run("p", f"grows{number}", final=None) for number in range(5)]
    for run in growing:
        grow(run, 50)
    dice = random.Random(5)
    wandb.fail_at_random(0.03, 3, kinds=(500, 502, 503, "cut"))
    wandb.fail("/graphql/", 429, times=3, skip=20, retry_after=1)
    swan.fail_at_random(0.05, 4, pattern="/house/metrics$|/presigned|/profile$")
    process = follow(online, "--wb-project", "p", "--mode", "online")
    kept = {experiment.run_id: experiment for experiment in swan.experiments}
    wait_for(lambda: len(states(online)) == 50, 900)
    asked = {run.id: wandb.operations(run.id) for run in wandb.runs.values()}
    for _ in range(6):
        for run in growing:
            if dice.random() < 0.8:
                grow(run, dice.randrange(1, 100))
        time.sleep(5)
    for run in growing:
        run.finish(dice.choice((0, 1)))
    wait_for(lambda: set(states(online).values()) == {"converted"}, 600)
    said = stopped(online, process)
    kept = {experiment.run_id: experiment for experiment in swan.experiments}
    assert len(kept) == 50
    for run in wandb.runs.values():
        experiment = kept[run.id]
        assert experiment.duplicate_points == [], run.id
        want = {row["_step"]: float(row["loss"]) for row in run.rows()}
        assert {step: value for step, (value, _) in experiment.scalars["loss"].items()} == want, run.id
    failed = {line.partition(":")[0] for line in said.splitlines() if "failed:" in line}
    for run in wandb.runs.values():
        if run.id.startswith("ended") and run.name not in failed:
            assert wandb.operations(run.id) == asked[run.id]
    assert all(run["identical"] for run in reported(online))
