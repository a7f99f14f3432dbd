"""Where journals are, how they and the SwanLab folders made of them are named, and how paths are told to a user."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from ..exceptions import WandbSwanError
from . import STARTED_IN


def shown(path: Path) -> str:
    """A path as it works where the user is: from there if it is below, else from the root."""
    try:
        here = Path.cwd()
    except OSError:  # it was removed
        return str(path)
    path = path.absolute()
    if str(here) == STARTED_IN and here in (path, *path.parents):
        return str(path.relative_to(here))
    return str(path)


def command(*words: str | Path) -> str:
    """A command that can be typed where the user is, in backquotes; paths as `shown`, quoted for the shell."""
    given = [_operand(word) if isinstance(word, Path) else word for word in words]
    return f"`{subprocess.list2cmdline(given) if sys.platform == 'win32' else shlex.join(given)}`"


def _operand(path: Path) -> str:
    text = shown(path)
    return f".{os.sep}{text}" if text.startswith("-") else text  # else it would be an option


def run_folder(journal: Path, log_dir: Path, earlier: list[str], *, mark: str = "") -> tuple[str | None, list[str]]:
    """The name of the SwanLab folder, made from the journal's, and the folders of earlier tries that are there.

    What an earlier try left is known by the name, even where a full disk kept its status file from saying so. No name
    of one is used again, not even if `earlier` (what the status file tells) is gone: the local dashboard may still have
    it, and takes no second run of a name. None: as SwanLab names it.

    `mark` tells the journal from one of the same name in another folder, where there may be one.
    """
    run, start = _name_parts(journal.name)
    if not start:
        return None, []
    # No journal's name has a "+": the folder of another run cannot be taken for an earlier try of this one.
    start = start.replace("-", "+")
    if mark:
        start += f"+{mark}"
    name = f"run-{start}-{run}"
    found = {path: re.fullmatch(r"(?:\+(\d+))?", path.name[len(name) :]) for path in log_dir.glob(f"{name}*")}
    tries = {str(path.absolute()): int(match[1] or 0) for path, match in found.items() if match}
    known = [re.fullmatch(rf"{re.escape(name)}(?:\+(\d+))?", Path(folder).name) for folder in earlier]
    used = [*tries.values(), *(int(match[1] or 0) for match in known if match)]
    return (f"{name}+{max(used) + 1}" if used else name), list(tries)


def earlier_journals(journal: Path) -> list[Path]:
    """The journals of the same run that were begun before this one, oldest first; deleted ones by their status file."""
    run, start = _name_parts(journal.name)
    found = {}
    for file in journal.parent.glob(f"{glob.escape(run)}-*"):
        other, begun = _name_parts(file.name)
        if other == run and begun and begun < start:
            found[begun] = journal.parent / f"{run}-{begun}.journal"
    return [found[begun] for begun in sorted(found)]


def begun(journal: Path) -> str:
    """When a journal was begun, as its name says, so that the oldest sorts first."""
    return _name_parts(journal.name)[1]


def find_journals(where: Path) -> list[Path]:
    """The journals (and status files of finished ones) that a path means: one journal, a folder of them, a log dir.

    Raises WandbSwanError where there is none of these.
    """
    if where.is_file():
        stem = re.sub(r"\.(journal|status\.json|log|live|ended|spool)$", "", where.name)
        if stem == where.name:
            raise WandbSwanError(f"{where} is no journal; give one, SwanLab's log directory, or a folder of journals")
        return [where.with_name(f"{stem}.journal")]
    if not where.is_dir():
        raise WandbSwanError(f"{where} is no journal and no folder; give SwanLab's log directory (--help says more)")
    folder = where / "journals" if (where / "journals").is_dir() else where
    stems = {re.sub(r"\.journal$", "", path.name.split(".status.json")[0]) for path in folder.glob("*.*")}
    known = [folder / f"{stem}.journal" for stem in stems]
    return sorted(
        (path for path in known if path.exists() or path.with_suffix(".status.json").exists()), key=last_written
    )


def last_written(journal: Path) -> float:
    """When a journal was written last, or its status if its mirror has removed it; seconds since the epoch.

    0.0 if both are gone: that may happen at any moment.
    """
    for file in (journal, journal.with_suffix(".status.json")):
        with contextlib.suppress(FileNotFoundError):
            return file.stat().st_mtime
    return 0.0


def is_folder(path: Path) -> bool:
    """Whether a path, which a file may have told of, is a folder that can be seen from here."""
    try:
        return path.is_dir()
    except (OSError, ValueError):  # too long a name, a NUL in it
        return False


def _name_parts(name: str) -> tuple[str, str]:
    """Run and start of the name of a journal, its status or its log: `<run id>-<yyyymmdd_hhmmss>[-<n>].journal`."""
    found = re.fullmatch(r"(.*)-(\d{8}_\d{6}(?:-\d+)?)\.(?:journal|status\.json|log)", name)
    return (found[1], found[2]) if found else (name, "")
