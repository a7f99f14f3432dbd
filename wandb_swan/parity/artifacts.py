"""Compares the list of a run's artifacts, and the files that it says are there, with what wandb's manifests say."""

from __future__ import annotations

import base64
import hashlib
import os
import posixpath
import re
from importlib import import_module
from pathlib import Path as FilePath
from typing import Any

from ..swan import limits
from .matching import Depth
from .recorded import Content, Recorded
from .report import PartParity

FILES, BYTES = 20, 100_000_000
"""So many files of a run's artifacts, and bytes of them, a fast comparison looks into; of the others, the size."""
_LIMITED = ("artifact over", "no room")
"""How reasons begin that hold for files which are on this machine, too."""


def compare_artifacts(recorded: Recorded, metadata: dict[str, Any], depth: Depth) -> PartParity:
    """`metadata` is what the SwanLab run says under `wandb_run`."""
    listed = metadata.get("artifacts")
    kept = {
        (item.get("name"), item.get("digest") or "", bool(item.get("used"))): item
        for item in (listed if isinstance(listed, list) else ())
        if isinstance(item, dict)
    }
    wanted = {(limits.config_text(name), digest, used) for name, digest, used in recorded.artifacts}
    found = [f"{name} ({digest or 'used'}): not listed in SwanLab" for name, digest, _ in sorted(wanted - kept.keys())]
    found += [f"{name} ({digest or 'used'}): not in wandb" for name, digest, _ in sorted(kept.keys() - wanted)]
    compared = f"{len(wanted & kept.keys())} of {len(wanted)} listed, by name and digest"
    look = _Look(depth, found)
    asked = recorded.contents_asked or any("path" in item or "missing" in item for item in kept.values())
    contents = {(limits.config_text(name), *rest): held for (name, *rest), held in recorded.contents.items()}
    for key in sorted(wanted & kept.keys()) if asked else ():
        look.at(str(key[0]), kept[key], contents.get(key))
    if asked:
        same = "same digests" if look.whole == look.same else f"same size, {look.whole} of them with the same digest"
        compared += f"; {look.same:,} of {look.files:,} files, {same}"
    return PartParity(
        part="artifacts",
        compared=compared,
        differences=tuple(found),
        told=tuple(look.told),
        not_compared=tuple(look.unseen),
    )


def with_files(metadata: dict[str, Any]) -> set[str]:
    """The names of the artifacts whose files a SwanLab run says are somewhere."""
    listed = metadata.get("artifacts")
    items = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    return {str(item.get("name")) for item in items if "path" in item}


class _Look:
    """Looks at the files of artifacts, one after the other."""

    def __init__(self, depth: Depth, found: list[str]) -> None:
        self._depth = depth
        self._found = found
        self._read = self._bytes = 0
        self.told: list[str] = []
        self.unseen: list[str] = []
        self.files = self.same = self.whole = 0

    def at(self, name: str, item: dict[str, Any], contents: dict[str, Content] | str | None) -> None:
        """`contents`: what the manifest has, or why that is not known; None: not asked for, or nothing was brought."""
        missing = item.get("missing")
        missing = missing if isinstance(missing, dict) else {}
        if contents is None or isinstance(contents, str):
            if "path" in item:
                self.unseen.append(f"{name}: {contents or 'its manifest was not asked for'}")
            elif missing:
                self.told.append(f"{name}: {', '.join(missing)}")
            elif contents:
                self.unseen.append(f"{name}: {contents}")
            return
        self.files += len(contents)
        folder = FilePath(str(item["path"])) if "path" in item else None
        if folder is not None and not folder.is_dir():
            self.unseen.append(f"{name}: its folder {folder} is not on this machine")
            return
        absent: list[str] = []
        unchecked = 0
        places: dict[str, str] = {}
        for path, content in sorted(contents.items()):
            plainly = _plainly(path)
            at = folder / plainly if folder is not None and plainly is not None else None
            if plainly is None or places.setdefault(plainly, content.digest) != content.digest:
                at = None
            if at is None or not _is_file(at):
                absent.append(path)
                continue
            try:
                wrong = self._differs(at, content)
            except ImportError:
                wrong, unchecked = None, unchecked + 1
            if wrong:
                self._found.append(f"{name}: {path[:200]}: {wrong}")
            else:
                self.same += 1
        if unchecked:
            self.unseen.append(
                f"{name}: the digests of {unchecked} files cannot be checked here: type `pip install xxhash`"
            )
        said = sum(count for count in missing.values() if isinstance(count, int))
        if len(absent) != said:
            self._found.append(f"{name}: {len(absent)} of {len(contents)} files are not there, its list says {said}")
        elif absent:
            self.told.append(f"{name}: {len(absent)} of {len(contents)} files are not there: {', '.join(missing)}")
        if not any(reason.startswith(_LIMITED) for reason in missing):
            self._found += [
                f"{name}: {path[:200]}: is on this machine and was not brought"
                for path in absent
                if _plainly(path) and (local := contents[path].local) and _is(FilePath(local), contents[path])
            ]
        if folder is not None:
            walk = ((FilePath(above), files) for above, _, files in os.walk(folder))
            there = {(above / file).relative_to(folder).as_posix() for above, files in walk for file in files}
            if more := sorted(there - places.keys()):
                self._found.append(f"{name}: {len(more)} files that wandb has not, {more[0]!r} among them")

    def _differs(self, file: FilePath, content: Content) -> str | None:
        """What is wrong with a file. Raises ImportError where its size is right and its digest cannot be looked at."""
        try:
            size = file.stat().st_size
            if content.size is not None and size != content.size:
                return f"{content.size} bytes in wandb, {size} in its folder"
            if self._depth != "full" and (self._read >= FILES or self._bytes + size > BYTES or self._depth == "counts"):
                return None
            self._read += 1
            self._bytes += size
            if _digest(file, content.algorithm) != content.digest:
                return "another digest"
            self.whole += 1
            return None
        except OSError as error:
            return f"cannot be read: {error.strerror}"


def _is_file(path: FilePath) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long for the file system
        return False


def _plainly(path: str) -> str | None:
    """A path that stays below its folder, in one spelling; None of any other."""
    if path.startswith("/") or re.search(r"\\|\0|^[A-Za-z]:|(^|/)\.\.(/|$)", path):
        return None
    plain = posixpath.normpath(path)
    try:
        os.fsencode(plain)
    except ValueError:
        return None
    return None if plain in (".", "") else plain


def _is(file: FilePath, content: Content) -> bool:
    try:
        return file.stat().st_size == content.size and _digest(file, content.algorithm) == content.digest
    except (OSError, ValueError, ImportError):
        return False


def _digest(file: FilePath, algorithm: str) -> str:
    """In base64. Raises OSError, or ImportError where the algorithm is not installed."""
    made: Any = hashlib.md5(usedforsecurity=False) if algorithm == "MD5" else import_module("xxhash").xxh128()
    with file.open("rb") as content:
        for piece in iter(lambda: content.read(1 << 20), b""):
            made.update(piece)
    return base64.b64encode(made.digest()).decode()
