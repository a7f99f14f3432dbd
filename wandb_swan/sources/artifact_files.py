"""Brings the files of a run's artifacts (`--artifacts DIR`), and says of each where they lie and what is missing."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from ..atomic_file import write_whole
from ..stream.events import Artifact, NotRead
from .artifact_entries import Entry, bytes_text
from .artifact_store import Fetch, NoRoom, artifact_store
from .selection import Options

log = logging.getLogger("wandb_swan")

GIGABYTE = 1_000_000_000
OVER = "artifact over --max-artifact-gb"
"""How the reason of a loss begins that a higher limit would mend."""
NAMED = 20
"""So many references are named in the list; a file beside the artifact's folder has them all."""


class BroughtArtifacts:
    """The artifacts of one run."""

    def __init__(self, options: Options) -> None:
        assert options.artifacts is not None
        self._store = artifact_store(options.artifacts)
        self._gigabytes = options.max_artifact_gb
        self.notices: list[str] = []
        """What a reader of the report should know."""
        self.short: list[str] = []
        """What did not come and may come with another try."""

    def over(self, artifact: Artifact) -> bool:
        """Whether an artifact says that it is over the limit."""
        return (artifact.size or 0) > self._gigabytes * GIGABYTE

    def left_out(self, artifact: Artifact, reason: str, files: int = 1) -> Iterator[Artifact | NotRead]:
        """An artifact whose files are not brought: told once, whatever it has."""
        yield NotRead(path=(artifact.name,), reason=reason)
        yield artifact.changed(brought={"missing": {reason: max(1, files)}})

    def too_large(self, artifact: Artifact, size: int, files: int = 1) -> Iterator[Artifact | NotRead]:
        limit = f"{self._gigabytes:g}"
        self.notices.append(f"artifact {artifact.name} left out: {bytes_text(size)}, over --max-artifact-gb {limit}")
        return self.left_out(artifact, f"{OVER} {limit}", files)

    def later(self, artifact: Artifact, why: str, files: int = 1) -> Artifact:
        """An artifact that the next command may bring."""
        self.short.append(f"artifact {artifact.name} left out: {why}")
        return artifact.changed(brought={"missing": {why: max(1, files)}})

    def of(
        self, artifact: Artifact, place: Sequence[str], entries: Sequence[Entry], fetch: Fetch
    ) -> Iterator[Artifact | NotRead]:
        """Brings the files of one artifact.

        Args:
            artifact: What is listed of it.
            place: Where they go: names of folders, the last one that of the version.
            entries: What its manifest has.
            fetch: How a file comes.
        """
        files = [entry for entry in entries if not entry.ref]
        references = [entry for entry in entries if entry.ref]
        size = sum(entry.size or 0 for entry in files)
        if size > self._gigabytes * GIGABYTE:
            yield from self.too_large(artifact, size, len(files))
            return
        log.info("artifact %s: %d files, %s", artifact.name, len(files), bytes_text(size))
        digest = artifact.digest or _digest(entries)
        facts: dict[str, Any] = {}
        try:
            brought = self._store.bring(place, digest, files, fetch)
        except (NoRoom, OSError) as error:
            why = _why(error)
            if not any(why in line for line in self.short):
                self.short.append(f"artifact {artifact.name} left out: {why}")
            yield artifact.changed(brought={"missing": {why: len(files)}} if files else {})
            return
        if brought.folder is not None:
            facts |= {"path": str(brought.folder), "files": brought.files, "bytes": brought.size}
        if brought.missing:
            facts["missing"] = dict(brought.missing)
        if brought.later:
            path, reason = brought.later[0]
            self.short.append(
                f"artifact {artifact.name}: {len(brought.later)} of {len(files)} files did not come"
                f" ({path[:200]!r}: {reason}): type the same command again"
            )
        facts |= self._references(artifact.name, place, digest, references)
        passing = Counter(reason for _, reason in brought.later)
        for reason, count in (brought.missing - passing).items():
            for _ in range(count):
                yield NotRead(path=(artifact.name,), reason=f"file of an artifact left out: {reason}")
        yield artifact.changed(brought=facts)

    def _references(self, name: str, place: Sequence[str], digest: str, references: list[Entry]) -> dict[str, Any]:
        """What W&B has the address of, and not the file."""
        if not references:
            return {}
        listed = [{"path": entry.path, "address": without_secrets(entry.ref)} for entry in references]
        facts: dict[str, Any] = {"references": listed[:NAMED]}
        if len(listed) > NAMED:
            facts["references_in_all"] = len(listed)
            *above, last = place
            try:
                whole = self._store.place((*above, f"{last}.references.json"), digest)
                whole.parent.mkdir(parents=True, exist_ok=True)
                write_whole(whole, json.dumps(listed, ensure_ascii=True, indent=1))
                facts["references_file"] = str(whole)
            except OSError as error:
                self.short.append(f"artifact {name}: the list of its {len(listed)} references is cut: {_why(error)}")
        return facts


def _digest(entries: Sequence[Entry]) -> str:
    """What tells one artifact from another where W&B says no digest of it."""
    listed = json.dumps(sorted((entry.path, entry.digest) for entry in entries))
    return hashlib.sha256(listed.encode()).hexdigest()


def _why(error: NoRoom | OSError) -> str:
    if isinstance(error, NoRoom) or not error.strerror:
        return str(error)
    return f"{error.strerror}: {error.filename}" if error.filename else error.strerror


_SECRET = re.compile(
    r"([?&#;][^=&#;]*(?:signature|\bsig\b|token|secret|passw|\bpwd\b|credential|key(?!word)|auth(?!or))[^=&#;]*=)[^&#;]*",
    re.IGNORECASE,
)


def without_secrets(address: str) -> str:
    """An address without its user, and without what in its query signs or opens it."""
    return _SECRET.sub(r"\1***", re.sub(r"(?<=://)[^/?#]*@", "", address))
