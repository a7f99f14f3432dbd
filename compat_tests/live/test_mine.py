"""What `tox -e mine` does with a script, without the environment that it makes: the commands of tox.ini, in this one."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from compat_tests.conftest import clean_environment
from wandb_swan.swan.sdk.description import rewrite

pytestmark = pytest.mark.live

CLONE = Path(__file__).parent.parent.parent
SCRIPT = """
import sys, wandb
run = wandb.init(project="p", name="one", config={"epochs": sys.argv[2]})
run.log({"loss": 0.5})
run.finish()
sys.exit(int(sys.argv[3]))
"""


class Mine:
    """The commands that tox would run, and their environment."""

    def __init__(self, folder: Path, *posargs: str) -> None:
        command = [sys.executable, "-m", "tox", "config", "-e", "mine", "-k", "commands", "set_env", "env_tmp_dir"]
        command += ["--workdir", str(folder / "tox"), "--", *posargs]
        told = subprocess.run(command, cwd=CLONE, capture_output=True, text=True, check=True).stdout
        lines = told.split("[testenv:mine]", 1)[1].splitlines()
        commands, variables = lines.index("commands ="), lines.index("set_env =")
        self.commands = [line.strip() for line in lines[commands + 1 : variables]]
        made = dict(line.strip().split("=", 1) for line in lines[variables + 1 :] if line.startswith("  "))
        (place,) = (line.split(" = ", 1)[1] for line in lines if line.startswith("env_tmp_dir = "))
        self.place = Path(place)
        self.place.mkdir(parents=True)
        path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
        self.environment = clean_environment(folder / "home", PATH=path, **made)

    def run(self, *, first: int = 0) -> tuple[int, str]:
        """The exit code of the first command that fails, as tox does it, and what all have said."""
        said = ""
        for command in self.commands[first:]:
            done = subprocess.run(
                shlex.split(command), env=self.environment, cwd=CLONE, capture_output=True, text=True, timeout=120
            )
            said += done.stdout + done.stderr
            if done.returncode:
                return done.returncode, said
        return 0, said


def test_mine(tmp_path: Path) -> None:
    script = tmp_path / "my train.py"
    script.write_text(SCRIPT)
    mine = Mine(tmp_path, str(script), "--epochs", "3", "0")
    code, said = mine.run()
    assert code == 0 and "1 of 1 runs identical" in said, said
    assert sorted(path.name for path in mine.place.iterdir()) == ["swanlog", "wandb"]
    (run,) = mine.place.glob("swanlog/run-*")
    rewrite(run, {"name": "another", "description": "", "group": "", "job_type": "", "tags": []})
    code, said = mine.run(first=1)
    assert code == 1 and "0 of 1 runs identical" in said, said


def test_mine_of_a_script_that_fails(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    code, said = Mine(tmp_path, str(script), "--epochs", "3", "7").run()
    assert code == 7 and "runs identical" not in said
