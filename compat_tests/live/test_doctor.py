"""`wandb-swan doctor` on a sound machine and on one where something is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from compat_tests.conftest import clean_environment

pytestmark = pytest.mark.live


def doctor(folder: Path, *options: str, **environment: str) -> tuple[int, str]:
    done = subprocess.run(
        [Path(sys.executable).with_name("wandb-swan"), "doctor", *options],
        cwd=folder,
        env=clean_environment(folder, **environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_sound_machine_is_green_and_no_key_is_shown(tmp_path: Path) -> None:
    code, told = doctor(tmp_path, WANDB_API_KEY="a1" * 20, SWANLAB_API_KEY="b2" * 10)
    assert code == 0 and "not ok" not in told and "the same in wandb and SwanLab" in told, told
    assert told.count("found") == 2 and "a1a1" not in told and "b2b2" not in told
    assert not (tmp_path / "swanlog").exists() and not (tmp_path / "wandb").exists()


def test_what_is_wrong_is_red(tmp_path: Path) -> None:
    journals = tmp_path / "journals"
    journals.mkdir()
    (journals / "left.journal").write_bytes(b":W&B\xe1\xbe\x00")
    code, told = doctor(tmp_path, "--quiet", WANDB_SWAN_JOURNAL_DIR=str(journals), WANDB_SWAN_MODE="local")
    assert code == 1 and told.strip().startswith("not ok") and "1 not finished" in told, told
    assert told.count("\n") == 1, "nothing of what is sound"
    code, told = doctor(tmp_path, "--json", WANDB_SWAN_MODE="on-line")
    verdicts = {found["subject"]: found["verdict"] for found in map(json.loads, told.splitlines())}
    assert verdicts["settings"] == "wrong" and verdicts["versions"] == "ok"
    assert code == 1 and "WANDB_SWAN_MODE='on-line' is not allowed" in told, told
