"""Which Python holds the mirror: the one that is set, this one, the sidecar's, or that of the `wandb-swan` on PATH."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from ..versions import below_declared

OLDEST_PYTHON = (3, 10)
"""The lowest Python of a mirror: SwanLab's."""
_NEEDED = ("swanlab", "pydantic", "pydantic_settings", "tenacity", "typing_extensions")
"""Some of what a mirror imports: where one is missing, `pip install --no-deps` was typed."""

READY = "ready"
"""A file of a sidecar that is whole."""
COMMAND = "_WANDB_SWAN_COMMAND"
"""The variable in which `wandb-swan run` tells its program its own Python."""
_TAKEN = re.compile(
    r"(SWANLAB|WANDB_SWAN|XDG|LC)_\w+|WANDB_SWAN|SWANLAB|HOME|USER|LOGNAME|LANG|LANGUAGE|TZ|TMPDIR|TEMP|TMP|PATH|"
    r"(HTTP|HTTPS|ALL|NO)_PROXY|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|"
    r"SYSTEMROOT|SYSTEMDRIVE|WINDIR|COMSPEC|PATHEXT|USERPROFILE|HOMEDRIVE|HOMEPATH|(LOCAL)?APPDATA|PROGRAMDATA",
    re.IGNORECASE,
)
"""The variables of a program that its mirror in another environment has too."""


class Interpreter(NamedTuple):
    """A Python for mirrors."""

    path: str
    own: bool
    """Whether it is this process's, with all that it imports from."""


class NoInterpreter(OSError):
    """No Python here has SwanLab; the text says what to type."""


def find(given: Path | None) -> Interpreter:
    """The Python that mirrors are started with; `given` is what the switch `python` says.

    Raises:
        NoInterpreter: there is none.
        OSError: `sys.executable` is none: in a frozen or embedding application it is the application itself, which
            would start the user's program a second time.
    """
    if given is not None:
        path = str(given.expanduser().absolute())
        if not os.access(path, os.X_OK) or Path(path).is_dir():
            raise NoInterpreter(f"WANDB_SWAN_PYTHON: {path} is no program; give the Python that has SwanLab")
        return Interpreter(path, own=path == os.path.abspath(sys.executable or ""))  # noqa: PTH100  (no links followed)
    why = obstacle()
    if why is None:
        return Interpreter(this_python(), own=True)
    other = os.environ.get(COMMAND) or of_sidecar() or _of_command()
    if other is not None:
        return Interpreter(other, own=False)
    raise NoInterpreter(f"no mirror can run in this environment ({why}): type `wandb-swan sidecar`")


def obstacle() -> str | None:
    """Why no mirror can run in this environment; None: it can. Nothing is imported for the question."""
    if sys.version_info < OLDEST_PYTHON:
        return f"Python {sys.version_info[0]}.{sys.version_info[1]} is below {'.'.join(map(str, OLDEST_PYTHON))}"
    for name in _NEEDED:
        with contextlib.suppress(ValueError):  # a module without a spec: it is there
            if name not in sys.modules and find_spec(name) is None:
                return f"{name} is not installed"
    if is_borrowed():
        return "wandb-swan is not installed"
    return ", ".join(below_declared("wandb", "swanlab", "pydantic", "protobuf")) or None


def is_borrowed() -> bool:
    """Whether this Python has the package of another one (`boot`): no other process of it finds the package."""
    package = sys.modules[__name__.partition(".")[0]].__spec__
    return package is not None and package.loader_state == "borrowed"


def this_python() -> str:
    """The Python that runs here. Raises OSError as `find` does."""
    name = Path(sys.executable or "").name
    if getattr(sys, "frozen", False) or not re.fullmatch(
        r"(python|pypy|graalpy)w?[\d.]*([tdw]|_d|-dbg|-intel64)?(\.exe)?", name, re.I
    ):
        raise OSError(f"{name or 'this program'} is an application of its own, not a Python")
    return sys.executable


def foreign_environment(base: Mapping[str, str]) -> dict[str, str]:
    """What a mirror in another environment takes of this one's variables: SwanLab's and ours, places, proxies and
    certificates; nothing that is meant for the program or its Python (PYTHONPATH, LD_PRELOAD, ...)."""
    return {name: value for name, value in base.items() if _TAKEN.fullmatch(name)}


def started_from_here(base: Mapping[str, str]) -> dict[str, str]:
    """The variables that have a program mirrored in any Python: one that reads no `wandb_swan.pth`, one that has no
    wandb-swan. Where it has no SwanLab, this Python is its mirrors'."""
    boot = str(Path(__file__).absolute().parent / "boot")
    path = os.pathsep.join(entry for entry in (boot, base.get("PYTHONPATH")) if entry)
    return {"WANDB_SWAN": "1", "PYTHONPATH": path, COMMAND: sys.executable}


def sidecar_folder() -> Path:
    """The virtual environment that `wandb-swan sidecar` makes, in the user's data folder."""
    if sys.platform == "win32":
        data = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return data / "wandb-swan" / "sidecar"


def python_in(environment: Path) -> Path:
    """The Python of a virtual environment."""
    return environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def of_sidecar() -> str | None:
    """The sidecar's Python, if one was made."""
    with contextlib.suppress(OSError, RuntimeError):  # no home
        folder = sidecar_folder()
        if (folder / READY).exists() and python_in(folder).exists():
            return str(python_in(folder))
    return None


def _of_command() -> str | None:
    """The Python of the `wandb-swan` on PATH, where that is another environment's: its first line names
    it, or it lies beside it (a long path, or one with a space, has no first line of its own)."""
    with contextlib.suppress(OSError):
        command = shutil.which("wandb-swan")
        if command is None:
            return None
        with Path(command).open("rb") as script:
            first = re.match(rb"#!\s*(/\S*/(?:python|pypy)[^/\s]*)[ \t]*\n", script.read(4096))
        beside = str(python_in(Path(command).resolve().parent.parent))
        for path in ([os.fsdecode(first[1])] if first else []) + [beside]:
            if os.access(path, os.X_OK) and path != sys.executable:
                return path
    return None
