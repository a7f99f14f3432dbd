"""The capture side in an environment without SwanLab, the mirror in another one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from compat_tests.conftest import clean_environment, wait_for_mirrors
from compat_tests.installations import NO_COMMAND, NOT_NEEDED, TRAIN, Installation, said

pytestmark = [pytest.mark.live, pytest.mark.skipif(os.name == "nt", reason="links")]

MIRRORS = Path(sys.executable)
"""A Python that has all."""
VALUES = {0: 0.0, 1: 1.0, 2: 2.0}


@pytest.fixture
def place(tmp_path: Path) -> Installation:
    return Installation(tmp_path, without=NOT_NEEDED)


def mirrors_python(folder: Path) -> Path:
    """A Python of that name, in that folder, with all packages."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "python"
    path.write_text(f'#!/bin/sh\nexec {MIRRORS} "$@"\n')
    path.chmod(0o755)
    return path


def poison(folder: Path) -> Path:
    """Modules that a mirror must not see."""
    folder.mkdir()
    for name in ("tenacity", "swanlab", "pydantic_settings"):
        (folder / f"{name}.py").write_text("raise SystemExit('imported by the mirror')\n")
    return folder


def test_the_mirror_runs_in_the_environment_that_is_named(place: Installation, tmp_path: Path) -> None:
    environment = {
        "WANDB_SWAN_PYTHON": str(MIRRORS),
        "PYTHONPATH": str(poison(tmp_path / "poison")),
        "PYTHONWARNINGS": "error::DeprecationWarning:nowhere",
        "WANDB_SWAN_PROJECT": "named",
    }
    result = place.start("train.py", WANDB_SWAN="1", **environment, **NO_COMMAND)
    _, swan = result.pair()
    assert swan.scalars["a"] == VALUES and swan.start.project == "named"
    imported = TRAIN.replace("import wandb", "import wandb_swan as wandb").replace("r1", "r2")
    code = imported.replace("config=", f"swanlab_python={str(MIRRORS)!r}, config=")
    assert set(place.start("train.py", script=code, **NO_COMMAND).pairs()) == {"r1", "r2"}


def test_a_command_from_elsewhere_makes_the_package_importable(tmp_path: Path) -> None:
    place = Installation(tmp_path, without=NOT_NEEDED, ours=False)
    theirs = tmp_path / "theirs"  # on PYTHONPATH: Debian's Python has one of its own before any in site-packages
    theirs.mkdir()
    (theirs / "sitecustomize.py").write_text("import sys\nsys.the_users_own = 1\n")
    script = "import sys\nassert sys.the_users_own == 1\nfrom importlib.util import find_spec\n"
    script += "assert find_spec('rich') is None and find_spec('swanlab') is None\n" + TRAIN
    (place.work / "train.py").write_text(script)
    done = subprocess.run(
        [MIRRORS.with_name("wandb-swan"), "run", "--log-dir", "logs", "--", place.python, "train.py"],
        cwd=place.work,
        env=clean_environment(place.home, PYTHONPATH=str(theirs), **NO_COMMAND),
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    wait_for_mirrors(place.work)
    assert "wandb_swan: SwanLab run saved" in done.stderr and len(list((place.work / "logs").glob("run-*"))) == 1


def test_without_a_mirror_the_journal_waits(place: Installation) -> None:
    result = place.start("train.py", WANDB_SWAN="1", **NO_COMMAND)
    (line,) = said(result)
    assert line == (
        "wandb_swan: no mirror can run in this environment (swanlab is not installed): type `wandb-swan sidecar`; "
        "the journal waits in swanlog/journals"
    )
    done = subprocess.run(
        [MIRRORS.with_name("wandb-swan"), "resume"],
        cwd=place.work,
        env=clean_environment(place.home),
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    assert result.pair()[1].scalars["a"] == VALUES


@pytest.mark.parametrize("where", ["sidecar", "PATH"])
def test_the_mirrors_environment_is_found(where: str, place: Installation) -> None:
    environment = dict(NO_COMMAND)
    if where == "sidecar":
        folder = place.home / ".local" / "share" / "wandb-swan" / "sidecar"
        mirrors_python(folder / "bin")
        (folder / "ready").touch()
    else:
        python = mirrors_python(place.folder / "tool" / "bin")
        script = python.with_name("wandb-swan")
        script.write_text(f"#!{python}\n# -*- coding: utf-8 -*-\n")
        script.chmod(0o755)
        environment["PATH"] = f"{python.parent}:{environment['PATH']}"
    _, swan = place.start("train.py", WANDB_SWAN="1", **environment).pair()
    assert swan.scalars["a"] == VALUES


def test_the_command_line_without_its_packages(place: Installation) -> None:
    place.start("train.py", WANDB_SWAN="1", WANDB_SWAN_PYTHON=str(MIRRORS))
    command = ("-c", "from _wandb_swan_command import main; main()")
    assert "finished" in place.start(*command, "status", WANDB_SWAN_PYTHON=str(MIRRORS)).stdout
    none = place.start(*command, "status", expect=2, **NO_COMMAND)
    assert none.stderr.startswith("wandb-swan: no mirror can run in this environment (swanlab is not installed)")
    missing = place.start(*command, "sidecar", "--where", expect=1)
    assert missing.stdout.startswith("there is none in ") and "`wandb-swan sidecar` makes it" in missing.stdout


def test_a_python_that_is_none(place: Installation) -> None:
    result = place.start("train.py", WANDB_SWAN="1", WANDB_SWAN_PYTHON="/nowhere/python")
    (line,) = said(result)
    assert "/nowhere/python is no program" in line and "the journal waits" in line


def test_a_sidecar_that_cannot_be_made_is_said_in_one_line(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    closed = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "0", "PIP_CONFIG_FILE": os.devnull}
    closed |= {"UV_INDEX_URL": "http://127.0.0.1:9/", "UV_HTTP_TIMEOUT": "1", "UV_NO_CONFIG": "1"}
    done = subprocess.run(
        [MIRRORS.with_name("wandb-swan"), "sidecar"],
        cwd=tmp_path,
        env=clean_environment(home, UV_CACHE_DIR=str(tmp_path / "cache"), **closed, **NO_COMMAND),
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("wandb-swan: `") and "has failed: " in done.stderr
    assert not (home / ".local/share/wandb-swan/sidecar/ready").exists()


def test_the_doctor_looks_at_both_environments(tmp_path: Path) -> None:
    """Typed in either one; what a training environment lacks is not missing."""
    place = Installation(tmp_path, without=NOT_NEEDED, ours=False)
    said = doctor(place, "--python", str(place.python))
    assert "its mirrors" in said and "swanlab is not installed there" in said and "not ok" not in said, said
    assert "one run, the same in wandb and SwanLab" in said and "`wandb-swan run`; " in said
    place.put(place.packages)
    command = ("-c", "from _wandb_swan_command import main; main()", "doctor")
    there = place.start(*command, WANDB_SWAN_PYTHON=str(MIRRORS), SWANLAB_PROBE_MONITOR=None).stdout
    assert "swanlab is not installed there" in there and "one run, the same" in there and "WANDB_SWAN=1, " in there
    place.age("wandb", "0.12.9")
    aged = doctor(place, "--python", str(place.python), expect=1)
    assert "wandb 0.12.9 is below 0.13" in aged and "not ok" in aged
    none = doctor(place, "--python", "/bin/false", expect=1)
    assert "/bin/false cannot be asked: it says nothing" in none


def doctor(place: Installation, *arguments: str, expect: int = 0) -> str:
    """`wandb-swan doctor` of the mirrors' environment."""
    done = subprocess.run(
        [MIRRORS.with_name("wandb-swan"), "doctor", *arguments],
        cwd=place.work,
        env=clean_environment(place.home, SWANLAB_PROBE_REQUIREMENTS=None),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout
