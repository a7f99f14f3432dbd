"""Files that are written whole or not at all: who opens one finds the former content or the new one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LONGEST_NAME = 200
"""Bytes of a name that is taken over into that of the file beside it; most file systems allow 255."""


@contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Gives the name of a file beside `path`, to be written in the block, which then takes the place of `path`.

    A symbolic link is replaced itself. Where the block raises, `path` stays and the file beside it goes. `durable`: its
    content is on the disk before its name is, so that a machine that goes down leaves one of both.

    Raises:
        OSError: it cannot take the place of `path`; see also what the block raises.
    """
    fresh = _beside(path)
    try:
        yield fresh
        if durable:
            with fresh.open("rb+") as file:
                os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        with suppress(OSError):
            fresh.unlink()
        raise


def write_whole(path: Path, text: str, *, mode: int = 0o666, durable: bool = False) -> None:
    """Writes a text file in UTF-8. `mode`: its permissions, less the umask; `durable`: see `replacing`.

    Raises:
        OSError: it cannot be written; what was there before stays.
    """
    with replacing(path, durable=durable) as fresh:
        with suppress(FileNotFoundError):
            fresh.unlink()  # of a process that was killed: its permissions may be others
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
            file.write(text)


def _beside(path: Path) -> Path:
    """One name for each path: what a killed process left is written over by the next one."""
    name = os.fsencode(path.name)
    short = path.name if len(name) <= LONGEST_NAME else hashlib.sha256(name).hexdigest()
    return path.with_name(f".{short}.part")
