"""`wandb-swan doctor`: whether this machine can mirror, in a table of green and red."""

from __future__ import annotations

import contextlib
import io
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click

from ..exceptions import WandbSwanError

SELF_TEST_TIMEOUT = 120.0
"""Seconds after which the self-test counts as failed; it takes two, more where the first import reads a slow disk."""

_SELF_TEST = """
import wandb_swan as wandb
run = wandb.init(project="doctor", settings=wandb.Settings(x_disable_stats=True, console="off"))
run.log({"a": 1.5})
run.finish()
"""

Finding = tuple[bool, str]
"""Whether it is good, and what to say."""


@click.command()
def doctor() -> None:
    """Check versions, the tap, credentials, folders, journals, and make one run in both libraries offline.

    Nothing is uploaded. The exit code is 1 if something is red.
    """
    from rich.console import Console
    from rich.table import Table

    checks: dict[str, Callable[[], Finding]] = {
        "versions": _versions,
        "tap": _tap,
        "settings": _settings,
        "W&B credentials": _wandb_credentials,
        "SwanLab credentials": _swanlab_credentials,
        "folder": _folder,
        "journals": _journals,
        "self-test": _self_test,
    }
    table = Table(box=None, show_header=False)
    good = True
    for name, check in checks.items():
        try:
            fine, told = check()
        except Exception as error:
            fine, told = False, f"{type(error).__name__}: {error}"
        good = good and fine
        table.add_row("[green]ok[/]" if fine else "[red]not ok[/]", name, told)
    Console(width=None if sys.stdout.isatty() else 200).print(table)
    if not good:
        raise click.exceptions.Exit(1)


def _versions() -> Finding:
    found, missing = [f"python {platform.python_version()}"], False
    for name in ("wandb-swan", "wandb", "swanlab", "pydantic", "protobuf"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} is not installed")
            missing = True
    return not missing, ", ".join(found)


def _tap() -> Finding:
    from ..capture import install, installed, uninstall
    from ..capture.launch import newer_than_tested

    if not installed():
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            fits = install()
        if not fits:
            return False, said.getvalue().strip()
        uninstall()
    if newer_than_tested(version("wandb")):
        return True, "fits this wandb, which is newer than the newest one tested"
    return True, "fits this wandb"


def _settings() -> Finding:
    from ..settings import read_settings

    try:
        settings = read_settings()
    except WandbSwanError as error:
        return False, str(error)
    if not settings.enabled:
        return True, "WANDB_SWAN switches mirroring off"
    return True, f"mode {settings.mode or 'online with SwanLab credentials, else offline'}"


def _wandb_credentials() -> Finding:
    import wandb

    with contextlib.redirect_stderr(io.StringIO()):
        found = bool(os.environ.get("WANDB_API_KEY") or wandb.api.api_key)
    return True, "found" if found else "none: wandb asks for them, or use WANDB_MODE=offline"


def _swanlab_credentials() -> Finding:
    from ..swan.target import logged_in

    return True, "found" if logged_in() else "none: runs are recorded offline; `swanlab login` changes that"


def _folder() -> Finding:
    from ..settings import read_settings

    journals = read_settings().journals.expanduser().absolute()
    there = next(folder for folder in (journals, *journals.parents) if folder.exists())
    writable = there.is_dir() and os.access(there, os.W_OK | os.X_OK)
    return writable, f"{journals}" if writable else f"{journals} can not be made: {there} is not a writable folder"


def _journals() -> Finding:
    from ..journal.status import unfinished
    from ..settings import read_settings

    left = unfinished(read_settings().journals.expanduser())
    return not left, f"{left} not finished: type `wandb-swan resume`" if left else "none unfinished"


def _self_test() -> Finding:
    """One run of one point, in a process and a folder of its own, without an account."""
    from ..capture.process import python
    from ..defaults import LOG_DIR
    from ..parity.stored import StoredRun

    with tempfile.TemporaryDirectory(prefix="wandb-swan-doctor-") as name:
        folder = Path(name)
        keep = {key: value for key, value in os.environ.items() if not key.startswith(("WANDB", "SWANLAB"))}
        environment = keep | {"WANDB_MODE": "offline", "WANDB_SWAN_MODE": "offline", "WANDB_DIR": name}
        try:
            done = subprocess.run(
                [python(), "-c", _SELF_TEST],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=SELF_TEST_TIMEOUT,
            )
        except subprocess.TimeoutExpired:
            return False, f"no end after {SELF_TEST_TIMEOUT:.0f} s"
        runs = sorted(path.parent for path in (folder / LOG_DIR).glob("run-*/run-*.swanlab"))
        points = StoredRun(runs[0]).scalars.get("a") if len(runs) == 1 else None
        if done.returncode == 0 and points is not None and list(points.values) == [1.5]:
            return True, "one run, the same in wandb and SwanLab"
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        return False, f"exit code {done.returncode}, {len(runs)} SwanLab run(s); it said: {said}"
