"""The files of artifacts, brought by `--artifacts` from W&B's cloud (a loopback one) and from local folders."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
import wandb

pytest.importorskip("graphql", reason="the loopback W&B parses GraphQL with graphql-core")
wandb_cloud = pytest.importorskip("compat_tests.servers.wandb_cloud")

from compat_tests.convert.conftest import Cli, train, wait_for, workers_of  # noqa: E402
from wandb_swan.convert import WandbLocalConverter  # noqa: E402

pytestmark = pytest.mark.live

PROJECT = ("--wb-project", "p", "--artifacts", "files")


def listed(cli: Cli, run_id: str) -> dict[str, dict[str, Any]]:
    """What a SwanLab run says of its artifacts, by name."""
    return {item["name"]: item for item in cli.stores()[run_id].about["artifacts"]}


def files_in(folder: Path | str) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()
    }


def report(cli: Cli) -> dict[str, dict[str, Any]]:
    return {run["run_id"]: run for run in json.loads((cli.dir / "r.json").read_text())["runs"]}


# -- from W&B's cloud --------------------------------------------------------------------------------------------------

REAL = """
import pathlib
pathlib.Path("set").mkdir()
for i in range(4):
    pathlib.Path(f"set/{i}.txt").write_text(f"row {i}" * 200)
for version in range(3):
    with wandb.init(project="p", id=f"made{version}") as run:
        pathlib.Path("set/last.txt").write_text(f"version {version}")
        data = wandb.Artifact("data", "dataset", metadata={"a": 1})
        data.add_dir("set")
        data.add_reference("https://example.com/else?where=1", name="else", checksum=False)
        run.log_artifact(data, aliases=["best"]).wait()
        run.log({"loss": version})
with wandb.init(project="p", id="used") as run:
    run.use_artifact("data:v1")
    run.log({"t": wandb.Table(columns=["a"], data=[[1]])})
"""


def test_of_runs_that_the_real_client_logged(cloud: wandb_cloud.WandbCloud, online: Cli, tmp_path: Path) -> None:
    train(tmp_path / "train", REAL, **cloud.env(tmp_path / "train", impatient=True), WANDB_MODE="online")
    said = online.cloud(*PROJECT, "--verify=full", "--workers", "2", "--report", "r.json")
    same = {f"{i}.txt": (f"row {i}" * 200).encode() for i in range(4)}
    for version in range(3):
        item = listed(online, f"made{version}")[f"data:v{version}"]
        assert item["path"] == str(online.dir / "files" / "acme" / "p" / "data" / f"v{version}")
        assert files_in(item["path"]) == {**same, "last.txt": f"version {version}".encode()}
        assert (item["files"], item["bytes"]) == (5, sum(map(len, files_in(item["path"]).values())))
        assert item["references"] == [{"path": "else", "address": "https://example.com/else?where=1"}]
        assert "missing" not in item
    used = listed(online, "used")["data:v1"]
    assert used["used"] and used["path"] == listed(online, "made1")["data:v1"]["path"]
    assert len(list((online.dir / "files" / ".files" / "md5").rglob("*.*"))) == 0
    assert len(files_in(online.dir / "files" / ".files" / "md5")) == 7, "each distinct file is there once"
    assert all(run["identical"] and not run["lost"] and not run["notices"] for run in report(online).values()), said
    for run_id in ("made1", "used"):
        online("verify", f"acme/p/{run_id}", "swanlog")
    before = len(cloud.requests)
    assert "4 skipped" in online.cloud(*PROJECT)
    assert not any("storage" in seen.path for seen in cloud.requests[before:])


def test_faults_on_the_way(cloud: wandb_cloud.WandbCloud, online: Cli) -> None:
    files = {f"{name}.bin": name.encode() * 3000 for name in ("busy", "slow", "cut", "old", "spoiled", "never", "fine")}
    cloud.add_run("p", "r", [{"a": 1}])
    made = cloud.add_artifact("r", "data", "dataset")
    cloud.add_artifact_files(made, files)
    cloud.fail("busy.bin", 503, times=2)
    cloud.fail("slow.bin", 429, times=1, retry_after=0.1)
    cloud.fail("cut.bin", "cut", times=1)
    cloud.fail("old.bin", 403, times=1)  # its signature has expired
    cloud.fail("never.bin", 500)
    cloud.stored[f"artifacts/{made.id}/files/spoiled.bin"] = b"spoiled" * 2999 + b"SPOILED"
    said = online.cloud(*PROJECT, "--report", "r.json", expect=None)
    item = listed(online, "r")["data:v0"]
    came = {name: data for name, data in files.items() if name not in ("never.bin", "spoiled.bin")}
    assert files_in(item["path"]) == came and item["files"] == len(came)
    assert sum(item["missing"].values()) == 2
    assert "data:v0: 2 of 7 files did not come" in said and report(online)["r"]["identical"] is False
    assert not list((online.dir / "files").rglob("*.part"))
    cloud.heal()
    cloud.stored[f"artifacts/{made.id}/files/spoiled.bin"] = files["spoiled.bin"]
    before = cloud.count("fine.bin")
    said = online.cloud(*PROJECT, "--report", "r.json")
    assert "1 converted" in said and report(online)["r"]["identical"] is True
    item = listed(online, "r")["data:v0"]
    assert files_in(item["path"]) == files and "missing" not in item
    assert cloud.count("fine.bin") == before, "what is here is not asked for again"
    assert "1 skipped" in online.cloud(*PROJECT)


def test_an_artifact_costs_itself_alone(cloud: wandb_cloud.WandbCloud, online: Cli, tmp_path: Path) -> None:
    cloud.add_run("p", "r", [{"a": i} for i in range(5)])
    fine = cloud.add_artifact("r", "fine", "dataset")
    cloud.add_artifact_files(fine, {"f": b"1"})
    bare = cloud.add_artifact("r", "bare", "dataset")
    del cloud.stored[f"artifacts/{bare.id}/m"]
    broken = cloud.add_artifact("r", "broken", "dataset")
    cloud.stored[f"artifacts/{broken.id}/m"] = b"<html>"
    cloud.add_artifact("r", "half", "dataset", used=True, state="PENDING")
    cloud.add_artifact("r", "gone", "dataset", used=True, state="DELETED")
    hostile = cloud.add_artifact("r", "hostile", "dataset")
    cloud.add_artifact_files(
        hostile, {"../../../../evil": b"evil", "/etc/evil": b"evil", "a\\evil": b"evil", "ok": b"1"}
    )
    told = {**hostile.manifest["contents"], "null": None, "odd": {"digest": 7, "size": "x"}}
    cloud.stored[f"artifacts/{hostile.id}/m"] = json.dumps({**hostile.manifest, "contents": told}).encode()
    odd = cloud.add_artifact("r", "odd: näme", "dataset")
    cloud.add_artifact_files(odd, {"f": b"odd"})
    said = online.cloud(*PROJECT, "--verify=full", "--report", "r.json")
    items = listed(online, "r")
    assert files_in(items["fine:v0"]["path"]) == {"f": b"1"}
    assert files_in(items["odd: näme:v0"]["path"]) == {"f": b"odd"}
    assert files_in(items["hostile:v0"]["path"]) == {"ok": b"1"}
    assert items["hostile:v0"]["missing"] == {
        "its path leaves the artifact's folder": 3,
        "its digest is none that can be checked": 2,
    }
    for name in ("bare:v0", "broken:v0", "half:v0", "gone:v0"):
        assert "path" not in items[name] and items[name]["missing"], name
    assert not list(tmp_path.rglob("*evil*"))
    every = report(online)["r"]["lost"]
    lost = {lost["key"]: (lost["reason"], lost["count"]) for lost in every if "checked" not in lost["reason"]}
    assert any(lost["reason"].endswith("can be checked") for lost in report(online)["r"]["lost"])
    assert set(lost) == {"bare:v0", "broken:v0", "half:v0", "gone:v0", "hostile:v0"}
    assert "404" in lost["bare:v0"][0] and "pending" in lost["half:v0"][0] and "deleted" in lost["gone:v0"][0]
    assert lost["hostile:v0"][1] == 3 and "leaves the artifact's folder" in said
    assert report(online)["r"]["identical"] is True, said
    assert "1 skipped" in online.cloud(*PROJECT)


def test_a_manifest_that_does_not_come_now(cloud: wandb_cloud.WandbCloud, online: Cli) -> None:
    cloud.add_run("p", "r", [{"a": 1}])
    cloud.add_artifact_files(cloud.add_artifact("r", "data", "dataset"), {"f": b"1"})
    cloud.add_artifact_files(cloud.add_artifact("r", "other", "dataset"), {"f": b"2"})
    online.env["WANDB__GRAPHQL_RETRY_MAX"] = "1"
    cloud.fail("graphql/ArtifactManifest", 500)
    said = online.cloud(*PROJECT, expect=None)
    assert "artifact data:v0 left out: its manifest cannot be read" in said and "other:v0" in said
    assert online.stores()["r"].scalars["a"] == {0: 1}
    cloud.heal()
    assert "1 converted" in online.cloud(*PROJECT)
    assert files_in(listed(online, "r")["data:v0"]["path"]) == {"f": b"1"}
    assert "1 skipped" in online.cloud(*PROJECT)


def test_asked_for_later_and_with_another_limit(cloud: wandb_cloud.WandbCloud, online: Cli) -> None:
    cloud.add_run("p", "r", [{"a": 1}])
    cloud.add_artifact_files(cloud.add_artifact("r", "small", "dataset"), {"f": b"1"})
    cloud.add_artifact_files(cloud.add_artifact("r", "large", "dataset"), {"f": b"x" * 3_000_000})
    cloud.add_run("p", "none", [{"a": 1}])
    assert "2 converted" in online.cloud("--wb-project", "p") and not (online.dir / "files").exists()
    assert "path" not in listed(online, "r")["small:v0"]
    said = online.cloud(*PROJECT, "--max-artifact-gb", "0.002")
    assert "2 converted" in said and "artifact large:v0 left out: 3.0 MB, over --max-artifact-gb 0.002" in said
    items = listed(online, "r")
    assert files_in(items["small:v0"]["path"]) == {"f": b"1"} and "path" not in items["large:v0"]
    assert "2 skipped" in online.cloud(*PROJECT, "--max-artifact-gb", "0.001")
    assert "2 skipped" in online.cloud("--wb-project", "p"), "what is there with artifacts is there without"
    assert "1 converted, 1 skipped" in online.cloud(*PROJECT)
    assert files_in(listed(online, "r")["large:v0"]["path"]) == {"f": b"x" * 3_000_000}
    assert "2 skipped" in online.cloud(*PROJECT)
    shutil.rmtree(online.dir / "files")
    assert "1 converted, 1 skipped" in online.cloud(*PROJECT)
    assert files_in(listed(online, "r")["small:v0"]["path"]) == {"f": b"1"}
    other = (*PROJECT[:-1], "elsewhere")
    assert "2 converted" in online.cloud(*other)
    assert listed(online, "r")["small:v0"]["path"].startswith(str(online.dir / "elsewhere"))
    cloud.run("r").write("wandb-history.jsonl", 1, [json.dumps({"_step": 1, "a": 2})])
    cloud.run("r").heartbeat += 1
    said = online.cloud("--wb-project", "p")
    assert "1 converted" in said and f"--artifacts {online.dir / 'elsewhere'} does" in said


def test_killed_in_the_middle(cloud: wandb_cloud.WandbCloud, online: Cli) -> None:
    files = {f"{i}.bin": bytes([i]) * 200_000 for i in range(12)}
    for run_id in ("r1", "r2"):  # both workers want the same
        cloud.add_run("p", run_id, [{"a": 1}])
    made = cloud.add_artifact("r1", "data", "dataset")
    cloud.add_artifact_files(made, files)
    cloud.run("r2").used.append(made)
    hanging = cloud.fail("5.bin", "hang")
    process = online.start("convert", "-t", "wandb", "--mode", "offline", *PROJECT, "--workers", "2")
    wait_for(lambda: hanging.hits and len(files_in(online.dir / "files" / ".files" / "md5")) == 11)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    wait_for(lambda: not workers_of(online), 10)
    assert not (online.dir / "files" / "acme").exists(), "nothing half is under its own name"
    cloud.heal()
    before = cloud.count(".bin")
    assert "2 converted" in online.cloud(*PROJECT, "--workers", "2", "--verify=full")
    for run_id in ("r1", "r2"):
        assert files_in(listed(online, run_id)["data:v0"]["path"]) == files
    assert 1 <= cloud.count(".bin") - before <= 2, "what was here is not asked for again"


def test_no_address_in_the_log_and_no_key_to_a_bucket(cloud: wandb_cloud.WandbCloud, online: Cli) -> None:
    cloud.add_run("p", "r", [{"a": 1}])
    cloud.add_artifact_files(cloud.add_artifact("r", "data", "dataset"), {"f": b"1"})
    cloud.fail("files", 503, times=1)
    online.cloud(*PROJECT)
    log = (online.dir / "swanlog.convert.log").read_text()
    assert "503" in log and "/storage/" not in log and cloud.api_key not in log


def test_a_file_that_was_changed_is_found(cloud: wandb_cloud.WandbCloud, online: Cli) -> None:
    cloud.add_run("p", "r", [{"a": 1}])
    cloud.add_artifact_files(cloud.add_artifact("r", "data", "dataset"), {"f": b"good", "g": b"same"})
    online.cloud(*PROJECT)
    folder = Path(listed(online, "r")["data:v0"]["path"])
    (folder / "f").chmod(0o644)
    (folder / "f").write_bytes(b"evil")
    (online.dir / "swanlog.convert.json").unlink()
    shutil.rmtree(online.dir / "swanlog")
    online.cloud(*PROJECT)
    assert files_in(listed(online, "r")["data:v0"]["path"]) == {"f": b"good", "g": b"same"}


def test_a_folder_that_cannot_be_is_told_before_the_work(online: Cli, cloud: wandb_cloud.WandbCloud) -> None:
    cloud.add_run("p", "r", [{"a": 1}])
    (online.dir / "files").write_text("")
    said = online.cloud(*PROJECT, expect=2)
    assert "files" in said and not (online.dir / "swanlog").exists()


# -- from local folders ------------------------------------------------------------------------------------------------

OFFLINE = """
import pathlib
pathlib.Path("data").mkdir()
for name in ("kept", "changed", "removed"):
    pathlib.Path(f"data/{name}.txt").write_text(name)
import wandb.sdk.interface.interface as interface
with wandb.init(project="p", id="off") as run:
    data = wandb.Artifact("data", "dataset")
    for name in ("kept", "changed", "removed"):
        data.add_file(f"data/{name}.txt", policy="immutable")
    data.add_reference("https://example.com/key", checksum=False)
    run.log_artifact(data)
    staged = wandb.Artifact("staged", "model")
    with staged.new_file("deep/er/weights.bin", mode="wb") as file:
        file.write(b"w" * 5000)
    run.log_artifact(staged)
    many = wandb.Artifact("many", "dataset")
    for number in range(30):
        pathlib.Path(f"data/{number}").write_text("x" * number)
        many.add_file(f"data/{number}", policy="immutable")
        many.add_reference(f"https://example.com/{number}", name=f"away/{number}", checksum=False)
    interface.MANIFEST_FILE_SIZE_THRESHOLD = 10
    run.log_artifact(many)
    run.log({"t": wandb.Table(columns=["a"], data=[[1]])})
pathlib.Path("data/changed.txt").write_text("CHANGED")
pathlib.Path("data/removed.txt").unlink()
"""


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("offline"), OFFLINE)


def test_of_an_offline_run(offline: Path, cli: Cli) -> None:
    cli.env["WANDB_CACHE_DIR"] = str(offline.parent / "home" / "nowhere")
    said = cli.local(offline, "--artifacts", "files", "--verify=full", "--report", "r.json")
    items = listed(cli, "off")
    assert set(items) == {"data", "staged", "many"}
    folder = Path(items["data"]["path"])
    assert folder == cli.dir / "files" / "local" / "p" / "data" / items["data"]["digest"][:12]
    assert files_in(folder) == {"kept.txt": b"kept"}
    assert items["data"]["missing"] == {
        "it has changed since it was logged": 1,
        "it is not on this machine any more": 1,
    }
    assert items["data"]["references"] == [{"path": "key", "address": "https://example.com/key"}]
    assert files_in(items["staged"]["path"]) == {"deep/er/weights.bin": b"w" * 5000}
    assert files_in(items["many"]["path"]) == {f"{number}": b"x" * number for number in range(30)}
    assert len(items["many"]["references"]) == 20 and items["many"]["references_in_all"] == 30
    every = json.loads(Path(items["many"]["references_file"]).read_text())
    assert {item["path"]: item["address"] for item in every} == {
        f"away/{number}": f"https://example.com/{number}" for number in range(30)
    }
    lost = {lost["reason"]: lost["count"] for lost in report(cli)["off"]["lost"]}
    assert lost == {
        "file of an artifact left out: it has changed since it was logged": 1,
        "file of an artifact left out: it is not on this machine any more": 1,
    }
    assert report(cli)["off"]["identical"] is True, said
    assert "1 skipped" in cli.local(offline, "--artifacts", "files")
    (offline.parent / "data" / "kept.txt").touch()
    assert files_in(folder) == {"kept.txt": b"kept"}


def test_the_comparison_does_not_believe_the_list(offline: Path, cli: Cli) -> None:
    cli.env["WANDB_CACHE_DIR"] = str(offline.parent / "home" / "nowhere")
    cli.local(offline, "--artifacts", "files")
    folder = Path(listed(cli, "off")["staged"]["path"])

    def verify(expect: int) -> str:
        return cli("verify", offline, "swanlog", "--details", expect=expect)

    verify(0)
    (weights,) = folder.rglob("weights.bin")
    weights.chmod(0o644)
    weights.write_bytes(b"W" * 5000)
    assert "weights.bin: another digest" in verify(1)
    weights.write_bytes(b"w")
    assert "weights.bin: 5000 bytes in wandb, 1 in its folder" in verify(1)
    weights.unlink()
    assert "staged: 1 of 1 files are not there, its list says 0" in verify(1)
    weights.write_bytes(b"w" * 5000)
    (folder / "more").write_text("")
    assert "1 files that wandb has not, 'more' among them" in verify(1)
    (folder / "more").unlink()
    verify(0)
    shutil.rmtree(cli.dir / "files")
    assert "is not on this machine" in verify(3)


def test_xxh128(cli: Cli, tmp_path: Path) -> None:
    if "digest_algorithm" not in signature(wandb.Artifact).parameters:
        pytest.skip("this wandb has MD5 alone")
    script = """
with wandb.init(project="p", id="x") as run:
    data = wandb.Artifact("data", "dataset", digest_algorithm="XXH128")
    with data.new_file("f") as file:
        file.write("1 2")
    run.log_artifact(data)
"""
    folder = train(tmp_path / "train", script)
    cli.local(folder, "--artifacts", "files", "--verify=full", "--report", "r.json")
    assert files_in(listed(cli, "x")["data"]["path"]) == {"f": b"1 2"}
    assert report(cli)["x"]["identical"] is True and not report(cli)["x"]["lost"]


def test_the_python_interface(offline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "nowhere"))
    done = WandbLocalConverter(
        mode="offline", log_dir="logs", artifacts="files", max_artifact_gb=0.000_001, workers=1
    ).run(str(offline))
    assert done.runs[0].identical is not False
    assert any("staged left out: 5.0 kB, over --max-artifact-gb 1e-06" in notice for notice in done.runs[0].notices)
    (kept,) = (tmp_path / "files").rglob("kept.txt")
    assert kept.read_text() == "kept"


def test_a_full_disk_is_one_message(
    cloud: wandb_cloud.WandbCloud, online: Cli, small_file_system: Callable[[str], Path]
) -> None:
    tiny_disk = small_file_system("1m")
    cloud.add_run("p", "r", [{"a": 1}])
    files = {f"{i}": os.urandom(100_000) for i in range(20)}
    made = cloud.add_artifact("r", "large", "dataset")
    cloud.add_artifact_files(made, files)
    for entry in made.manifest["contents"].values():
        del entry["size"]  # the folder cannot know beforehand
    cloud.stored[f"artifacts/{made.id}/m"] = json.dumps(made.manifest).encode()
    cloud.add_artifact_files(cloud.add_artifact("r", "larger", "dataset"), {"f": b"x" * 3_000_000})
    command = ("--wb-project", "p", "--artifacts", str(tiny_disk / "files"))
    said = online.cloud(*command, "--report", "r.json", expect=None)
    assert said.count("make room and type the same command again") in (1, 2) and "Traceback" not in online.log()
    assert not (tiny_disk / "files" / "acme").exists()
    assert online.stores()["r"].scalars["a"] == {0: 1}, "the run itself is whole"
    subprocess.run(["mount", "-o", "remount,size=50m", tiny_disk], check=True)
    said = online.cloud(*command, "--verify=full")
    assert "1 converted" in said and files_in(listed(online, "r")["large:v0"]["path"]) == files
    assert "1 skipped" in online.cloud(*command)
