"""The files that records name: those of the wandb run's files folder, and what can go wrong with them."""

from __future__ import annotations

import glob
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Any

from ..atomic_file import replacing

MISSING = "the file is missing"
"""The reason of a loss."""


class UnusableError(Exception):
    """A value that SwanLab cannot have as what it is. It costs that value alone.

    Attributes:
        reason: the same sentence for every value of its sort: losses are counted by it.
        detail: this value's own numbers or names, for the log.
        keep: the path of a file that is kept as a run file instead, or "".
        as_text: whether the record itself is kept as text instead.
    """

    def __init__(self, reason: str, detail: str = "", keep: str = "", *, as_text: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail
        self.keep = keep
        self.as_text = as_text


def own_copies(folder: FilePath, *, past: bool) -> dict[str, OSError]:
    """Puts the files themselves in the place of the links that SwanLab 0.10 makes to saved files.

    What a run has must not go with wandb's folder or the cache that it came from. A file is linked (a hard link) where
    the file system allows it, else copied. Of a run of the past, a file that wandb itself only links to is copied: its
    owner may go on writing into it. Returns what failed, by relative path; such a link stays.
    """
    failed: dict[str, OSError] = {}
    for link in [path for path in folder.rglob("*") if path.is_symlink()]:
        try:
            theirs = (link.parent / link.readlink()).is_symlink()
            with replacing(link) as fresh:
                fresh.unlink(missing_ok=True)
                if (past and theirs) or not _hard_link(link.resolve(), fresh):
                    shutil.copyfile(link, fresh)
        except OSError as error:
            failed[str(link.relative_to(folder))] = error
    return failed


def _hard_link(file: FilePath, fresh: FilePath) -> bool:
    try:
        fresh.hardlink_to(file)
    except OSError:  # another file system, one without hard links, a file of somebody else
        return False
    return True


class Files:
    """The files that media items name, by path. What is not there raises UnusableError."""

    def read(self, path: Any) -> bytes:
        """The bytes of a media file.

        Raises:
            UnusableError: there is no such file, or it cannot be read.
        """
        raise NotImplementedError

    def json(self, path: Any) -> Any:
        """The content of a JSON media file, bare NaN and Infinity included.

        Raises:
            UnusableError: see `read`; or the file is no JSON.
        """
        try:
            return json.loads(self.read(path))
        except (ValueError, RecursionError) as error:
            raise UnusableError("the file is broken", f"{path}: {error}") from error


class RunFiles(Files):
    """Finds what records name, and nothing that lies outside the folder."""

    def __init__(self, root: FilePath | None, placed: Callable[[str], FilePath | None] | None = None) -> None:
        """`placed` tells where a path of the training's machine is found from here."""
        self.root = root.resolve() if root is not None else None
        self.lost: str | None = None
        """What the first link names that leads nowhere."""
        self._placed = placed

    def find(self, path: Any, *, link: bool = False) -> FilePath:
        """The file that a record's path names. With `link` it may itself be a link to elsewhere, as `wandb.save` makes.

        Raises:
            UnusableError: the path leaves the folder, or there is no such file.
        """
        if self.root is None:
            raise UnusableError("the run's files folder is not known")
        if not isinstance(path, str) or not path or "\0" in path:
            raise UnusableError("a record without a file path", repr(path)[:200])
        found = self.root / path
        real = found.parent.resolve() / found.name if link else found.resolve()
        if found.name in {"", ".."} or not real.is_relative_to(self.root) or FilePath(path).is_absolute():
            raise UnusableError("a path that leaves the run's files folder is refused", path[:500])
        if not real.is_file():
            target = str(real.parent / real.readlink()) if link and real.is_symlink() else None
            there = self._placed(target) if target and self._placed is not None else None
            if there is None or not there.is_file():
                self.lost = self.lost or target
                raise UnusableError(MISSING, path[:500])
            return there
        return real

    def save(self, run: Any, path: str, policy: str) -> None:
        """Saves a file as a file of the SwanLab run, under the same relative path.

        Raises:
            UnusableError: see `find`; or SwanLab refuses it.
        """
        found = self.find(path, link=True)
        assert self.root is not None
        base, name = self.root, FilePath(os.path.normpath(path))
        if not found.is_relative_to(base):  # what a link of another machine names: wandb gives it the end of that path
            base = found.parents[len(name.parts) - 1]
        if found.relative_to(base) != name:
            raise UnusableError(MISSING, path[:500])
        own = FilePath(run.dir) / "files" / name
        if own.exists() and not own.is_symlink():
            raise UnusableError("SwanLab has a file of its own with this name", path)
        if not run.save(_pattern(found), base_path=str(base), policy=policy):
            raise UnusableError("SwanLab does not save it", path)

    def read(self, path: Any) -> bytes:
        try:
            return self.find(path).read_bytes()
        except OSError as error:
            raise UnusableError("the file cannot be read", f"{path}: {error}") from error


def _pattern(path: FilePath) -> str:
    """A glob pattern for this file alone. One letter is in brackets, so that SwanLab does not resolve a link."""
    name = path.name
    letter = next((at for at in range(len(name) - 1, 0, -1) if name[at] != "!"), 0)
    last = f"[{name[letter]}]" if name[letter] not in ".!" else glob.escape(name[letter])
    pattern = glob.escape(name[:letter]) + last + glob.escape(name[letter + 1 :])
    return str(FilePath(glob.escape(str(path.parent))) / pattern)
