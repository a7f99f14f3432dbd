"""Versions of other packages: the newest series that the matrix has, and the lowest that this package declares."""

from __future__ import annotations

import contextlib
import re
import sys
from importlib.metadata import PackageNotFoundError, distribution, distributions
from pathlib import Path
from typing import Final

NEWEST_TESTED: Final = {"wandb": (0, 31), "swanlab": (0, 10)}
"""Package -> the newest minor series of the matrix (`tox.ini`)."""


def installed(package: str) -> str:
    """The version of a package; `unknown` where nothing says it."""
    with contextlib.suppress(Exception):  # no metadata in a frozen application; no number in `sys.path` is borne
        return _declared(package, "Version")[0]
    if package == "wandb-swan":  # `wandb-swan run` makes the package importable elsewhere, not what lies beside it
        for beside in distributions(name=package, path=[str(Path(__file__).parent.parent)]):
            return beside.version
    return str(getattr(sys.modules.get(package), "__version__", "unknown"))


def newer_than_tested(package: str, its_version: str) -> bool:
    """Whether a version is of a minor series that the matrix does not have yet."""
    numbers = re.match(r"(\d+)\.(\d+)", its_version)
    return numbers is not None and tuple(map(int, numbers.groups())) > NEWEST_TESTED[package]


def below(package: str, lowest: tuple[int, ...]) -> str | None:
    """`wandb 0.12.0 is below 0.13`; None if it is not, or nobody says its version."""
    its_version = installed(package)
    if its_version == "unknown" or _numbers(its_version) >= lowest:
        return None
    return f"{package} {its_version} is below {'.'.join(map(str, lowest))}"


def below_declared(*packages: str) -> list[str]:
    """What of some packages, or of all, is installed in a lower version than this package declares.

    `swanlab 0.6.0 is below 0.10.0`; nothing where nobody says what is declared, since the package was not installed.
    """
    found = []
    declarations: list[str] = []
    with contextlib.suppress(PackageNotFoundError):
        declarations = _declared("wandb-swan", "Requires-Dist")
    for requirement in declarations:
        declared = re.fullmatch(r"([\w.-]+)[^;]*?>=\s*([\w.]+)[^;]*(;\s*python_version\s*>=.*)?", requirement)
        if declared is None:  # an extra's, or an older Python's
            continue
        package, lowest, _ = declared.groups()
        if packages and package not in packages:
            continue
        its_version = installed(package)
        if its_version != "unknown" and _numbers(its_version) < _numbers(lowest):
            found.append(f"{package} {its_version} is below {lowest}")
    return found


def _declared(package: str, field: str) -> list[str]:
    """What a package's metadata say of a field. Raises PackageNotFoundError.

    `importlib.metadata.version` parses all of it, the package's README as well: 3 ms for SwanLab's.
    """
    found = distribution(package)
    text = found.read_text("METADATA") or found.read_text("PKG-INFO") or ""
    return re.findall(rf"^{field}:[ \t]*(.*\S)", text.partition("\n\n")[0], re.MULTILINE)


def _numbers(text: str) -> tuple[int, ...]:
    """The release numbers of a version, without trailing zeros: 1.10.0rc1 -> (1, 10)."""
    release = re.match(r"(?:\d+!)?(\d+(?:\.\d+)*)", text)
    numbers = [int(part) for part in release[1].split(".")] if release else []
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)
