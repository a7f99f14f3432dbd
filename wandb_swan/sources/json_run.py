"""A run folder as wandb wrote it before 0.10: no transaction log, but a JSON file for each kind of thing."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path as FilePath
from typing import Any

import yaml

from ..stream.config import own_events, own_part
from ..stream.console import Console
from ..stream.events import (
    ConfigChanged,
    Event,
    FileSaved,
    HistoryRow,
    NotRead,
    RunFinished,
    RunStarted,
    SummaryChanged,
    SystemStats,
)
from ..stream.times import seconds
from .local_run import LocalRun
from .reference import RunReference

METADATA, HISTORY, SUMMARY = "wandb-metadata.json", "wandb-history.jsonl", "wandb-summary.json"
EVENTS, CONFIG, OUTPUT = "wandb-events.jsonl", "config.yaml", "output.log"
_OF_WANDB = {METADATA, HISTORY, SUMMARY, EVENTS, CONFIG, OUTPUT, "debug.log"}
RUN_FOLDER = re.compile(r"(?:offline-run|dryrun|run)-(\d{8}_\d{6})-(.+)")
"""The names of wandb's run folders, of every version: when, and the run's id."""
_NO_EXIT = "the run ended without an exit code (killed?)"


def marker(names: set[str]) -> str:
    """The file that stands for the whole folder; "" if it is none of this format. `names`: of the files in it."""
    return next((name for name in (HISTORY, SUMMARY, METADATA) if name in names), "")


class JsonRun(LocalRun):
    """One run in one folder; `logs` is the file that stands for it.

    Up to wandb 0.9 a list of pictures is one file, in which they stand side by side; it stays one picture.
    """

    def __init__(self, log: FilePath, number: int = 1) -> None:
        super().__init__([log], number)
        self._folder = log.parent

    @cached_property
    def started(self) -> RunStarted:
        about = self._about
        named = RUN_FOLDER.fullmatch(self._folder.name)
        tags = about.get("tags")
        return RunStarted(
            run_id=named[2] if named else self._folder.name,
            project=_text(about, "project"),
            entity=_text(about, "entity"),
            name=_text(about, "name", "displayName"),
            notes=_text(about, "notes"),
            tags=tuple(map(str, tags)) if isinstance(tags, list) else (),
            group=_text(about, "group", "runGroup"),
            job_type=_text(about, "jobType"),
            host=_text(about, "host"),
            started_at=seconds(about.get("startedAt")) or _in_name(named),
        )

    @property
    def exit_code(self) -> int | None:
        code = self._about.get("exitcode")
        if isinstance(code, int):
            return code
        return {"finished": 0, "failed": 1}.get(str(self._about.get("state")))

    @property
    def state(self) -> str:
        return {None: "crashed", 0: "finished", 255: "killed"}.get(self.exit_code, "failed")

    def reference(self) -> RunReference:
        started, (log,) = self.started, self.logs
        files = [path for path in sorted(self._folder.iterdir()) if path.name in _OF_WANDB]
        stats = {path.name: path.stat() for path in files}
        return RunReference(
            kind="local",
            source=self._folder.name,
            origin=f"{self._folder.name}/{log.name}",
            run_id=self.run_id,
            name=started.name,
            project=started.project,
            started_at=started.started_at,
            tags=started.tags,
            fingerprint=",".join(f"{name}:{stat.st_size}:{stat.st_mtime_ns}" for name, stat in stats.items()),
            logs=(log.absolute(),),
            number=self.number,
            apart=f"{started.started_at:.6f}",
        )

    def growing(self) -> Iterator[Event]:
        """No wandb of today writes such a folder."""
        yield from self.events()

    def events(self) -> Iterator[Event]:
        yield self.started.changed(run_id=self.run_id)
        self.on_folder(self._folder)
        yield from self._config()
        yield from self._history()
        yield from self._system()
        yield from self._console()
        yield from self._files()
        summary = self._json(SUMMARY)
        if summary:
            yield SummaryChanged(update=tuple(((key,), value) for key, value in summary.items()), whole=True)
        self.finished_at = max(self.finished_at, seconds(self._about.get("heartbeatAt")))
        code = self.exit_code
        yield RunFinished(exit_code=1 if code is None else code, reason=_NO_EXIT if code is None else "")

    @cached_property
    def _about(self) -> dict[str, Any]:
        return self._json(METADATA)

    def _json(self, name: str) -> dict[str, Any]:
        """What a JSON file holds; a broken one is named, and holds nothing."""
        try:
            found = json.loads((self._folder / name).read_text("utf-8", "replace"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            self.notices.append(f"{name} cannot be read: {type(error).__name__}")
            return {}
        return found if isinstance(found, dict) else {}

    def _lines(self, name: str) -> Iterator[dict[str, Any] | NotRead]:
        try:
            file = (self._folder / name).open("rb")
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                self.notices.append(f"{name} cannot be read: {error.strerror}")
            return
        with file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                    if not isinstance(row, dict):
                        raise ValueError("no row")
                except (ValueError, RecursionError):
                    if not line.endswith(b"\n"):
                        self.notices.append(f"{name} is cut in line {number}: converted up to there")
                    else:
                        yield NotRead(path=(name,), reason="cannot be read: no JSON")
                    continue
                yield row

    def _config(self) -> Iterator[Event]:
        try:
            raw = yaml.safe_load((self._folder / CONFIG).read_text("utf-8", "replace")) or {}
        except FileNotFoundError:
            return
        except (OSError, yaml.YAMLError) as error:
            self.notices.append(f"{CONFIG} cannot be read: {type(error).__name__}")
            return
        if not isinstance(raw, dict):
            return
        values = {str(key): item["value"] for key, item in raw.items() if isinstance(item, dict) and "value" in item}
        own = values.pop("_wandb", None)
        yield from own_events(own_part({"_wandb": own}))
        yield ConfigChanged(
            update=tuple(((key,), json.loads(json.dumps(value, default=str))) for key, value in values.items())
        )

    def _history(self) -> Iterator[Event]:
        last = -1
        for row in self._lines(HISTORY):
            if isinstance(row, NotRead):
                yield row
                continue
            step, time = row.pop("_step", None), row.pop("_timestamp", 0.0)
            row.pop("_runtime", None)
            last = step if isinstance(step, int) else last + 1
            time = float(time) if isinstance(time, int | float) else 0.0
            self.finished_at = max(self.finished_at, time)
            yield HistoryRow(step=last, timestamp=time, values=row)

    def _system(self) -> Iterator[Event]:
        for sample in self._lines(EVENTS):
            if isinstance(sample, NotRead):
                yield sample
                continue
            time = sample.get("_timestamp")
            values = {key[7:]: value for key, value in sample.items() if key.startswith("system.")}
            if values:
                yield SystemStats(timestamp=float(time) if isinstance(time, int | float) else 0.0, values=values)

    def _console(self) -> Iterator[Event]:
        console = Console(stderr=False)
        try:
            with (self._folder / OUTPUT).open(encoding="utf-8", errors="replace", newline="") as file:
                for piece in iter(lambda: file.read(1 << 16), ""):
                    yield from console.write(piece, self.started.started_at)
        except FileNotFoundError:
            return
        except OSError as error:
            self.notices.append(f"{OUTPUT} cannot be read: {error.strerror}")
        yield from console.flush()

    def _files(self) -> Iterator[Event]:
        for path in _saved_files(self._folder):
            name = os.fsencode(path).decode("utf-8", "backslashreplace")
            if name == path:
                yield FileSaved(path=path, policy="end")
            else:
                yield NotRead(path=(name,), reason="file left out: its name is no valid UTF-8")


def _saved_files(folder: FilePath) -> list[str]:
    """The files of a run folder that are the user's, or tell of the code: relative paths."""
    found = []
    for above, folders, names in os.walk(folder):
        if FilePath(above) == folder:
            folders[:] = [name for name in folders if name != "media"]
            names = [name for name in names if name not in _OF_WANDB]  # noqa: PLW2901
        found += [str((FilePath(above) / name).relative_to(folder)) for name in names]
    return sorted(found)


def _in_name(named: re.Match[str] | None) -> float:
    """The time in a folder's name."""
    try:
        return datetime.strptime(named[1], "%Y%m%d_%H%M%S").replace(tzinfo=timezone.utc).timestamp() if named else 0.0
    except ValueError:
        return 0.0


def _text(about: dict[str, Any], *names: str) -> str:
    return next((str(about[name]) for name in names if about.get(name)), "")
