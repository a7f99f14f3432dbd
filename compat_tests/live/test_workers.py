"""Processes that use the run they were given: all that wandb's log has of them is in SwanLab at the end."""

from __future__ import annotations

import pytest

from compat_tests.conftest import Record, coming_by

pytestmark = pytest.mark.live

WORKER = """
import multiprocessing, os, sys
import numpy
import wandb_swan as wandb

def work(run):
    LOG
    run.config["from worker"] = {"n": [1, 0.5]}
    run.summary["by worker"] = 7
    with open("w.txt", "w") as file:
        file.write("worker")
    run.save("w.txt")
    run.alert("from", "worker")
    artifact = wandb.Artifact("of-worker", "dataset")
    artifact.add_file("w.txt")
    run.log_artifact(artifact)
    sys.stdout.write("line of the worker\\n")  # in one piece: of two, wandb may lose the last where the process ends
    sys.stdout.flush()

def main():
    run = wandb.init(project="p", id="r1", config={"lr": 0.5})
    run.define_metric("best", summary="max")
    print("line 1")
    for i in range(3):
        run.log({"a": i, "best": -i})
    START
    print("line 2")
    run.log({"a": 4})
    run.finish()

if __name__ == "__main__":
    main()
"""
LOGS = {
    "rows": 'run.log({"w": 1, "table": wandb.Table(columns=["a", "im"], data=[[1, wandb.Image(numpy.eye(4))]])})',
    "no rows": "pass",
}
FORK = """
    pid = os.fork()
    if not pid:
        work(run)
        os._exit(0)
    os.waitpid(pid, 0)
"""
SPAWN = """
    worker = multiprocessing.get_context("spawn").Process(target=work, args=(run,))
    worker.start()
    worker.join()
    assert worker.exitcode == 0
"""


@pytest.mark.parametrize("logs", LOGS)
@pytest.mark.parametrize(
    ("start", "way"),
    [(FORK, "import"), (FORK, "toggle"), (SPAWN, "import"), (SPAWN.replace('"spawn"', '"forkserver"'), "toggle")],
    ids=["fork", "fork under the toggle", "spawn", "forkserver under the toggle"],
)
def test_a_worker_that_uses_the_run(record: Record, start: str, way: str, logs: str) -> None:
    script = WORKER.replace("    LOG\n", f"    {LOGS[logs]}\n").replace("    START\n", start)
    result = coming_by(way, record)(script)
    assert result.returncode == 0, result.explain()
    wandb, swan = result.pair()  # `wandb-swan verify` says the same of both
    assert wandb.config["from worker"] == swan.config["from worker"] == {"n": [1, 0.5]}
    assert swan.about["summary"]["by worker"] == 7 and swan.about["summary"]["best"] == {"max": 0}
    assert [(item["name"]) for item in swan.about["artifacts"]] == ["of-worker"]
    assert (swan.dir / "files" / "w.txt").read_text() == "worker"
    assert ("table/im" in swan.media) == (logs == "rows") and "not_mirrored" not in swan.about
    (alert,) = swan.texts("alerts").values()
    assert alert.endswith("from: worker")
    assert swan.console().count("line 1") == swan.console().count("line 2") == 1
    assert ("line of the worker" in wandb.console) == ("line of the worker" in swan.console())
    assert logs == "no rows" or (swan.scalars["w"] and swan.kinds["table"] == "ECHARTS")


OPEN_ROW = """
import os, time
import wandb_swan as wandb

run = wandb.init(project="p", id="r1")
run.log({"a": 1, "b": 0.5}, step=5)
time.sleep(0.1)
pid = os.fork()
if not pid:
    run.log({"w": 1})
    time.sleep(1)  # wandb sends it from a thread
    os._exit(0)
os.waitpid(pid, 0)
run.finish()
"""


def test_a_worker_that_adds_to_a_row_gives_it_its_time(record: Record) -> None:
    """wandb's row has the time of the last call that added to it; ours alone knows the training's."""
    wandb, swan = record(OPEN_ROW).pair()
    assert {"a", "b", "w"} <= wandb.rows[5].keys()
    for key in ("a", "b", "w"):
        assert abs(swan.times[key, 5] - wandb.timestamps[5]) < 1e-5
