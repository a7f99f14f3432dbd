"""`WANDB_SWAN_KEEP_WANDB=false`: W&B's own folder of a run goes once SwanLab has all of it, and not a moment before."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from compat_tests.conftest import Record, Recorded
from compat_tests.stores import SwanStore
from wandb_swan.journal.models import BeginNote
from wandb_swan.journal.reader import begin_note
from wandb_swan.mirror.wandb_folder import WandbFolder

pytestmark = pytest.mark.live

SCRIPT = """
import os, pathlib
import numpy as np
import wandb_swan as wandb
run = wandb.init(project="p", id="r1", config={"lr": 0.5}ARGUMENTS)
folder = pathlib.Path(run.dir)
for i in range(5):
    run.log({"a": i, "text": f"at {i}"})
run.log({
    "picture": wandb.Image(np.arange(48, dtype=np.uint8).reshape(4, 4, 3)),
    "table": wandb.Table(columns=["x"], data=[[1], [2]]),
    "page": wandb.Html("<p>a page</p>"),
})
pathlib.Path("mine.bin").write_bytes(b"m" * 3000)
run.save("mine.bin")
(folder / "own.txt").write_text("put here by the program")
(folder / "code").mkdir(exist_ok=True)
(folder / "code" / "train.py").write_text("1")
print("a line")
MORE
run.finish()
"""
GONE = {"WANDB_SWAN_KEEP_WANDB": "false", "WANDB_SWAN_WANDB_RUN": "false", "WANDB_MODE": "online"}


def script(more: str = "", arguments: str = "") -> str:
    return SCRIPT.replace("MORE", more).replace("ARGUMENTS", arguments)


def line(result: Recorded) -> str:
    (found,) = [line for line in result.stderr.splitlines() if "W&B's own folder of it" in line]
    return found


def assert_gone(result: Recorded) -> SwanStore:
    assert list((result.dir / "wandb").iterdir()) == [], "links into it stay"
    assert "W&B's own folder of it, is removed" in line(result)
    (folder,) = result.swan_dirs()
    swan = SwanStore.read(folder)
    assert swan.scalars["a"] == {i: float(i) for i in range(5)} and swan.state == "finished"
    assert (folder / "files" / "mine.bin").read_bytes() == b"m" * 3000
    assert (folder / "files" / "own.txt").read_text() == "put here by the program"
    assert (folder / "files" / "code" / "train.py").read_text() == "1"
    assert not [path for path in folder.rglob("*") if not path.exists()], "a link into it"
    assert {"picture", "table", "page"} <= set(swan.kinds)
    assert (result.dir / "mine.bin").exists(), "the user's own file is the user's"
    return swan


@pytest.mark.parametrize("how", ["offline", "local", "argument"])
def test_it_goes_when_swanlab_has_all_of_it(record: Record, how: str) -> None:
    if how == "argument":
        assert_gone(record(script(arguments=", wandb_run=False, keep_wandb=False"), WANDB_MODE="online"))
    else:
        assert_gone(record(script(), WANDB_SWAN_MODE=how, **GONE))


STAYS = {
    "wandb_run": ("", {"WANDB_SWAN_WANDB_RUN": None, "WANDB_MODE": "offline"}, "wandb_run is not false"),
    "a loss": ("run.log({'far': 1}, step=2**60)", {}, "SwanLab has not all values as they were"),
    "an artifact": (
        "artifact = wandb.Artifact('model', 'model'); artifact.add_file('mine.bin'); run.log_artifact(artifact)",
        {},
        "SwanLab lists its 1 artifact(s)",
    ),
    "somebody synced it": ("(folder.parent / 'run-r1.wandb.synced').touch()", {}, "`wandb sync` has uploaded it"),
}


@pytest.mark.parametrize("case", STAYS)
def test_it_stays_with_a_line(record: Record, case: str) -> None:
    more, environment, why = STAYS[case]
    result = record(script(more), **{**GONE, **environment})
    (folder,) = result.wandb_dirs
    assert f"{folder.name}, W&B's own folder of it, stays: {why}" in line(result)
    assert (folder / "run-r1.wandb").exists() and (folder.parent / "latest-run").resolve() == folder
    (status,) = result.statuses
    assert status["state"] == "finished"


def test_it_stays_where_nobody_asked(record: Record) -> None:
    result = record(script(), **{**GONE, "WANDB_SWAN_KEEP_WANDB": None})
    assert result.wandb_dirs and "own folder" not in result.stderr


def test_a_killed_training(record: Record) -> None:
    """What wandb's core had written is compared; the run has ended, and nobody writes on."""
    result = record(script("os.kill(os.getpid(), 9)"), expect=-9, **GONE)
    (status,) = result.statuses
    assert status["state"] == "finished" and "W&B's own folder of it" in status["wandb_folder"]
    assert bool(result.wandb_dirs) == ("stays" in status["wandb_folder"]), status["wandb_folder"]


def test_the_comparison_decides(record: Record) -> None:
    """Each change of SwanLab's store, or of the folder, keeps the folder; without one, the same call removes it."""
    result = record(script(), **{**GONE, "WANDB_SWAN_KEEP_WANDB": None}, WANDB_SWAN_KEEP_JOURNAL="1")
    other = record(script().replace("r1", "r2").replace('"a": i', '"a": i + 1'), WANDB_SWAN_WANDB_RUN="false")
    (journal,) = (result.dir / "swanlog" / "journals").glob("r1-*.journal")
    begin, _ = BeginNote.read(begin_note(journal))
    begin = begin.model_copy(update={"settings": begin.settings.model_copy(update={"keep_wandb": False})})
    ours, theirs = other.swan_dirs()
    folder = Path(str(begin.run.dir))

    def told(run_dir: Path) -> str:
        said = WandbFolder(begin, journal).let_go(run_dir, lost=[], artifacts=0)
        assert folder.is_dir() == ("stays" in said)
        return said.split(": ", 1)[-1]

    assert told(theirs).startswith("the comparison with SwanLab's says: ")
    (picture,) = (ours / "media" / "image").rglob("*.png")
    kept = picture.read_bytes()
    picture.unlink()
    assert "picture" in told(ours)
    picture.write_bytes(kept)
    shutil.move(picture, ours / "elsewhere.png")
    picture.symlink_to(next((folder / "files" / "media").rglob("*.png")))
    assert "is a link into it" in told(ours)
    picture.unlink()
    shutil.move(ours / "elsewhere.png", picture)
    with Path(str(begin.run.log)).open("rb") as log:
        user = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=log)
    try:
        assert told(ours) == f"process {user.pid} has its log open"
    finally:
        user.communicate(b"\n")
    inside = WandbFolder(begin, folder / "r1.journal").let_go(ours, lost=[], artifacts=0)
    assert inside.endswith("stays: SwanLab's own folder is in it")
    assert told(ours) == f"{folder.name}, W&B's own folder of it, is removed"
