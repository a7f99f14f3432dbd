"""Runs in W&B's cloud, a loopback one that the real client reads over HTTP."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("graphql", reason="the loopback W&B parses GraphQL with graphql-core")
wandb_cloud = pytest.importorskip("compat_tests.servers.wandb_cloud")

from compat_tests.convert.conftest import READS_EXPORTS, Cli, run_dirs  # noqa: E402
from compat_tests.stores import SwanStore, WandbStore, assert_same_values  # noqa: E402

pytestmark = pytest.mark.live


def test_the_same_as_the_local_runs(cases: Path, cloud: wandb_cloud.WandbCloud, online: Cli) -> None:
    folders = run_dirs(cases)
    for folder in folders.values():
        cloud.load(folder, project="values")
    said = online.cloud("--wb-project", "values", "--workers", "2", "--report", "r.json")
    stores = online.stores()
    failures = []
    for run_id, folder in folders.items():
        if run_id == "whole":
            continue
        try:
            assert_same_values(WandbStore.read(folder), stores[run_id])
        except AssertionError as error:
            failures.append(f"{run_id}: {error}")
    assert not failures, "\n".join(failures) + said
    report = json.loads((online.dir / "r.json").read_text())
    assert all(run["identical"] for run in report["runs"]), said
    assert not any("logged None" in notice for run in report["runs"] for notice in run["notices"])
    swan = stores["whole"]
    assert (swan.start.name, list(swan.start.tags), swan.start.group) == ("everything", ["x", "y"], "g")
    assert swan.scalars["val/acc"] == {i: i / 6 for i in range(6)} and swan.columns["val/acc"].x_axis == "epoch"
    assert {key: swan.config[key] for key in ("lr", "text", "deep")} == {
        "lr": 0.5,
        "text": "0.5",
        "deep": {"er": [1, None]},
    }
    online.local(cases, "--wb-runid", "whole", "-l", "local")
    (local,) = (SwanStore.read(file.parent) for file in (online.dir / "local").glob("run-*/run-*.swanlab"))
    assert swan.kinds["chart"] == "ECHARTS" and "chart_table" not in swan.kinds  # drawn, not just its table
    for key in ("picture", "table", "histogram", "chart"):
        assert swan.kinds[key] == local.kinds[key]
        assert {step: swan.content(key, step) for step in swan.media[key]} == {
            step: local.content(key, step) for step in local.media[key]
        }
    assert swan.about["summary"] == {"best": 11} and swan.about["url"].startswith(cloud.url)
    assert {item["name"] for item in swan.about["artifacts"]} >= {"data:v0"}
    assert "hello from the console" in swan.console()
    shutil.rmtree(online.dir / "swanlog.cache")
    assert (swan.dir / "files" / "weights.bin").read_bytes() == b"w" * 3000
    key = cloud.api_key
    assert not any(key in path.read_text(errors="replace") for path in online.dir.glob("*.json"))
    assert key not in (online.dir / "swanlog.convert.log").read_text()
    assert f"{len(folders)} skipped" in online.cloud("--wb-project", "values")


def test_a_logged_none_is_told_from_what_a_row_has_not(cloud: wandb_cloud.WandbCloud, online: Cli) -> None:
    rows = [{"loss": None if i % 4 == 3 else i} | ({"other": i} if i % 2 else {}) for i in range(20)]
    for run_id in ("live", "exported", "partly"):
        cloud.add_run("p", run_id, rows)
    cloud.export("exported")
    cloud.export("partly", last_step=9)
    said = online.cloud("--wb-project", "p", "--verify", "full", "--strict")
    assert "its client gives" not in said
    for run_id, swan in online.stores().items():
        assert swan.scalars["loss"] == {i: i for i in range(20) if i % 4 != 3}, run_id
        assert swan.texts("loss (text)") == {i: "null" for i in range(20) if i % 4 == 3}, run_id
        assert swan.scalars["other"] == {i: i for i in range(1, 20, 2)} and "other (text)" not in swan.kinds, run_id


def test_a_none_that_the_client_leaves_out_is_told(cloud: wandb_cloud.WandbCloud, online: Cli) -> None:
    cloud.add_run("p", "long", [{"loss": None if i == 7 else i, "other": i} for i in range(11_000)])
    cloud.export("long")
    said = online.cloud("--wb-project", "p")
    swan = online.stores()["long"]
    assert len(swan.scalars["loss"]) == 10_999 and len(swan.scalars["other"]) == 11_000
    told = "loss: W&B counts 11000 values, its client gives 10999" in said
    assert told == READS_EXPORTS and ("loss (text)" in swan.kinds) != READS_EXPORTS and "other: W&B" not in said


def test_a_server_in_trouble(cloud: wandb_cloud.WandbCloud, online: Cli, tmp_path: Path) -> None:
    for run_id in ("good", "poisoned", "still"):
        rows = [{"loss": i / 2, "odd": float("nan") if i % 2 else 1.0} for i in range(1500)]
        cloud.add_run("p", run_id, rows, final="running" if run_id == "still" else "finished", config={"lr": 1e-5})
        cloud.add_file(run_id, "ckpt/model.bin", b"m" * 5000)
    cloud.add_file("good", "../../evil.txt", b"evil")
    cloud.add_file("good", "/etc/evil", b"evil")
    cloud.add_file("good", "spoiled.bin", b"s" * 3000)
    cloud.export("good", last_step=1000, files=2)
    cloud.poison("poisoned")
    cloud.fail("model.bin", 503, times=1)
    cloud.fail("model.bin", 429, times=1, retry_after=0.1)
    cloud.fail("model.bin", "cut", times=1)
    cloud.fail("spoiled.bin", 500)
    online.env["WANDB__GRAPHQL_RETRY_MAX"] = "1"
    said = online.cloud("--wb-project", "p", "--workers", "2", expect=1)
    stores = online.stores()
    assert set(stores) == {"good", "still"} and "1 failed" in said
    good = stores["good"]
    assert good.scalars["loss"] == {i: i / 2 for i in range(1500)}
    assert all((good.scalars["odd"][i] != good.scalars["odd"][i]) == bool(i % 2) for i in range(1500))
    assert (good.dir / "files" / "ckpt" / "model.bin").read_bytes() == b"m" * 5000
    assert stores["still"].state == "aborted" and "was running" in said
    assert "its path leaves" in said and "spoiled.bin" in said
    assert not list(tmp_path.rglob("evil*"))
    before = cloud.count("model.bin")
    cloud.heal()
    cloud.poisoned.clear()
    said = online.cloud("--wb-project", "p")
    assert "2 converted, 1 skipped" in said and cloud.count("model.bin") - before <= 1
    assert "spoiled.bin" not in said, "what had failed for a reason that passes was tried again"
    assert (online.stores()["good"].dir / "files" / "spoiled.bin").read_bytes() == b"s" * 3000
    assert online.cloud("--wb-project", "p", "--wb-runid", "good", "--force")
    assert cloud.count("model.bin") - before <= 1  # the cache has it


def test_the_server_vanishes_and_comes_back(cloud: wandb_cloud.WandbCloud, online: Cli) -> None:
    for number in range(3):
        cloud.add_run("p", f"r{number}", [{"loss": i / 2 + number} for i in range(2500)], created=1.7e9 + number)
        cloud.add_file(f"r{number}", "ckpt.bin", bytes([number]) * 5000)
    online.env["WANDB__GRAPHQL_RETRY_MAX"] = "1"
    online.env["WANDB_SWAN_RETRY_PAUSE"] = "0.01"
    cloud.fail("History", "refuse", times=1, skip=4, seconds=600)
    said = online.cloud("--wb-project", "p", "--workers", "1", expect=1)
    assert "failed" in said and len(online.stores()) < 3
    cloud.heal()
    cloud.come_back()
    said = online.cloud("--wb-project", "p")
    assert "failed" not in said
    stores = online.stores()
    assert {run_id: store.scalars["loss"] for run_id, store in stores.items()} == {
        f"r{number}": {i: i / 2 + number for i in range(2500)} for number in range(3)
    }
    assert all((stores[f"r{n}"].dir / "files" / "ckpt.bin").read_bytes() == bytes([n]) * 5000 for n in range(3))
    assert "3 skipped" in online.cloud("--wb-project", "p")


def test_the_cloud_says_no(cloud: wandb_cloud.WandbCloud, online: Cli) -> None:
    cloud.add_run("secret", "r", [{"a": 1}])
    cloud.forbid("secret")
    assert "no permission" in online.cloud("--wb-project", "secret", expect=2)
    said = online.cloud("--wb-project", "missing", expect=2)
    assert said.startswith("wandb-swan: cannot") and "check the names" in said
    cloud.add_run("other", "r2", [{"a": 1}])
    assert "there is none" in online.cloud("--wb-project", "other", "--wb-runid", "nope", expect=2)
    online.env["WANDB_API_KEY"] = "0" * 40
    assert "wandb login" in online.cloud("--wb-project", "other", expect=2)
