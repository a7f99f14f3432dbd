"""A file of an artifact or of a run as W&B has it: what of it can be trusted, and under which names it may be here."""

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


def digest_of(path: FilePath, algorithm: str = "md5") -> str:
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


class WholeFiles:
    """Files whose content was found right: they are not read again until they change."""

    def __init__(self) -> None:
        self._seen: dict[FilePath, tuple[str, int, int, int]] = {}
        """Path -> its digest, and what would change with the content."""

    def add(self, path: FilePath, digest: str) -> None:
        """Takes a file that has this digest. Raises OSError."""
        self._seen[path] = _state(path, digest)

    def has(self, path: FilePath, digest: str, size: int | None, algorithm: str = "md5") -> bool:
        """Whether a file has this size and this digest; None and "" where nobody knows them. Raises Absent."""
        try:
            state = _state(path, digest)
            if size is not None and state[1] != size:
                return False
            if self._seen.get(path) != state:
                if digest and digest_of(path, algorithm) != digest:
                    return False
                self._seen[path] = state
        except OSError:
            return False
        return True


def _state(path: FilePath, digest: str) -> tuple[str, int, int, int]:
    stat = path.stat()
    return digest, stat.st_size, stat.st_mtime_ns, stat.st_ino


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


def path_refusal(path: str, of: str) -> str | None:
    """Why a path that comes from elsewhere is none in the folder `of` a run or an artifact: it must not lead out."""
    parts = PurePosixPath(path)
    outside = not parts.parts or parts.is_absolute() or ".." in parts.parts
    if outside or "\\" in path or "\0" in path or re.match(r"[A-Za-z]:", path):
        return f"its path leaves the {of}'s folder"
    try:
        os.fsencode(path)
    except ValueError:
        return "its name is no text"
    return None


def refusal(entry: Entry) -> str | None:
    """Why a file of an artifact is not brought."""
    if (why := path_refusal(entry.path, "artifact")) is not None:
        return why
    try:
        known = len(base64.b64decode(entry.digest, validate=True)) == 16 and entry.algorithm in ("md5", "xxh128")
    except ValueError:
        known = False
    return None if known else "its digest is none that can be checked"


def without_query(text: str) -> str:
    """A text in a line, without the queries of the addresses in it: a signature is a secret."""
    return re.sub(r"\?\S*", "", " ".join(text.split()))


def told(error: BaseException) -> str:
    """An error in a line: the same for every file that it happens to, and without the signature of an address."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    line = without_query(said)[:200]
    plain = isinstance(error, Absent) or getattr(error, "response", None) is not None
    return line if plain else f"{type(error).__name__}: {line}"
