"""Saved files, artifacts, alerts and the summary of a run are in SwanLab."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from wandb.proto import wandb_internal_pb2 as pb

from compat_tests.conftest import WAYS, Record, Recorded, coming_by, recorder
from compat_tests.stores import SwanStore, WandbStore
from wandb_swan.parity.comparison import compare_runs
from wandb_swan.parity.logs import read_logs
from wandb_swan.parity.stored import StoredRun
from wandb_swan.stream.records import Decoder

pytestmark = pytest.mark.live

SCRIPT = """
import pathlib
import numpy as np
import wandb_swan as wandb

def write(path, text):
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)

write("now.txt", "now"); write("sub/end.txt", "end"); write("live.txt", "first"); write("odd [1]*?.txt", "odd"); write(".hidden", "h!")
write("end!", "bang"); write("code/model.py", "x = 1"); write("weights.bin", "12345"); write("config.yaml", "mine: 1")
with wandb.init(project="files", id="files") as run:
    run.save("now.txt", policy="now")
    run.save("sub/end.txt", policy="end")
    run.save("live.txt", policy="live")
    for name in ("odd [[]1[]][*][?].txt", ".hidden", "end!", "config.yaml"):
        run.save(name)
    run.log({"loss": 1, "image": wandb.Image(np.zeros((4, 4), dtype=np.uint8)), "t": wandb.Table(columns=["a"], data=[[1]])}, step=7)
    run.alert("Loss is low", "it is 1", level="WARN")
    run.alert("Again", "still", level="ERROR")
    write("live.txt", "last")
    run.log_code("code")
    run.log_model("weights.bin", "weights", aliases=["best"])
    artifact = wandb.Artifact("data", type="dataset", description="rows")
    artifact.add_file("weights.bin")
    artifact.add_file("now.txt")
    run.log_artifact(artifact, aliases=["v1", "train"])
    run.summary["best"] = 0.9
    run.summary["histogram"] = wandb.Histogram([1, 2])
    run.summary.update({"deep": {"er": [1, 2]}})
    run.log({"alerts": "a text of the user's"}, step=8)
    for i in range(3):
        run.log({"mine": {"_type": "mine", "x": i}}, step=9 + i)
"""


@pytest.fixture(scope="module", params=WAYS)
def recorded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return coming_by(request.param, recorder(tmp_path_factory.mktemp("files")))(SCRIPT)


@pytest.fixture(scope="module")
def stores(recorded: Recorded) -> tuple[WandbStore, SwanStore]:
    return recorded.pair()


def test_saved_files(stores: tuple[WandbStore, SwanStore]) -> None:
    _, swan = stores
    saved = {save.name: save for save in swan.saves}
    contents = {
        "now.txt": "now",
        "sub/end.txt": "end",
        "live.txt": "last",
        "odd [1]*?.txt": "odd",
        ".hidden": "h!",
        "end!": "bang",
    }
    for name, text in contents.items():
        assert (swan.dir / "files" / name).read_text() == Path(saved[name].source_path).read_text() == text
    assert [saved[name].policy for name in ("now.txt", "sub/end.txt", "live.txt")] == [0, 1, 2]
    assert not [name for name in saved if name.startswith("media/")], "media come with their rows"
    lost = {item["key"]: item["reason"] for item in swan.about["not_mirrored"]}
    assert lost["config.yaml"] == "file not saved: SwanLab has a file of its own with this name"
    assert set(lost) == {"config.yaml", "mine"}


def test_artifacts_are_listed(stores: tuple[WandbStore, SwanStore]) -> None:
    wandb, swan = stores
    logged = {
        record.artifact.name: record.artifact
        for record in wandb.records
        if record.WhichOneof("record_type") == "artifact"
    }
    listed = {item["name"]: item for item in swan.about["artifacts"]}
    assert set(listed) == {name for name, item in logged.items() if item.type != "run_table"} and len(listed) == 3
    for name, item in listed.items():
        assert item["type"] == logged[name].type and item["digest"] == logged[name].digest
        assert item["aliases"] == list(logged[name].aliases)
    assert (listed["data"]["size"], listed["data"]["description"]) == (8, "rows")
    assert set(listed["data"]["aliases"]) == {"v1", "train", "latest"}
    assert (listed["weights"]["type"], listed["weights"]["size"]) == ("model", 5)
    assert [item["type"] for item in listed.values()].count("code") == 1


SAVED = """
import pathlib, shutil
import wandb_swan as wandb
run = wandb.init(project="p", id="r1")
pathlib.Path("mine.bin").write_bytes(b"m" * 3000)
run.save("mine.bin")
(pathlib.Path(run.dir) / "theirs.bin").write_bytes(b"t" * 3000)
run.save("theirs.bin")
run.log({"a": 1})
run.finish()
"""


def test_saved_files_stay_when_wandbs_folder_goes(record: Record) -> None:
    result = record(SAVED)
    (wandb_dir,), (swan_dir,) = result.wandb_dirs, result.swan_dirs()
    mine, theirs = (swan_dir / "files" / name for name in ("mine.bin", "theirs.bin"))
    assert theirs.samefile(wandb_dir / "files" / "theirs.bin"), "not stored twice on one file system"
    shutil.rmtree(result.dir / "wandb")
    assert (mine.read_bytes(), theirs.read_bytes()) == (b"m" * 3000, b"t" * 3000)
    assert not mine.is_symlink() and not theirs.is_symlink()


CODE = """
import subprocess, sys
git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
for command in (["init", "-q"], ["add", "train.py"], ["commit", "-qm", "first"]):
    subprocess.run([*git, *command], check=True)
with open("train.py", "a") as script:
    script.write("# not committed\\n")
import wandb_swan as wandb
with wandb.init(project="p", id="r1", save_code=True) as run:
    run.log({"a": 1})
"""


@pytest.mark.reconcile
@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_program_that_wandb_saves(record: Record) -> None:
    """Its core saves it, and what is not committed: only its log says so."""
    wandb, swan = record(CODE).pair()
    files = wandb.dir / "files"
    for name in ("code/train.py", "diff.patch"):
        assert (swan.dir / "files" / name).read_bytes() == (files / name).read_bytes()
    assert "# not committed" in (swan.dir / "files" / "diff.patch").read_text()
    assert "not_mirrored" not in swan.about
    (swan.dir / "files" / "code" / "train.py").unlink()
    found = compare_runs(read_logs(list(wandb.dir.glob("run-*.wandb"))), StoredRun(swan.dir), "r1")
    assert "code/train.py" in str(found.differences())


def test_a_used_artifact_is_an_event() -> None:
    record = pb.Record()
    record.use_artifact.id, record.use_artifact.name, record.use_artifact.type = "QXJ0", "data:v1", "dataset"
    (event,) = Decoder().feed(record.SerializeToString())
    assert event.model_dump(include={"name", "type", "used"}) == {"name": "data:v1", "type": "dataset", "used": True}


def test_alerts_are_texts_and_console_lines(stores: tuple[WandbStore, SwanStore]) -> None:
    _, swan = stores
    alerts = next(key for key in swan.media if key.startswith("alerts") and len(swan.media[key]) == 2)
    assert list(swan.texts(alerts).values()) == ["[WARN] Loss is low: it is 1", "[ERROR] Again: still"]
    assert "wandb alert [WARN] Loss is low: it is 1" in swan.console()
    assert {
        key: swan.texts(key) for key in swan.media if swan.kinds[key] == "TEXT" and key not in (alerts, "mine")
    } == {next(key for key in swan.media if key.startswith("alerts") and key != alerts): {8: "a text of the user's"}}


def test_summary_set_by_hand(stores: tuple[WandbStore, SwanStore]) -> None:
    _, swan = stores
    summary = swan.about["summary"]
    assert summary["best"] == 0.9 and summary["deep"] == {"er": [1, 2]}
    assert summary["histogram"]["_type"] == "histogram"
    assert set(summary) == {"best", "deep", "histogram"}


def test_the_finish_line_says_how_many_values_of_what_kind(recorded: Recorded) -> None:
    assert "4 values could not be kept there as they were (3 x unknown kind 'mine'" in recorded.stderr
