"""The sidecar: an environment of its own for mirrors, beside one that must not be changed. Standard library alone.

It has this very package, copied, and what that requires, from the package index that pip or uv are set to.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING

from .capture.interpreter import (
    OLDEST_PYTHON,
    READY,
    find,
    foreign_environment,
    python_in,
    sidecar_folder,
)
from .exceptions import WandbSwanError

if TYPE_CHECKING:
    from collections.abc import Sequence

WHERE = "Print the sidecar's folder."
UPGRADE = "Bring it to this version of wandb-swan, and what that requires to the newest."
REMOVE = "Remove it."
SWANLAB = "The version of SwanLab, for instance 0.10.3."
EXTRA = "An extra of wandb-swan's, for instance dashboard or media; may be given several times."


def make(*, swanlab: str | None = None, extras: Sequence[str] = (), upgrade: bool = False) -> Path:
    """Makes the sidecar, or completes what an interrupted command has left. Returns its folder.

    Raises:
        WandbSwanError: there is no Python for it, or pip or uv has failed.
        OSError: the folder cannot be written.
    """
    folder = sidecar_folder()
    if (folder / READY).exists() and not upgrade and not swanlab and not extras:
        return folder
    (folder / READY).unlink(missing_ok=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    uv = shutil.which("uv")
    if not python_in(folder).exists():
        shutil.rmtree(folder, ignore_errors=True)
        python = _python(uv)
        _run([uv, "venv", "--quiet", "--python", python, str(folder)] if uv else [python, "-m", "venv", str(folder)])
    install = [uv, "pip", "install", "--python"] if uv else []
    python = str(python_in(folder))
    command = [*install, python] if uv else [python, "-m", "pip", "install", "--disable-pip-version-check"]
    wanted = _requirements(extras) + ([f"swanlab=={swanlab}"] if swanlab else [])
    _run([*command, "--quiet", *(["--upgrade"] if upgrade else []), *wanted])
    _copy_package(Path(_said([python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"])))
    (folder / READY).write_text("made by wandb-swan sidecar\n", "utf-8")
    return folder


def remove() -> bool:
    """Removes the sidecar; whether there was one. Raises OSError."""
    folder = sidecar_folder()
    if not folder.exists():
        return False
    shutil.rmtree(folder)
    return True


def command(
    *, where: bool, upgrade: bool, remove_it: bool, swanlab: str | None, extras: Sequence[str]
) -> tuple[int, str]:
    """What `wandb-swan sidecar` does: its exit code, and what it says. Raises as `make` and `remove` do."""
    folder = sidecar_folder()
    if where:
        there = (folder / READY).exists()
        return (0, str(folder)) if there else (1, f"there is none in {folder}; `wandb-swan sidecar` makes it")
    if remove_it:
        return 0, f"removed {folder}" if remove() else f"there is none in {folder}"
    make(swanlab=swanlab, extras=extras, upgrade=upgrade)
    return 0, f"{folder}: mirrors are started from here where a program's own environment has no SwanLab"


def main(arguments: list[str]) -> int:
    """The command line where not all that it needs is installed: `sidecar`; all else in the mirrors' environment."""
    if arguments[:1] != ["sidecar"]:
        try:
            python = find(_given()).path
        except OSError as error:
            print(f"wandb-swan: {error}", file=sys.stderr)
            return 2
        if arguments[:1] == ["doctor"] and not any(one.startswith("--python") for one in arguments):
            arguments = ["doctor", "--python", sys.executable, *arguments[1:]]
        code = "import sys; sys.path[:] = filter(None, sys.path); from _wandb_swan_command import main; main()"
        return subprocess.call([python, "-E", "-c", code, *arguments], env=foreign_environment(os.environ))
    parser = argparse.ArgumentParser("wandb-swan sidecar", description=__doc__)
    parser.add_argument("--where", action="store_true", help=WHERE)
    parser.add_argument("--upgrade", action="store_true", help=UPGRADE)
    parser.add_argument("--remove", action="store_true", dest="remove_it", help=REMOVE)
    parser.add_argument("--swanlab", metavar="VERSION", help=SWANLAB)
    parser.add_argument("--extra", action="append", dest="extras", default=[], metavar="NAME", help=EXTRA)
    try:
        code_and_text = command(**vars(parser.parse_args(arguments[1:])))
    except (WandbSwanError, OSError) as error:
        print(f"wandb-swan: {error}", file=sys.stderr)
        return 2
    print(code_and_text[1])
    return code_and_text[0]


def _given() -> Path | None:
    given = os.environ.get("WANDB_SWAN_PYTHON")
    return Path(given) if given else None


def _python(uv: str | None) -> str:
    """A Python that mirrors can run in: this one, else what uv or PATH have."""
    if sys.version_info >= OLDEST_PYTHON:
        return sys.executable
    if uv:
        return ">=" + ".".join(map(str, OLDEST_PYTHON))
    for minor in range(14, OLDEST_PYTHON[1] - 1, -1):
        found = shutil.which(f"python3.{minor}")
        if found and subprocess.run([found, "-c", "import venv"], capture_output=True).returncode == 0:
            return found
    lowest = ".".join(map(str, OLDEST_PYTHON))
    raise WandbSwanError(f"a sidecar needs Python {lowest} or newer: install one, or uv, which brings it")


def _requirements(extras: Sequence[str]) -> list[str]:
    """What this package requires, as it says itself."""
    try:
        declared = distribution("wandb-swan").requires or []
    except PackageNotFoundError:
        raise WandbSwanError(
            "this copy of wandb-swan does not say what it requires; type `uv tool install wandb-swan`"
        ) from None
    wanted = [line for line in declared if not re.search(r"extra *==", line)]
    for extra in extras:
        of_extra = [line for line in declared if re.search(rf"""extra *== *['"]{re.escape(extra)}['"]""", line)]
        if not of_extra:
            raise WandbSwanError(f"wandb-swan has no extra {extra!r}")
        wanted += [re.sub(r"""\s*(;|and)\s*extra *== *['"][^'"]*['"]""", "", line) for line in of_extra]
    return wanted


def _copy_package(target: Path) -> None:
    """This package and its metadata, as they are here."""
    import wandb_swan

    package = Path(wandb_swan.__file__).parent
    shutil.rmtree(target / "wandb_swan", ignore_errors=True)
    shutil.copytree(package, target / "wandb_swan", ignore=shutil.ignore_patterns("__pycache__"))
    metadata = Path(str(distribution("wandb-swan").locate_file("")))
    for name in ("_wandb_swan_command.py", "wandb_swan.pth"):
        there = next((path for path in (metadata / name, package.parent / name) if path.exists()), None)
        if there is not None:
            shutil.copy(str(there), str(target))
    for old in target.glob("wandb_swan-*.dist-info"):
        shutil.rmtree(old)
    for info in metadata.glob("wandb_swan-*.dist-info"):
        shutil.copytree(info, target / info.name)


def _run(arguments: Sequence[str | None]) -> None:
    given = [argument for argument in arguments if argument is not None]
    done = subprocess.run(given, env=_environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        said = "; ".join(lines[-3:])[:600]
        raise WandbSwanError(f"`{' '.join(given[:4])} ...` has failed: {said}")


def _said(arguments: list[str]) -> str:
    return subprocess.run(arguments, env=_environment(), capture_output=True, text=True, check=True).stdout.strip()


def _environment() -> dict[str, str]:
    """What pip and uv are set to, and nothing that is meant for a program."""
    ours = {name: value for name, value in os.environ.items() if re.match(r"(PIP|UV)_", name)}
    return {**foreign_environment(os.environ), **ours}
