"""What a comparison of two media items says, and the files that it reads."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any, NamedTuple

from ...swan import limits

_CHUNK = 1 << 20


class Verdict(NamedTuple):
    """Whether wandb's item and SwanLab's are the same, and how that was found. Rows, bins, ... count from 0."""

    same: bool | None
    """None: they could not be compared."""
    how: str
    """`same pixels`, ...; or what differs; or why nothing can be said."""


SAME_BYTES = Verdict(True, "same bytes")
NO_SOURCE = Verdict(None, "the source file is not there")
NO_PILLOW = Verdict(None, "Pillow is not installed")
BROKEN_SOURCE = Verdict(None, "the source file is broken")
BROKEN_STORED = Verdict(False, "the file in SwanLab is broken")


def located(files: Path | None, path: Any) -> Path | None:
    """The file that a record's path names; None if it is not there, or not in the folder, however it is spelled."""
    if files is None or not isinstance(path, str) or not path or "\0" in path or Path(path).is_absolute():
        return None
    try:
        root = files.resolve()
        found = (root / path).resolve()
        return found if found.is_relative_to(root) and found.is_file() else None
    except (OSError, RuntimeError, ValueError):  # RuntimeError: a circle of links, up to Python 3.12
        return None


def same_bytes(source: Path, stored: Path) -> bool:
    """Whether two files are the same. Raises OSError."""
    if source.stat().st_size != stored.stat().st_size:
        return False
    with source.open("rb") as ours, stored.open("rb") as theirs:
        while True:
            chunk = ours.read(_CHUNK)
            if chunk != theirs.read(_CHUNK):
                return False
            if not chunk:
                return True


def sha256_of(path: Path) -> str:
    """A file's SHA-256 as hexadecimal digits. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def over_limit(path: Path) -> bool:
    """Whether a file is larger than SwanLab takes. Raises OSError."""
    return path.stat().st_size > limits.MEDIA_BYTES


def shown(value: Any) -> str:
    """A value for a message: its `repr`, at most 40 characters of it."""
    text = repr(limits.clean_text(value[:200])) if isinstance(value, str) else repr(value)
    return text if len(text) <= 40 else f"{text[:39]}…"


def two(where: str, wandb: Any, swanlab: Any) -> Verdict:
    """`bin 3: 5 in wandb, 6 in SwanLab`."""
    return Verdict(False, f"{where}: {shown(wandb)} in wandb, {shown(swanlab)} in SwanLab")


def counted(what: str, wandb: int, swanlab: int) -> Verdict:
    """`20 frames in wandb, 10 in SwanLab`."""
    return Verdict(False, f"{wandb} {what} in wandb, {swanlab} in SwanLab")


def same_value(wandb: Any, swanlab: Any) -> bool:
    """Whether two values of JSON without dicts and lists are the same: numbers bit by bit, True is not 1.

    A text may have lost what no file can hold (`clean_text`).
    """
    if isinstance(wandb, bool) or isinstance(swanlab, bool):
        return wandb is swanlab
    if isinstance(wandb, int | float) and isinstance(swanlab, int | float):
        if wandb == swanlab:
            zeros = wandb == 0 and isinstance(wandb, float) and isinstance(swanlab, float)
            return not zeros or math.copysign(1, wandb) == math.copysign(1, swanlab)
        return wandb != wandb and swanlab != swanlab  # noqa: PLR0124  (NaN is unequal to itself)
    if isinstance(wandb, str) and isinstance(swanlab, str):
        return wandb == swanlab or limits.clean_text(wandb) == limits.clean_text(swanlab)
    return wandb is None and swanlab is None


def difference(wandb: Any, swanlab: Any, where: str = "") -> Verdict | None:
    """The first place where two JSON values differ, or None. Raises RecursionError for what is nested too deeply."""
    if isinstance(wandb, dict) and isinstance(swanlab, dict):
        theirs = {limits.clean_text(str(key)): value for key, value in swanlab.items()}
        for key, value in wandb.items():
            name = limits.clean_text(str(key))
            place = f"{where}.{name}" if where else name
            if name not in theirs:
                return Verdict(False, f"{place[-80:]}: not in SwanLab")
            found = difference(value, theirs.pop(name), place)
            if found is not None:
                return found
        return Verdict(False, f"{f'{where}.{next(iter(theirs))}'[-80:]}: only in SwanLab") if theirs else None
    if isinstance(wandb, list) and isinstance(swanlab, list):
        for index, (one, other) in enumerate(zip(wandb, swanlab, strict=False)):
            found = difference(one, other, f"{where}[{index}]")
            if found is not None:
                return found
        return None if len(wandb) == len(swanlab) else counted(f"values of {where[-80:]}", len(wandb), len(swanlab))
    return None if same_value(wandb, swanlab) else two(where[-80:] or "value", wandb, swanlab)
