"""The shell completes what is typed of `wandb-swan`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from compat_tests.conftest import clean_environment
from compat_tests.terminal import Terminal

COMMAND = Path(sys.executable).with_name("wandb-swan")


def source(shell: str, folder: Path) -> str:
    """What `eval` gets."""
    return subprocess.run(
        [COMMAND],
        env=clean_environment(folder, _WANDB_SWAN_COMPLETE=f"{shell}_source"),
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_bash(tmp_path: Path) -> None:
    work = tmp_path / "work"
    (work / "swanlog-of-tuesday").mkdir(parents=True)
    path = f"{COMMAND.parent}:/usr/bin:/bin"
    terminal = Terminal(tmp_path, "bash", "--norc", "--noprofile", PATH=path, PS1="> ")
    terminal.type('eval "$(_WANDB_SWAN_COMPLETE=bash_source wandb-swan)" && echo re""ady\n')
    terminal.until("ready")
    for typed, completed in (
        ("wandb-swan resu\t", "wandb-swan resume "),
        ("wandb-swan convert --max-f\t", "wandb-swan convert --max-file-mb "),
        ("wandb-swan run --mode onl\t", "wandb-swan run --mode online "),
        ("wandb-swan status swanl\t", "wandb-swan status swanlog-of-tuesday/"),
        ("wandb-swan verify swanl\t", "wandb-swan verify swanlog-of-tuesday/"),
    ):
        terminal.type(typed)
        terminal.until(completed)
        terminal.type("\x15")  # the line away
    terminal.type("exit\n")
    terminal.end()


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells(shell: str, tmp_path: Path) -> None:
    script = source(shell, tmp_path)
    assert f"_WANDB_SWAN_COMPLETE={shell}_complete" in script
    known = shutil.which(shell)
    if known is None:
        pytest.skip(f"no {shell} is here to read it")
    (tmp_path / "script").write_text(script)
    subprocess.run([known, "-n", tmp_path / "script"], check=True)
