"""A file of an artifact as its manifest has it: what of it can be trusted, and under which names it may be here."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from importlib import import_module
from pathlib import Path as FilePath
from pathlib import PurePosixPath
from typing import Any, NamedTuple

LONGEST = 200
"""Bytes of a folder's name; most file systems allow 255."""


class Entry(NamedTuple):
    """A file of an artifact, as its manifest has it."""

    path: str
    digest: str
    """Of its content, in base64."""
    size: int | None = None
    """In bytes."""
    ref: str = ""
    """Its address, where W&B has only that and not the file."""
    algorithm: str = "md5"
    """Of the digest: md5, or xxh128 (wandb 0.31 can be told to use it)."""
    birth: str = ""
    """The id of the artifact that brought the content to W&B."""
    local: str = ""
    """Where it was when it was logged."""


def entry_of(path: Any, item: Any) -> Entry:
    """A file as the JSON of a manifest has it, whatever stands there. Raises TypeError where the path is no text."""
    if not isinstance(path, str):
        raise TypeError("a path that is no text")
    item = item if isinstance(item, dict) else {}
    size, extra = item.get("size"), item.get("extra")
    return Entry(
        path=path,
        digest=str(item.get("digest") or ""),
        size=size if isinstance(size, int) and size >= 0 else None,
        ref=str(item.get("ref") or ""),
        algorithm=str((extra.get("alg") if isinstance(extra, dict) else None) or "md5").lower(),
        birth=str(item.get("birthArtifactID") or ""),
        local=str(item.get("local_path") or ""),
    )


class Absent(Exception):
    """A file cannot be had, now or later; the text is the reason that is counted."""


def digest_of(path: FilePath, algorithm: str) -> str:
    """The digest of a file, in base64. Raises OSError, or Absent where the algorithm is not installed."""
    found: Any = hashlib.md5(usedforsecurity=False) if algorithm == "md5" else _xxh128()
    with path.open("rb") as file:  # hashlib.file_digest is not in Python 3.10
        while chunk := file.read(1 << 20):
            found.update(chunk)
    return base64.b64encode(found.digest()).decode()


def _xxh128() -> Any:
    try:
        return import_module("xxhash").xxh128()
    except ImportError:  # a wandb that knows the algorithm (0.31) brings it
        raise Absent("its digest cannot be checked here: type `pip install xxhash`") from None


def bytes_text(count: float) -> str:
    """A number of bytes for people, by powers of ten."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count:.0f} bytes"


def folder_name(name: str) -> str:
    """Any name as that of one folder, of every file system; two names do not become the same."""
    odd = "".join(
        char if char.isalnum() or char in " -_.+@=,()!~#&'" else "".join(f"%{byte:02X}" for byte in _bytes(char))
        for char in name
    )
    odd = f"%2E{odd[1:]}" if odd.startswith(".") else odd
    odd = f"{odd[:-1]}%{ord(odd[-1]):02X}" if odd.endswith((" ", ".")) else odd  # Windows drops them
    if len(_bytes(odd)) > LONGEST:
        digest = hashlib.sha256(_bytes(name)).hexdigest()[:16]
        odd = f"{_bytes(odd)[: LONGEST - 17].decode('utf-8', 'ignore')}-{digest}"
    return odd or "%"


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def refusal(entry: Entry) -> str | None:
    """Why a file is not brought: a manifest comes from elsewhere, and must not lead out of the folder."""
    parts = PurePosixPath(entry.path)
    if (
        not parts.parts
        or parts.is_absolute()
        or ".." in parts.parts
        or "\\" in entry.path
        or "\0" in entry.path
        or re.match(r"[A-Za-z]:", entry.path)
    ):
        return "its path leaves the artifact's folder"
    try:
        os.fsencode(entry.path)
    except ValueError:
        return "its name is no text"
    try:
        known = len(base64.b64decode(entry.digest, validate=True)) == 16 and entry.algorithm in ("md5", "xxh128")
    except ValueError:
        known = False
    return None if known else "its digest is none that can be checked"


def told(error: BaseException) -> str:
    """An error in a line: the same for every file that it happens to, and without the signature of an address."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    line = re.sub(r"\?\S*", "", " ".join(said.split()))[:200]
    plain = isinstance(error, Absent) or getattr(error, "response", None) is not None
    return line if plain else f"{type(error).__name__}: {line}"
