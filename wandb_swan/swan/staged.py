"""The artifacts that hold the tables of a run, as they are on this machine."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path as FilePath
from typing import Any, NamedTuple

from ..stream.events import Artifact
from ..stream.wandb_cache import cached
from .files import Files, UnusableError

_SCHEME = "wandb-client-artifact://"
_HOPS = 8
"""From an artifact to that which a reference names, and on."""
_MOST = 200_000
"""Files that are remembered; of more, those of the artifacts that came first are forgotten."""


class _Place(NamedTuple):
    """An artifact, and a path in it."""

    client_id: str
    path: str


class Staged:
    """The artifacts that hold tables: in wandb's staging folder until they are uploaded, in its cache from then on.

    A file is read only if it lies in a folder of wandb's for these and has the MD5 that the record tells.
    """

    def __init__(self) -> None:
        self._artifacts: dict[str, dict[str, tuple[str, str]]] = {}
        self._count = 0

    def add(self, artifact: Artifact) -> None:
        """Takes an artifact; history rows name it by its client id."""
        if not artifact.files:
            return
        self._count -= len(self._artifacts.pop(artifact.client_id, ()))
        self._artifacts[artifact.client_id] = {path: (place, digest) for path, place, digest in artifact.files}
        self._count += len(self._artifacts[artifact.client_id])
        while self._count > _MOST and len(self._artifacts) > 1:
            self._count -= len(self._artifacts.pop(next(iter(self._artifacts))))

    def json(self, uri: Any, path: Any = None) -> tuple[Any, ArtifactFiles] | None:
        """The content of `wandb-client-artifact://<client id>/<path>`, or of `path` beside it, and the files that it
        names; None if it is not here."""
        found = self._followed(_place(uri), path)
        if found is None:
            return None
        files = ArtifactFiles(self, found.client_id)
        try:
            return files.json(found.path), files
        except UnusableError:
            return None

    def below(self, uri: Any, folder: Any) -> list[str]:
        """The paths of the tables that lie in `folder` of the artifact of `uri`, in order."""
        found = self._followed(_place(uri), None)
        if found is None:
            return []
        paths = self._artifacts[found.client_id]
        return sorted(path for path in paths if path.startswith(f"{folder}/") and path.endswith(".table.json"))

    def content(self, client_id: str, path: Any) -> bytes | None:
        """The bytes of a file of an artifact, None if they are not here. Raises OSError."""
        found = self._followed(_Place(client_id, path), None) if isinstance(path, str) else None
        if found is None:
            return None
        local, digest = self._artifacts[found.client_id][found.path]
        for place in (_staged(local), cached(digest)):
            if place is not None and place.is_file():
                content = place.read_bytes()
                if base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode() == digest:
                    return content
        return None

    def _followed(self, place: _Place | None, path: Any) -> _Place | None:
        """Where a file lies: an artifact may name one of another artifact in its place."""
        for _ in range(_HOPS):
            if place is None:
                return None
            held = self._artifacts.get(place.client_id, {}).get(place.path)
            if held is None:
                return None
            if not held[0].startswith(_SCHEME):
                if isinstance(path, str):  # beside the file, wherever that is
                    place, path = _Place(place.client_id, path), None
                    continue
                return place
            place = _place(held[0])
        return None


class ArtifactFiles(Files):
    """The files of one artifact, by their paths in it."""

    def __init__(self, staged: Staged, client_id: str) -> None:
        self._staged = staged
        self._client_id = client_id

    def read(self, path: Any) -> bytes:
        try:
            content = self._staged.content(self._client_id, path)
        except OSError as error:
            raise UnusableError("the file cannot be read", f"{path}: {error}") from error
        if content is None:
            raise UnusableError("the file is missing", str(path)[:500])
        return content


def _place(uri: Any) -> _Place | None:
    if not isinstance(uri, str) or not uri.startswith(_SCHEME):
        return None
    client_id, _, path = uri.removeprefix(_SCHEME).partition("/")
    return _Place(client_id, path)


def _staged(local: str) -> FilePath | None:
    """A file in a staging folder (`wandb.sdk.artifacts.staging.get_staging_dir`); None if it lies elsewhere.

    Whoever converts a run may have another WANDB_DATA_DIR than the training had.
    """
    if not local or "\0" in local:
        return None
    found = FilePath(local).resolve()
    return found if found.parent.parts[-2:] == ("artifacts", "staging") else None
