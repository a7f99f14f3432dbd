"""wandb's own settings mean what they mean to wandb, wherever they are given, and where our files go follows them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from compat_tests.conftest import Record, Recorded
from compat_tests.stores import SwanStore, assert_same_values

pytestmark = pytest.mark.live

TRAIN = """
import wandb_swan as wandb
run = wandb.init({arguments})
for i in range(3):
    run.log({{"loss": 1 / (i + 1)}})
run.finish()
"""


def assert_mirrored(result: Recorded) -> SwanStore:
    wandb, swan = result.pair()
    assert len(wandb.rows) == 3
    assert_same_values(wandb, swan)
    return swan


def test_dryrun_is_offline(record: Record) -> None:
    result = record(TRAIN.format(arguments=""), WANDB_MODE="dryrun")
    assert assert_mirrored(result).about["mode"] == "dryrun"


def test_disabled(record: Record) -> None:
    for result in (
        record(TRAIN.format(arguments=""), WANDB_MODE="disabled"),
        record(TRAIN.format(arguments="mode='disabled'") + TRAIN.format(arguments="settings={'mode': 'disabled'}")),
    ):
        assert not result.wandb_dirs
        assert not (result.dir / "swanlog").exists()
        assert "wandb_swan" not in result.stderr


def test_wandb_disabled(record: Record) -> None:
    """Up to some release of wandb this disables a run, later ones leave it to the frameworks: as the installed one."""
    result = record(TRAIN.format(arguments=""), WANDB_DISABLED="true")
    assert len(result.swan_dirs()) == len(result.wandb_dirs)


@pytest.mark.parametrize(("command", "recorded"), [("offline", True), ("disabled", False)])
def test_state_files(record: Record, command: str, recorded: bool) -> None:
    """`wandb offline` and `wandb disabled` write wandb's settings file."""
    command_line = f"import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'wandb', '{command}'], check=True)"
    result = record(command_line + TRAIN.format(arguments=""), WANDB_MODE=None)
    assert len(result.wandb_dirs) == len(result.swan_dirs()) == recorded
    if recorded:
        assert_mirrored(result)


IN_MANY_FOLDERS = """
import multiprocessing, os
os.makedirs("scratch/below")

def worker():
    with wandb.init(id="spawned", dir="scratch") as run:
        run.log({"loss": 1})

if __name__ == "__main__":
    for n, more in enumerate([{"dir": "scratch"}, {"settings": wandb.Settings(root_dir="scratch")}, {}]):
        if n == 2:
            os.chdir("scratch/below")
        with wandb.init(id=f"r{n}", **more) as run:
            for i in range(3):
                run.log({"loss": i})
    process = multiprocessing.get_context("spawn").Process(target=worker)
    os.makedirs("scratch")
    process.start()
    process.join()
"""


@pytest.mark.parametrize("toggle", [False, True], ids=["import", "toggle"])
def test_one_log_folder(record: Record, toggle: bool) -> None:
    """It is where the program was started, whatever folders its runs and workers have; its paths work from there."""
    if toggle:
        result = record("import wandb\n" + IN_MANY_FOLDERS, WANDB_SWAN="1", WANDB_SWAN_MODE="local")
    else:
        result = record("import wandb_swan as wandb\n" + IN_MANY_FOLDERS)
    assert sorted(SwanStore.read(path).start.id for path in result.swan_dirs()) == ["r0", "r1", "r2", "spawned"]
    assert {path.parent for path in result.dir.rglob("swanlog")} == {result.dir}
    assert len(list((result.dir / "scratch").rglob("offline-run-*"))) >= 3


def test_a_folder_that_cannot_be_written_to(record: Record, tmp_path: Path) -> None:
    """wandb goes to the system's temporary folder, and so do we."""
    (tmp_path / "temporary").mkdir()
    script = "open('file', 'w').close()\n" + TRAIN.format(arguments="")
    result = record(script, WANDB_DIR="file", TMPDIR=str(tmp_path / "temporary"))
    assert {path.name for path in result.dir.iterdir()} == {"train.py", "file"}
    assert_mirrored(Recorded(tmp_path / "temporary", 0, result.stdout, result.stderr))


def test_our_own_folders_stay_where_they_are_put(record: Record) -> None:
    script = "import os\nos.makedirs('scratch')\n" + TRAIN.format(arguments="dir='scratch'")
    result = record(script, WANDB_SWAN_LOG_DIR="elsewhere", WANDB_SWAN_JOURNAL_DIR="journals")
    assert {path.name for path in result.dir.iterdir()} == {"train.py", "scratch", "elsewhere", "journals"}
    assert {path.name for path in (result.dir / "scratch").iterdir()} == {"wandb"}
    assert list((result.dir / "elsewhere").glob("run-*"))
    assert list((result.dir / "journals").glob("*.status.json"))


def test_run_id_and_resume(record: Record) -> None:
    """An offline run that is resumed is two logs of one id for wandb; so it is for SwanLab."""
    env = {"WANDB_RUN_ID": "same-id", "WANDB_RESUME": "allow"}
    record(TRAIN.format(arguments=""), **env)
    result = record(TRAIN.format(arguments=""), **env)
    assert len(result.wandb_dirs) == 2
    assert len(result.statuses) == 2
    for status in result.statuses:
        assert (status["run_id"], status["state"]) == ("same-id", "finished")
    for path in result.swan_dirs():
        swan = SwanStore.read(path)
        assert swan.start.id == "same-id"
        assert len(swan.scalars["loss"]) == 3


def test_settings_in_code(record: Record) -> None:
    script = """
import wandb_swan as wandb
wandb.require("core")
wandb.setup(settings=wandb.Settings(project="from-setup", run_group="from-setup"))
run = wandb.init(settings=wandb.Settings(run_id="in-code", run_name="named", run_group="g", run_tags=("a", "b")))
assert run.project == "from-setup"
for i in range(3):
    run.log({"loss": i})
run.finish()
"""
    swan = assert_mirrored(record(script))
    assert (swan.start.id, swan.start.name, swan.start.group) == ("in-code", "named", "g")
    assert swan.start.project == "from-setup"
    assert sorted(swan.start.tags) == ["a", "b"]


def test_environment(record: Record) -> None:
    env = {
        "WANDB_PROJECT": "p",
        "WANDB_NAME": "n",
        "WANDB_NOTES": "some notes",
        "WANDB_TAGS": "x,y",
        "WANDB_RUN_GROUP": "g",
        "WANDB_JOB_TYPE": "j",
        "WANDB_DIR": "scratch",
        "WANDB_SILENT": "true",
    }
    result = record("import os\nos.makedirs('scratch')\n" + TRAIN.format(arguments=""), **env)
    assert result.stderr == ""
    assert {path.name for path in result.dir.iterdir()} == {"train.py", "scratch"}
    start = assert_mirrored(Recorded(result.dir / "scratch", 0, "", "")).start
    assert (start.project, start.name, start.description) == ("p", "n", "some notes")
    assert (start.group, start.job_type, sorted(start.tags)) == ("g", "j", ["x", "y"])


def test_errors_are_wandbs(record: Record) -> None:
    """The same exception with the same text; no run is made."""
    result = record(
        """
import wandb, wandb_swan
for given in (
    {"settings": {"x_skip_transaction_log": True, "mode": "offline"}},
    {"settings": {"no_such_setting": 1}},
    {"mode": "nowhere"},
    {"reinit": "sometimes"},
    {"nonsense": 1},
):
    told = []
    for module in (wandb, wandb_swan):
        try:
            module.init(**given)
        except Exception as error:
            told.append((type(error), str(error)))
        else:
            raise SystemExit(f"no error for {given}")
    assert told[0] == told[1], told
"""
    )
    assert not (result.dir / "swanlog").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="a POSIX path")
def test_a_folder_of_ours_that_cannot_be_written(record: Record) -> None:
    script = TRAIN.format(arguments="").replace("run.finish()", "run.finish(); print('trained')")
    result = record(script, WANDB_SWAN_LOG_DIR="/dev/null/x")
    assert result.stdout == "trained\n"
    assert "is not mirrored to SwanLab" in result.stderr
    assert len(result.wandb_dirs) == 1
