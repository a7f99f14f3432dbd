"""`convert --mode online` typed again: after a kill, for a run that has grown, beside a live mirror: nothing comes twice."""

from __future__ import annotations

import json
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("graphql", reason="the loopback W&B parses GraphQL with graphql-core")
wandb_cloud = pytest.importorskip("compat_tests.servers.wandb_cloud")

from compat_tests.convert.conftest import LAG, Cli, run_dirs, train, wait_for, workers_of  # noqa: E402
from compat_tests.servers.swanlab_cloud import SwanLabCloud  # noqa: E402
from compat_tests.servers.swanlab_state import Experiment  # noqa: E402

pytestmark = pytest.mark.live

ROWS = 4000
SCRIPT = f"""
import numpy
run = wandb.init(id="long", project="p", name="a name", config={{"lr": 0.5}})
(__import__("pathlib").Path(run.dir) / "weights.bin").write_bytes(b"w" * 3000)
run.save("weights.bin")
for i in range({ROWS}):
    run.log({{"a": i / 2, "b/c": float("nan") if i % 2 else i}})
    if i % 400 == 0:
        run.log({{"word": f"at {{i}}", "picture": wandb.Image(numpy.full((4, 4, 3), i // 400, dtype=numpy.uint8))}})
        run.alert("title", f"alert {{i}}")
        print("line", i)
run.finish(EXIT)
"""
LINES = [line for i in range(0, ROWS, 400) for line in (f"wandb alert [INFO] title: alert {i}", f"line {i}")]


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("crashed"), SCRIPT.replace("EXIT", "3"))


@pytest.fixture
def wandb(cloud: wandb_cloud.WandbCloud) -> wandb_cloud.WandbCloud:
    return cloud


@pytest.fixture
def online(both: Cli) -> Cli:
    return both


def typed(cli: Cli, *more: str | Path, expect: int = 0) -> list[dict[str, Any]]:
    """What the report says of each run."""
    said = cli("convert", "--mode", "online", "--report", "r.json", *more, expect=expect)
    assert "Traceback" not in cli.log(), cli.log()
    runs: list[dict[str, Any]] = json.loads((cli.dir / "r.json").read_text())["runs"]
    assert said
    return runs


def local(folder: Path) -> tuple[str | Path, ...]:
    return ("-t", "wandb-local", "--wb-dir", folder)


def assert_once(kept: Experiment, *, lines: list[str], rows: int = ROWS) -> None:
    assert kept.duplicate_points == []
    steps = set(kept.scalars["a"])
    assert len(steps) == rows == len(kept.scalars["b/c"])
    assert kept.lines == lines
    assert len(kept.media["word"]) == len(kept.media["picture"]) == len(kept.media["alerts"]) == -(-rows // 400)
    assert kept.files["weights.bin"] == b"w" * 3000


def prefix(wandb_dir: Path, target: Path, share: float) -> Path:
    """The wandb/ folder as it was when a part of the log was written."""
    shutil.copytree(wandb_dir, target, symlinks=True)
    log = run_dirs(target)["long"] / "run-long.wandb"
    log.write_bytes(log.read_bytes()[: int(log.stat().st_size * share)])
    return target


def whole_again(wandb_dir: Path, target: Path) -> None:
    shutil.copy(run_dirs(wandb_dir)["long"] / "run-long.wandb", run_dirs(target)["long"] / "run-long.wandb")


@pytest.mark.parametrize("forget", [False, True], ids=["", "without its manifest"])
def test_killed_in_the_middle(crashed: Path, online: Cli, swan: SwanLabCloud, forget: bool) -> None:
    process = online.start("convert", "--mode", "online", *local(crashed))
    wait_for(lambda: swan.experiments and len(swan.experiments[0].scalars.get("a", ())) > 500)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    wait_for(lambda: not workers_of(online), 10)
    if forget:  # nobody knows when it was sent: so let it be counted
        (online.dir / "swanlog.convert.json").unlink()
        time.sleep(LAG)
    (run,) = typed(online, *local(crashed))
    assert (run["state"], run["identical"], run["differences"]) == ("converted", True, [])
    assert_once(swan.experiment("long"), lines=[*LINES, "exit code 3"])
    (run,) = typed(online, *local(crashed))
    assert (run["state"], run["identical"]) == ("skipped", True)
    (run,) = typed(online, *local(crashed), "--force")
    assert (run["state"], run["identical"]) == ("converted", True)
    assert_once(swan.experiment("long"), lines=[*LINES, "exit code 3"])


def test_a_server_that_is_too_old_is_named(crashed: Path, online: Cli, swan: SwanLabCloud) -> None:
    swan.signs = False
    (run,) = typed(online, *local(crashed), expect=1)
    assert run["state"] == "failed" and "this SwanLab server is older than 2.6.2" in run["reason"], run
    swan.signs = True
    time.sleep(LAG)
    (run,) = typed(online, *local(crashed))
    assert (run["state"], run["identical"], run["differences"]) == ("converted", True, [])
    assert_once(swan.experiment("long"), lines=[*LINES, "exit code 3"])


def test_a_log_that_has_grown(crashed: Path, online: Cli, swan: SwanLabCloud, tmp_path: Path) -> None:
    folder = prefix(crashed, tmp_path / "wandb", 0.4)
    (run,) = typed(online, *local(folder))
    kept = swan.experiment("long")
    half = len(kept.scalars["a"])
    assert run["identical"] is True, run["differences"]
    assert 0 < half < ROWS and "is cut in a record" in kept.lines[-1] and kept.state == "CRASHED"
    whole_again(crashed, folder)
    (run,) = typed(online, *local(folder))
    assert (run["identical"], run["differences"]) == (True, [])
    said = [line for line in kept.lines if "is cut in a record" not in line]
    assert_once(kept, lines=kept.lines)
    assert said == [*LINES, "exit code 3"] and len(kept.lines) == len(said) + 1
    assert len(swan.experiments) == 1


def test_an_experiment_that_swanlab_has_ended_goes_on_in_another(
    crashed: Path, online: Cli, swan: SwanLabCloud, tmp_path: Path
) -> None:
    folder = prefix(crashed, tmp_path / "wandb", 0.4)
    process = online.start("convert", "--mode", "online", *local(folder))
    wait_for(lambda: swan.experiments and len(swan.experiments[0].scalars.get("a", ())) > 500)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    ended = swan.experiment("long")
    ended.state, ended.interrupted, ended.finished_at = "CRASHED", True, ended.created_at  # as after 30 silent minutes
    whole_again(crashed, folder)
    (run,) = typed(online, *local(folder))
    assert (run["identical"], run["differences"]) == (True, [])
    kept = swan.experiment("long-continued-1")
    assert run["swanlab"].endswith("long-continued-1") or kept.cuid in run["swanlab"]
    assert_once(kept, lines=[*LINES, "exit code 3"])
    assert kept.config["wandb_run"]["continues"] and ended.config["wandb_run"]["continued_in"]
    (run,) = typed(online, *local(folder), "--force")
    assert_once(kept, lines=[*LINES, "exit code 3"])
    assert len(swan.experiments) == 2


def test_ended_by_swanlab_in_the_middle_of_it(crashed: Path, online: Cli, swan: SwanLabCloud) -> None:
    fault = swan.fail("/house/metrics$", "hang", times=1, skip=2, seconds=5)
    process = online.start("convert", "--mode", "online", "--report", "r.json", *local(crashed))
    swan.wait(lambda: fault.hits, 60)
    kept = swan.experiment("long")
    kept.state, kept.interrupted, kept.finished_at = "CRASHED", True, kept.created_at
    swan.fail("/heartbeat$", 500, times=1)
    fault.release()
    process.communicate(timeout=250)
    (run,) = json.loads((online.dir / "r.json").read_text())["runs"]
    assert (run["state"], run["identical"], run["differences"]) == ("converted", True, []), run
    assert_once(swan.experiment("long-continued-1"), lines=[*LINES, "exit code 3"])


def test_a_run_of_wandbs_cloud_that_goes_on_and_is_renamed(
    crashed: Path, online: Cli, swan: SwanLabCloud, wandb: Any
) -> None:
    run = wandb.load(run_dirs(crashed)["long"])
    every, lines = list(run.history), run.files["output.log"].data
    run.history, run.steps = every[:1500], run.steps[:1500]
    run.final, run.heartbeat = None, time.time()
    summary, run.summary = run.summary, {}
    run.files["output.log"] = type(run.files["output.log"])(b"".join(lines.splitlines(keepends=True)[:4]))
    asked = ("--wb-project", "p")
    (report,) = typed(online, *asked)
    kept = swan.experiment("long")
    assert (report["identical"], report["differences"]) == (True, []) and "running" in report["notices"][0]
    assert (len(kept.scalars["a"]), kept.state) == (1496, "ABORTED")
    assert kept.lines == ["line 0", "line 400", "line 800", "line 1200"]  # and no word of an end
    run.summary = summary
    run.write("wandb-history.jsonl", 0, every)
    run.files["output.log"] = type(run.files["output.log"])(lines)
    run.final, run.heartbeat, run.name, run.notes, run.tags = "crashed", time.time(), "new name", "why", ["x"]
    (report,) = typed(online, *asked)
    assert (report["identical"], report["differences"], report["lost"]) == (True, [], [])
    assert kept.duplicate_points == [] and len(kept.scalars["a"]) == ROWS
    assert kept.lines == [f"line {i}" for i in range(0, ROWS, 400)] + ["W&B says: crashed"]
    assert (kept.name, kept.description, kept.tags, kept.state) == ("new name", "why", ["x"], "CRASHED")
    (report,) = typed(online, *asked)
    assert report["state"] == "skipped" and len(swan.experiments) == 1


def test_a_swanlab_that_gives_nothing_back(crashed: Path, online: Cli, swan: SwanLabCloud) -> None:
    swan.fail("/metrics/(scalar|media)/keys$", 404)
    (run,) = typed(online, *local(crashed))
    assert (run["state"], run["identical"]) == ("converted", None)
    assert "gives nothing back" in run["not_compared"][0]


def test_another_run_of_that_id_comes_behind(crashed: Path, online: Cli, swan: SwanLabCloud, tmp_path: Path) -> None:
    other = train(
        tmp_path / "other", "run = wandb.init(id='long', project='p')\nfor i in range(5): run.log({'a': -1.0})"
    )
    typed(online, *local(other))
    time.sleep(LAG)
    (run,) = typed(online, *local(crashed), "-l", "elsewhere")
    assert (run["identical"], run["differences"]) == (True, [])
    kept = swan.experiment("long")
    assert kept.duplicate_points == [] and len(kept.scalars["a"]) == ROWS + 5
    assert kept.metrics["a"][4] == -1.0 and kept.metrics["a"][5] == 0.0


def test_the_run_of_another_entity_comes_behind(online: Cli, swan: SwanLabCloud, wandb: Any) -> None:
    """Its project and its id are the same in W&B, and so is the experiment."""
    for entity, at in (("one", 1_700_000_000.0), ("two", 1_700_100_000.0)):
        wandb.add_run("p", "same", [{"loss": i} for i in range(10)], entity=entity, created=at)
    typed(online, "--wb-project", "p", "--wb-entity", "one")
    (run,) = typed(online, "--wb-project", "p", "--wb-entity", "two", "-l", "elsewhere")
    assert (run["state"], run["differences"]) == ("converted", [])
    kept = swan.experiment("same")
    assert kept.duplicate_points == [] and len(kept.scalars["loss"]) == 20
