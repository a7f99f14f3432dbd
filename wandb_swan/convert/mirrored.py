"""Runs of the past that are in SwanLab already because they were mirrored while they ran."""

from __future__ import annotations

import re
from pathlib import Path

from ..journal.status import read_status, resume_command
from ..parity.stored import metadata_of
from ..sources.local_run import head
from ..sources.reference import RunReference


class MirroredRuns:
    """The SwanLab runs of a log directory that no conversion made."""

    def __init__(self, log_dir: Path, converted: set[str]) -> None:
        """`converted` are the names of the folders that conversions made."""
        mirrored = [path for path in log_dir.glob("run-*") if path.name not in converted and path.is_dir()]
        self._waiting = _unfinished(log_dir / "journals")
        # What is left of a run whose journal was removed is completed by nobody.
        left = {folder for folder, journal in self._waiting.items() if not journal.exists()}
        self._folders = [
            path for path in mirrored if str(path.absolute()) not in left and any(path.glob("run-*.swanlab"))
        ]

    def of(self, reference: RunReference) -> tuple[list[Path], str]:
        """The folders in which the whole of a run is, and what a user should know; empty if it is not mirrored."""
        run_id = reference.path.rsplit("/", 1)[-1] if reference.kind == "cloud" else _id_of(reference)
        known = re.sub(r"[^\w.\-]", "_", run_id)[:60]
        near = {folder: metadata_of(folder) for folder in self._folders if known in folder.name}
        live = {folder: metadata for folder, metadata in near.items() if "versions" in metadata}
        if reference.kind == "cloud":
            found = [
                folder for folder, metadata in live.items() if reference.url and metadata.get("url") == reference.url
            ]
        else:
            begun = {
                metadata.get("started_at"): folder for folder, metadata in live.items() if metadata.get("id") == run_id
            }
            parts = [start.started_at for log in reference.logs if (start := head(log)) is not None]
            found = [begun[part] for part in parts if part in begun]
            if len(found) < len(parts) or not parts:
                return [], ""
        if not found:
            return [], ""
        names = ", ".join(folder.name for folder in found)
        for folder in found:
            journal = self._waiting.get(str(folder.absolute()))
            if journal is not None and read_status(journal).get("state") != "finished":
                return found, f"it is mirrored in {names}, not whole yet: type {resume_command(journal)}"
        return found, f"it is mirrored already, in {names}; --force converts it as well"


def _unfinished(folder: Path) -> dict[str, Path]:
    """SwanLab folder -> the journal of a mirrored run that is not whole there, of those in a folder; it may be gone."""
    found = {}
    for path in folder.glob("*.status.json"):
        journal = path.with_name(path.name.replace(".status.json", ".journal"))
        status = read_status(journal)
        if status.get("state") != "finished":
            found[str(status.get("run_dir"))] = journal
    return found


def _id_of(reference: RunReference) -> str:
    """wandb's id of a local run, without the number of one that used an id again."""
    start = head(reference.logs[0]) if reference.logs else None
    return start.run_id if start is not None else reference.run_id
