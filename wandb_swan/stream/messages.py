"""Events that are in one of wandb's protobuf messages alone, whatever came before it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wandb.proto import wandb_internal_pb2 as pb

from .events import Alert, Artifact, FileSaved

_TABLES = (".table.json", ".joined-table.json", ".partitioned-table.json")
"""How the paths of tables in artifacts end."""
_POLICIES = ("now", "end", "live")
_SWANLAB_WRITES_ITS_OWN = ("requirements.txt", "conda-environment.yaml", "wandb-metadata.json", "config.yaml")
"""Of the files that wandb saves by itself; the others are the program (`code/`) and its git diff (`diff.patch`)."""


def artifact(message: Any) -> Artifact:
    """An artifact that was logged (`ArtifactRecord`)."""
    contents = message.manifest.contents
    files: tuple[tuple[str, str, str], ...] = ()
    if any(entry.path.endswith(_TABLES) for entry in contents):
        files = tuple(
            (entry.path, entry.local_path or entry.ref, entry.digest)
            for entry in contents
            if entry.path.endswith(_TABLES) or entry.path.startswith("media/")
        )
    return Artifact(
        name=message.name,
        type=message.type,
        aliases=tuple(message.aliases),
        digest=message.digest,
        description=message.description,
        size=sum(entry.size for entry in contents) if contents else None,
        client_id=message.client_id,
        files=files,
    )


def files(message: Any) -> Iterator[FileSaved]:
    """The files of a `FilesRecord`."""
    for item in message.files:
        if item.type == pb.FilesItem.WANDB and item.path in _SWANLAB_WRITES_ITS_OWN:
            continue
        yield FileSaved(path=item.path, policy=_POLICIES[item.policy] if 0 <= item.policy < len(_POLICIES) else "now")


def alert(message: Any) -> Alert:
    """What `wandb.alert` said (`AlertRecord`)."""
    return Alert(title=message.title, text=message.text, level=message.level)
