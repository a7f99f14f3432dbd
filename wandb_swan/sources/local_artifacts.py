"""The files of the artifacts that a local log names, as far as they still are on this machine."""

from __future__ import annotations

import gzip
import json
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

from ..stream.events import Artifact, NotRead, RunStarted
from ..stream.wandb_cache import cached
from .artifact_entries import Absent, Entry, digest_of, entry_of
from .artifact_files import BroughtArtifacts
from .selection import Options

_USED = "files of an artifact that was used: a local log does not name them, W&B's cloud does"
_LIST = "artifact without files: the list of them, which wandb kept in its staging folder,"


class LocalArtifacts:
    """The artifacts of one run."""

    def __init__(self, options: Options) -> None:
        self.files = BroughtArtifacts(options)

    def of(
        self, artifact: Artifact, manifest: Any, started: RunStarted, run_dir: FilePath
    ) -> Iterator[Artifact | NotRead]:
        """Brings the files of one artifact. `manifest` is the record's, None of an artifact that the run used."""
        if artifact.is_table:
            yield artifact
            return
        if artifact.used or manifest is None:
            yield from self.files.left_out(artifact, _USED)
            return
        try:
            entries = [entry._replace(local=_placed(entry.local, run_dir)) for entry in _entries(manifest)]
        except FileNotFoundError:
            yield from self.files.left_out(artifact, f"{_LIST} is not on this machine")
            return
        except (OSError, EOFError, zlib.error, ValueError, LookupError, TypeError, RecursionError):
            yield from self.files.left_out(artifact, f"{_LIST} is damaged")
            return
        artifact = artifact.changed(size=sum(entry.size or 0 for entry in entries) if entries else artifact.size)
        # It has no version: W&B's server gives one. Equal digests are equal files.
        place = (started.entity or "local", started.project, artifact.name, artifact.digest[:12] or "v")
        yield from self.files.of(artifact, place, entries, _copy)


def _entries(manifest: Any) -> Iterator[Entry]:
    """What a manifest lists; one of many files is in a file of its own."""
    for entry in manifest.contents:
        extra = {item.key: json.loads(item.value_json) for item in getattr(entry, "extra", ())}
        names = ("digest", "size", "ref", "local_path")
        yield entry_of(entry.path, {"extra": extra, **{name: getattr(entry, name) for name in names}})
    listed = getattr(manifest, "manifest_file_path", "")
    if listed:
        with gzip.open(listed, "rt", encoding="utf-8") as lines:
            for line in lines:
                item = json.loads(line)
                yield entry_of(item["path"], item)


def _placed(local: str, run_dir: FilePath) -> str:
    """A path that does not begin at the root begins where the program ran: where `wandb/` is, if nobody moved it."""
    return str(run_dir.absolute().parent.parent / local) if local else ""


def _copy(entry: Entry, part: FilePath) -> None:
    """A copy: the user's file may be written into, and wandb's staging folder is emptied. Raises Absent, OSError."""
    changed = False
    kept = cached(entry.digest) if entry.algorithm == "md5" else None
    for place in (FilePath(entry.local) if entry.local else None, kept):
        if place is None or "\0" in str(place) or not place.is_file():
            continue
        same_size = entry.size is None or place.stat().st_size == entry.size
        if not same_size or digest_of(place, entry.algorithm) != entry.digest:
            changed = True
            continue
        shutil.copyfile(place, part)
        return
    raise Absent("it has changed since it was logged" if changed else "it is not on this machine any more")
