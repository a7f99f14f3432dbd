"""Names in W&B that an address must encode: of projects, of entities, of runs, of files."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("graphql", reason="the loopback W&B parses GraphQL with graphql-core")
wandb_cloud = pytest.importorskip("compat_tests.servers.wandb_cloud")

from compat_tests.convert.conftest import Cli  # noqa: E402

pytestmark = pytest.mark.live

PROJECTS = [
    *("two words", "caf\u00e9 \u5b9e\u9a8c \U0001f600", "a+b", "me@home", "100%", "%41", "c#", "what?", "a&b=c", "a:b"),
    *("runs", "sweeps", "r\u00e9\u0301sum\u00e9", 'it\'s "q"', "semi;colon,", "[x]{y}", "tilde~", "*", "back`tick$"),
]
ENTITY = "team \u00e9+@"


@pytest.fixture
def cloud_settings() -> dict[str, Any]:
    return {"entity": ENTITY}


def fill(cloud: wandb_cloud.WandbCloud, project: str, run_id: str, *, exported: bool) -> None:
    cloud.add_run(project, run_id, [{"loss": i / 2, "pic": {"_type": "table-file", "ncols": 1}} for i in range(30)])
    for name in ("a b+c%41#?\u00e9.txt", "logs/100%.log"):
        cloud.add_file(run_id, name, name.encode())
    cloud.add_artifact(run_id, "data set", "dataset")
    if exported:
        cloud.export(run_id, last_step=20)


def test_every_name_of_a_project(cloud: wandb_cloud.WandbCloud, online: Cli) -> None:
    for number, project in enumerate(PROJECTS):
        fill(cloud, project, f"run{number}", exported=number % 2 == 0)
    said = online.cloud("--all-projects", "--verify", "full", "--workers", "2")
    stores = online.stores()
    assert set(stores) == {f"run{number}" for number in range(len(PROJECTS))}, said
    for number, project in enumerate(PROJECTS):
        swan = stores[f"run{number}"]
        assert swan.scalars["loss"] == {i: i / 2 for i in range(30)}, project
        assert (swan.dir / "files" / "a b+c%41#?\u00e9.txt").is_file() and (swan.dir / "files/logs/100%.log").is_file()
        assert [item["name"] for item in swan.about["artifacts"]] == ["data set:v0"]
    assert f"{len(PROJECTS)} skipped" in online.cloud("--all-projects")


@pytest.mark.parametrize("project", ["two words", "runs", "sweeps", "%41+@?#\u00e9"])
def test_one_run_of_an_odd_id(cloud: wandb_cloud.WandbCloud, online: Cli, project: str) -> None:
    run_id = "id with \u00e9+@ 100%"
    fill(cloud, project, run_id, exported=True)
    said = online.cloud("--wb-entity", ENTITY, "--wb-project", project, "--wb-runid", run_id, "--verify", "full")
    (swan,) = online.stores().values()
    assert len(swan.scalars["loss"]) == 30 and swan.start.project, said
    assert "1 skipped" in online.cloud("--wb-project", project)
    assert "1 of 1 runs identical" in online("verify", f"{ENTITY}/{project}/{run_id}", swan.dir)
