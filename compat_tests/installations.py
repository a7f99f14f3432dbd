"""Environments of a training: with links to the packages of this one, but for some; what is started there."""

from __future__ import annotations

import shutil
import subprocess
import venv
from importlib.metadata import distribution
from pathlib import Path

import pytest

import wandb_swan
from compat_tests.conftest import Recorded, clean_environment, wait_for_mirrors

TRAIN = """
import wandb
run = wandb.init(project="p", id="r1", config={"lr": 0.1})
for i in range(3):
    run.log({"a": i})
run.finish()
"""
OURS = ("wandb_swan", "_wandb_swan", "_editable_impl_wandb_swan", "__editable__")
"""What the names of our own files in site-packages begin with."""

NOT_NEEDED = ("swanlab", "swanboard", "pydantic_settings", "tenacity", "rich", "psutil", "pyecharts", "tests")
"""What of our requirements wandb itself does not need."""
NO_COMMAND = {"PATH": "/usr/bin:/bin"}
"""A PATH without `wandb-swan`."""


def interpreter(version: str) -> str:
    """A Python of that series; skips where there is none."""
    found = shutil.which(f"python{version}")
    if found is None or subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode:
        pytest.skip(f"no python{version} here")
    return found


class Installation:
    """A virtual environment with links to the packages of this one, but for some."""

    def __init__(self, folder: Path, *, without: tuple[str, ...] = (), ours: bool = True) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.work = folder / "work"
        self._no_mirror = False
        self.home.mkdir(parents=True)
        self.work.mkdir()
        venv.create(folder / "venv", symlinks=True)
        self.python = folder / "venv" / "bin" / "python"
        self.packages = next((folder / "venv").glob("lib/python*/site-packages"))
        for entry in Path(distribution("swanlab").locate_file("")).iterdir():
            if not entry.name.startswith((*OURS, *without, "__pycache__")):
                (self.packages / entry.name).symlink_to(entry)
        if ours:
            self.put(self.packages)

    def put(self, target: Path) -> None:
        """The package and its metadata, as `pip install --target` would put it there."""
        package = Path(wandb_swan.__file__).parent
        metadata = Path(str(distribution("wandb-swan").locate_file("")))
        shutil.copytree(package, target / "wandb_swan", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("wandb_swan.pth", "_wandb_swan_command.py"):
            shutil.copy(next(path for path in (metadata / name, package.parent / name) if path.exists()), target)
        for info in metadata.glob("wandb_swan-*.dist-info"):
            shutil.copytree(info, target / info.name)

    def age(self, package: str, version: str) -> None:
        """Has the metadata of a package say another version."""
        (link,) = self.packages.glob(f"{package}-*.dist-info")
        real = link.resolve()
        link.unlink()
        shutil.copytree(real, link)
        text = (link / "METADATA").read_text("utf-8")
        now = next(line for line in text.splitlines() if line.startswith("Version: "))
        (link / "METADATA").write_text(text.replace(now, f"Version: {version}", 1), "utf-8")

    def start(self, *arguments: str, script: str = TRAIN, expect: int = 0, **environment: str | None) -> Recorded:
        (self.work / "train.py").write_text(script)
        done = subprocess.run(
            [self.python, *arguments],
            cwd=self.work,
            env=clean_environment(self.home, **{"SWANLAB_PROBE_MONITOR": "false", **environment}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=200,
        )
        assert done.returncode == expect, done.stdout + done.stderr
        self._no_mirror = self._no_mirror or "; the journal waits in" in done.stderr  # none can run there
        if not self._no_mirror:
            wait_for_mirrors(self.work)
        return Recorded(self.work, done.returncode, done.stdout, done.stderr)


def said(result: Recorded) -> list[str]:
    return [line for line in result.stderr.splitlines() if line.startswith("wandb_swan: ")]
