"""The switches of the loopback W&B, each as the real wandb client meets it."""

from __future__ import annotations

import json
import time
from urllib.request import Request, urlopen

import pytest

pytest.importorskip("graphql", reason="the loopback W&B parses GraphQL with graphql-core")
wandb = pytest.importorskip("wandb")

from compat_tests.servers.conftest import Client  # noqa: E402
from compat_tests.servers.wandb_cloud import WandbCloud  # noqa: E402

VERSION = tuple(int(part) for part in wandb.__version__.split(".")[:2])
ATTEMPT = """
def attempt(call):
    try:
        return call()
    except BaseException as exc:
        return f"{type(exc).__name__}: {exc}"
"""


def test_a_page_may_hold_fewer_than_were_asked_for(cloud: WandbCloud, client: Client) -> None:
    for i in range(7):
        cloud.add_run("p", f"r{i}", [{"loss": i, "at": j} for j in range(5)])
        cloud.add_file("r0", f"f{i}", b"x")
        cloud.add_artifact("r0", f"a{i}", "dataset")
    cloud.page_nodes, cloud.page_rows = 2, 3
    runs, count, files, artifacts, projects, rows = client("""
api = wandb.Api()
run = api.run("acme/p/r0")
say([[r.id for r in api.runs("acme/p", per_page=50)], len(api.runs("acme/p")), [f.name for f in run.files(per_page=50)],
     [a.name for a in run.logged_artifacts(per_page=50)], [p.name for p in api.projects("acme")],
     [row["at"] for row in run.scan_history(page_size=5)]])
""")
    assert sorted(runs) == [f"r{i}" for i in range(7)] and count == 7
    assert files == [f"f{i}" for i in range(7)] and projects == ["p"]
    assert artifacts == [f"a{i}:v0" for i in range(7)]
    assert rows == [0, 1, 2]  # the client takes a page for whole: what a cap costs


def test_no_history_keys_and_those_of_the_system(cloud: WandbCloud, client: Client) -> None:
    run = cloud.add_run("p", "r", [{"loss": i} for i in range(3)])
    run.events = [json.dumps({"_timestamp": 1, "system.cpu": 5.0}), json.dumps({"_timestamp": 2, "system.cpu": 6.0})]
    script = (
        ATTEMPT + 'run = wandb.Api().run("acme/p/r"); load = getattr(run, "load_full_data", None); load and load()\n'
    )
    script += 'say([run._attrs["historyKeys"], attempt(lambda: run.lastHistoryStep)])'
    keys, last = client(script)
    assert set(keys["keys"]) == {"_step", "_timestamp", "_runtime", "loss"} and last == 2
    cloud.system_keys = True
    keys, last = client(script)
    assert keys["keys"]["system/cpu"]["typeCounts"] == [{"type": "number", "count": 2}] and last == 2
    cloud.null_history_keys = True
    assert client(script) == [None, -1]


@pytest.mark.parametrize("project", ["my project", "größe+1", "a@b", "50 & more"])
def test_names_that_addresses_encode(cloud: WandbCloud, client: Client, project: str) -> None:
    """Names as W&B takes them. (wandb 0.31 streams no history of a run whose id has a `%`: it asks `POST /`.)"""
    said = client(
        """
project = os.environ["NAMED"]
run = wandb.init(project=project, id="an id+1@", name=project)
run.log({"loss": 1.5})
with open(os.path.join(run.dir, "ä +%41.txt"), "w") as file:
    file.write("kept")
run.save(os.path.join(run.dir, "ä +%41.txt"), base_path=run.dir)
run.finish()
api = wandb.Api()
found = api.run(f"acme/{project}/an id+1@")
found.file("ä +%41.txt").download(root="down")
say([[p.name for p in api.projects("acme")], found.project, found.id, [r["loss"] for r in found.scan_history()],
     [r.id for r in api.runs(f"acme/{project}")], open("down/ä +%41.txt").read(), found.path[1:]])
""",
        NAMED=project,
    )
    projects, name, run_id, losses, runs, text, path = said
    assert (projects, name, run_id, runs) == ([project], project, "an id+1@", ["an id+1@"])
    assert (losses, text) == ([1.5], "kept")
    if VERSION >= (0, 31):  # that a path is no name: it is encoded
        assert path[1] == "an%20id%2B1%40"
    assert cloud.asked("UpsertBucket", "an id+1@") and cloud.asked("file_stream", "an id+1@")


@pytest.mark.parametrize("answer", [(403, "AccessDenied", "Request has expired"), (400, "ExpiredToken", "Invalid")])
def test_an_address_runs_out(cloud: WandbCloud, client: Client, answer: tuple[int, str, str]) -> None:
    cloud.add_run("p", "r")
    cloud.add_file("r", "big.bin", b"x" * 1000)
    cloud.redirects, cloud.url_uses, cloud.expired = True, 1, answer
    script = (
        ATTEMPT
        + """
import requests
file = next(iter(wandb.Api().run("acme/p/r").files()))
address = file._attrs["directUrl"]
first, again = requests.get(address), requests.get(address)
file.download(root="down")
say([first.status_code, len(first.content), again.status_code, again.text, os.path.getsize("down/big.bin")])
"""
    )
    first, size, again, text, downloaded = client(script)
    assert (first, size, again, downloaded) == (200, 1000, answer[0], 1000)
    assert f"<Code>{answer[1]}</Code>" in text  # and through `/files/`, which signs anew, it goes on
    cloud.url_uses, cloud.url_seconds = None, 0.2
    (address,) = client('say([f._attrs["directUrl"] for f in wandb.Api().run("acme/p/r").files()])')
    time.sleep(0.3)
    with pytest.raises(OSError, match=str(answer[0])):
        urlopen(Request(address))
    with pytest.raises(OSError, match=str(answer[0])):  # an address without its signature never was good
        urlopen(Request(address.partition("?")[0]))


def test_errors_under_http_200(cloud: WandbCloud, client: Client) -> None:
    cloud.add_run("p", "r", [{"loss": i} for i in range(3)])
    refused = cloud.say_errors("Runs", times=1, message="the database is away")
    script = ATTEMPT + "say(attempt(lambda: [r.id for r in wandb.Api().runs('acme/p')]))"
    said = client(script, WANDB__GRAPHQL_RETRY_MAX="2")
    assert refused.hits == 1 and "the database is away" in said
    assert client(script) == ["r"]
    cloud.say_errors("Runs|Run", times=None, without="project.runs", message="half of it")
    assert "half of it" in str(client(script, WANDB__GRAPHQL_RETRY_MAX="2"))


def test_graphql_is_rate_limited(cloud: WandbCloud, client: Client) -> None:
    cloud.add_run("p", "r", [{"loss": i} for i in range(3)])
    cloud.rate = (1, 1.0)
    script = 'say([[row["loss"] for row in r.scan_history()] for r in wandb.Api().runs("acme/p")])'
    assert client(script) == [[0, 1, 2]]
    assert cloud.count("/graphql/", 429) > 0


def test_a_manifest_is_gone(cloud: WandbCloud, client: Client) -> None:
    cloud.add_run("p", "r")
    cloud.add_artifact("r", "whole", "dataset")
    cloud.lose_manifest(cloud.add_artifact("r", "lost", "dataset"))
    script = ATTEMPT + "run = wandb.Api().run('acme/p/r')\n"
    script += "say({a.name: attempt(lambda: len(a.manifest.entries)) for a in run.logged_artifacts()})"
    said = client(script)
    assert said["whole:v0"] == 0 and "404" in said["lost:v0"]


def test_what_was_asked_is_counted_by_operation_and_run(cloud: WandbCloud, client: Client) -> None:
    for name in ("r1", "r2"):
        cloud.add_run("p", name, [{"loss": i} for i in range(3)])
        cloud.add_file(name, "note.txt", b"n")
    client("""
runs = {run.id: run for run in wandb.Api().runs("acme/p")}
rows = list(runs["r1"].scan_history())
runs["r1"].file("note.txt").download(root="down")
""")
    assert cloud.asked("Runs") == 1 and cloud.asked("Runs", "r1") == 0 and cloud.asked("download", "r1") == 1
    assert cloud.asked(run="r1") >= 3 and cloud.asked(run="r2") == 0
    assert sum(cloud.operations("r1").values()) == cloud.asked(run="r1")


@pytest.mark.skipif(VERSION < (0, 28), reason="reads no parquet exports")
def test_a_server_that_says_nothing_of_live_data(cloud: WandbCloud, client: Client) -> None:
    pytest.importorskip("pyarrow")
    cloud.live_data = False
    for name in ("none", "part"):
        cloud.add_run("p", name, [{"loss": i} for i in range(6)])
    cloud.export("part", 3)
    said = client("""
api = wandb.Api()
say([[row["loss"] for row in api.run(f"acme/p/{name}").scan_history()] for name in ("none", "part")])
""")
    assert said == [[0, 1, 2, 3, 4, 5], [0, 1, 2, 3]]  # the rest is not asked for: what that server costs
