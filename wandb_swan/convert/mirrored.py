"""Runs of the past that are in SwanLab already because they were mirrored while they ran."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path

from ..journal.status import read_status, resume_command
from ..parity.stored import metadata_of
from ..sources.local_run import head
from ..sources.reference import RunReference


class MirroredRuns:
    """The SwanLab runs of a log directory that no conversion made."""

    def __init__(self, log_dir: Path, converted: set[str], *, online: bool = False) -> None:
        """
        Args:
            log_dir: SwanLab's log directory.
            converted: The names of the folders that conversions made.
            online: Only those count that are not whole in SwanLab's cloud yet: there a run is known by its id, and who
                sends it as well, later, sends nothing twice.
        """
        self._log_dir = log_dir
        self._converted = converted
        self._online = online

    @cached_property
    def _waiting(self) -> dict[str, Path]:
        return _unfinished(self._log_dir / "journals")

    @cached_property
    def _folders(self) -> list[Path]:
        every = [path for path in self._log_dir.glob("run-*") if path.name not in self._converted and path.is_dir()]
        return [path for path in every if self._counts(path)]

    def _counts(self, folder: Path) -> bool:
        journal = self._waiting.get(str(folder.absolute()))
        if journal is not None and not journal.exists():  # what is left of it is completed by nobody
            return False
        if self._online:
            return journal is not None and read_status(journal).get("mode") == "online"
        return any(folder.glob("run-*.swanlab"))

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
            if len(found) < len(parts) and not self._online:
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
