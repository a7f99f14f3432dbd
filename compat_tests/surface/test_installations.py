"""Installations in which something does nothing: no `.pth` file is read, a package is missing or too old, no login."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

from compat_tests.conftest import Recorded, clean_environment, wait_for_mirrors
from compat_tests.installations import TRAIN, Installation, said
from compat_tests.stores import assert_same_values

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(os.name == "nt", reason="links"),
]


def test_on_pythonpath_alone(tmp_path: Path) -> None:
    """What `pip install --target` gives: `wandb-swan run` works all the same, the toggle cannot, and `doctor` says so."""
    place = Installation(tmp_path, ours=False)
    target = tmp_path / "target"
    target.mkdir()
    place.put(target)
    (target / "sitecustomize.py").write_text("import sys\nsys.the_users_own = 1\n")
    script = "import sys\nassert sys.the_users_own == 1\n" + TRAIN
    path = {"PYTHONPATH": str(target)}
    by_run = place.start("-m", "wandb_swan", "run", "--", str(place.python), "train.py", script=script, **path)
    wandb, swan = by_run.pair()
    assert swan.scalars["a"] == {0: 0.0, 1: 1.0, 2: 2.0} and len(wandb.rows) == 3
    shutil.rmtree(place.work / "swanlog")
    shutil.rmtree(place.work / "wandb")
    imported = place.start("train.py", script=script.replace("finish()", "finish()") + "import wandb_swan\n", **path)
    assert said(imported) == []  # the run was over
    late = script.replace("run.log", "import wandb_swan; run.log")
    assert (
        "what run r1 logged before this line comes from wandb's own log"
        in place.start("train.py", script=late, **path).stderr
    )
    checked = place.start("-m", "wandb_swan", "doctor", expect=1, **path)
    (red,) = [line for line in checked.stdout.splitlines() if "not ok" in line]
    assert "WANDB_SWAN=1 alone does nothing" in red and "-m wandb_swan run" in checked.stdout


def test_a_program_of_a_python_that_has_no_wandb_swan(tmp_path: Path) -> None:
    """It has SwanLab, but a mirror is wandb_swan's: that of the command mirrors it."""
    other = Installation(tmp_path, ours=False)
    (other.work / "train.py").write_text(TRAIN)
    done = subprocess.run(
        [sys.executable, "-m", "wandb_swan", "run", "--", other.python, "train.py"],
        cwd=other.work,
        env=clean_environment(other.home, SWANLAB_PROBE_MONITOR="false"),
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    wait_for_mirrors(other.work)
    result = Recorded(other.work, done.returncode, done.stdout, done.stderr)
    assert [line.split()[1] for line in said(result)] == ["mirroring", "SwanLab"], done.stderr
    assert_same_values(*result.pair())


def test_local_without_the_dashboard(tmp_path: Path) -> None:
    place = Installation(tmp_path, without=("swanboard",))
    slow = TRAIN.replace("run.finish", "import time\ntime.sleep(8)\nrun.finish")
    result = place.start("train.py", script=slow, WANDB_SWAN="1", WANDB_SWAN_MODE="local")
    early = [line for line in said(result) if line.startswith("wandb_swan: mode local needs SwanLab's dashboard")]
    assert len(early) == 1 and 'type `pip install "swanlab[dashboard]"`; what run r1 logs is kept in' in early[0]
    assert "nothing is lost: type `wandb-swan resume" in said(result)[-1]
    checked = place.start("-m", "wandb_swan", "doctor", expect=1, WANDB_SWAN_MODE="local", WANDB_SWAN_LOG_DIR="other")
    assert checked.stdout.count("not ok") == 1 and "mode local needs SwanLab's dashboard" in checked.stdout
    for entry in Path(distribution("swanlab").locate_file("")).glob("swanboard*"):
        (place.packages / entry.name).symlink_to(entry)
    place.start("-m", "wandb_swan", "resume")
    _, swan = result.pair()
    assert swan.scalars["a"] == {0: 0.0, 1: 1.0, 2: 2.0}


def test_a_wandb_that_is_not_tapped(tmp_path: Path) -> None:
    place = Installation(tmp_path)
    place.age("wandb", "0.12.9")
    for script, switch in ((TRAIN, "1"), (TRAIN.replace("import wandb", "import wandb_swan as wandb"), None)):
        result = place.start("train.py", script=script, WANDB_SWAN=switch)
        (line,) = said(result)
        assert line.startswith("wandb_swan: nothing is mirrored (wandb 0.12.9 is below 0.13, the lowest that works: ")
        assert line.endswith("type `pip install -U wandb`); wandb works alone")
        assert not (place.work / "swanlog").exists()
    assert len(result.wandb_dirs) == 2


@pytest.mark.parametrize(("package", "version"), [("wandb", "0.18.0"), ("swanlab", "0.6.3")])
def test_versions_below_those_of_a_mirror(tmp_path: Path, package: str, version: str) -> None:
    place = Installation(tmp_path)
    place.age(package, version)
    result = place.start("train.py", script=TRAIN, WANDB_SWAN="1", PATH="/usr/bin:/bin")
    (line,) = said(result)
    assert line.startswith(f"wandb_swan: no mirror can run in this environment ({package} {version} is below ")
    assert "type `wandb-swan sidecar`" in line and "the journal waits in swanlog/journals" in line
    assert len(list((place.work / "swanlog" / "journals").glob("*.journal"))) == 1
    checked = place.start("-m", "wandb_swan", "doctor", expect=1)
    assert f"{package} {version} is below" in checked.stdout and "not ok" in checked.stdout


def test_online_without_a_login(tmp_path: Path) -> None:
    place = Installation(tmp_path)
    slow = TRAIN.replace("run.finish", "import time\ntime.sleep(8)\nrun.finish")
    result = place.start("train.py", script=slow, WANDB_SWAN="1", WANDB_SWAN_MODE="online", WANDB_SWAN_MOD="x")
    lines = said(result)
    assert lines[0] == "wandb_swan: WANDB_SWAN_MOD is no switch; did you mean WANDB_SWAN_MODE?"
    assert len([line for line in lines if line.startswith("wandb_swan: no SwanLab login: type `swanlab login`")]) == 1
    assert "no SwanLab login" in lines[-1] and "nothing is lost: type `wandb-swan resume" in lines[-1]
    checked = place.start("-m", "wandb_swan", "doctor", expect=1, WANDB_SWAN_MODE="online", WANDB_SWAN_LOG_DIR="other")
    assert checked.stdout.count("not ok") == 1 and "no SwanLab login: type `swanlab login`" in checked.stdout
