"""One look at what W&B's cloud has of a run: files, config, rows and console lines, those that no earlier look gave."""

from __future__ import annotations

import hashlib
import json
import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path as FilePath
from typing import Any, NamedTuple

from ..stream.config import own_events, own_part, without_own
from ..stream.events import ConfigChanged, Event, FileSaved, HistoryRow, MetricDefined, NotRead, Path, RunChanged, Tree
from ..stream.times import seconds
from .artifact_entries import Absent, path_refusal
from .cloud_client import asked, every_page, server
from .cloud_files import CloudRunFiles
from .cloud_history import CloudHistory
from .cloud_rows import spells_specials
from .downloads import Downloads
from .selection import Options

HELD_ROWS, HELD_LOOKS = 10_000, 10
"""Rows, and looks, for which a row waits whose media files have not reached W&B yet."""


class Place(NamedTuple):
    """Where a run is, and who is told what W&B answers of it (`CloudRun.on_answer`, `on_folder`)."""

    path: str
    options: Options
    on_answer: Callable[[str, Any], None]
    on_folder: Callable[[FilePath], None]


@dataclass
class _Given:
    """What all looks at a run have given together."""

    folder: Downloads | None = None
    history: CloudHistory | None = None
    run: Any = None
    """wandb's object as it was when the run was described last."""
    lines: int = 0
    """Console lines."""
    last_time: float = 0.0
    held: deque[HistoryRow] = field(default_factory=deque)
    """Rows whose media files were not in W&B when they came, and those behind them."""
    looks: int = 0
    """For how many looks they have been held."""


class CloudLook:
    """What W&B has of a run at one moment."""

    def __init__(self, run: Any, place: Place, given: _Given | None = None) -> None:
        """`run` is wandb's own object, fresh."""
        self.run = run
        self.is_first = given is None
        self.summary = summary_of(run)
        self.history: CloudHistory
        self.files: CloudRunFiles
        """Both are there when the news are read."""
        self._place = place
        self._given = given or _Given()
        self._saved: list[FileSaved | NotRead] = []

    @property
    def last_time(self) -> float:
        """Of the last row that was given, seconds since the epoch."""
        return self._given.last_time

    def again(self, run: Any) -> CloudLook:
        """The next look, with wandb's object as it is now. What this one did not come to, that one gives."""
        return CloudLook(run, self._place, self._given)

    def news(self, *, more: bool = False) -> Iterator[Event]:
        """What no earlier look gave; with `more` to come, what may not be whole yet waits.

        Raises:
            WandbSwanError: W&B says no, or not after several tries.
        """
        place, run, given = self._place, self.run, self._given
        place.on_answer("attributes", run._attrs)
        place.on_answer("run", run)
        self.files, self._saved = self._fetched()
        yield from self._described(given.run)
        given.run = run
        self.history = given.history = CloudHistory(
            run,
            place.path,
            self.summary,
            self.files.written_summary(),
            on_row=lambda row, exported: place.on_answer("exported" if exported else "row", row),
            earlier=given.history,
        )
        yield from self._rows(more=more)
        if more:
            yield from self._console(whole=False)

    def rest(self) -> Iterator[Event]:
        """The console lines and the saved files, when nothing more comes."""
        yield from self._console(whole=True)
        yield from self._saved

    def _described(self, before: Any) -> Iterator[Event]:
        """The config, and the name and what else describes the run, where it is not as it was `before`."""
        run = self.run
        known = described(run)
        if before is not None and known != described(before):
            yield RunChanged(**known)
        if before is not None and run.rawconfig == before.rawconfig:
            return
        config = without_own(run.config)
        gone = () if before is None else tuple((key,) for key in without_own(before.config) if key not in config)
        yield ConfigChanged(update=settings(run.config), remove=gone)
        own = own_part(run.rawconfig or {})
        yield from own_events(own)
        yield from _metrics(own.get("m"))

    def _rows(self, *, more: bool) -> Iterator[HistoryRow]:
        held = self._given.held
        self._given.looks = self._given.looks + 1 if held else 0
        for row in self.history.rows():
            held.append(row)
            if not more or len(held) >= HELD_ROWS:
                yield from self._let_go()
            else:
                yield from self._let_go(waiting=True)
        yield from self._let_go(waiting=more and self._given.looks < HELD_LOOKS)

    def _let_go(self, *, waiting: bool = False) -> Iterator[HistoryRow]:
        """The held rows; with `waiting`, those before the first one whose files are not here."""
        held = self._given.held
        while held and not (waiting and self._lacks_files(held[0].values)):
            row = held.popleft()
            self._given.last_time = max(self.last_time, row.timestamp)
            yield row
        if not held:
            self._given.looks = 0

    def _lacks_files(self, value: Any) -> bool:
        if isinstance(value, list | tuple):
            return any(map(self._lacks_files, value))
        if not isinstance(value, dict) or not self._place.options.media:
            return False
        if "_type" not in value:
            return any(map(self._lacks_files, value.values()))
        names = value.get("filenames") or [value.get("path")]
        paths = [name for name in names if isinstance(name, str) and name.startswith("media/")]
        return any(path_refusal(path, "run") is None and not (self.files.root / path).is_file() for path in paths)

    def _console(self, *, whole: bool) -> Iterator[Event]:
        """The lines that did not come before; but for the last one, which may be half, if there are more to come."""
        lines = self.files.console(seconds(self.run._attrs.get("createdAt")))
        waiting: Event | None = None
        for line in islice(lines, self._given.lines, None):
            if waiting is not None:
                self._given.lines += 1
                yield waiting
            waiting = line
        if waiting is not None and whole:
            self._given.lines += 1
            yield waiting

    def _fetched(self) -> tuple[CloudRunFiles, list[FileSaved | NotRead]]:
        """Brings the files here; the events of those that are the user's."""
        run, place, given = self.run, self._place, self._given
        # The digest tells apart what is spelled alike as a folder, and the same path on two servers.
        digest = hashlib.sha256("\0".join((server(), run.entity, run.project, run.id)).encode()).hexdigest()[:16]
        folder = given.folder = given.folder or Downloads(place.options.cache / f"{_safe(run.id)}-{digest}")

        def again(name: str) -> Any:
            try:
                return run.file(name)
            except IndexError:
                raise Absent("it is in W&B no more") from None

        listed = asked(f"list the files of {place.path}", partial(every_page, run.files, per_page=200))
        files = CloudRunFiles(folder, place.options, summary=spells_specials(self.summary))
        saved = files.fetch(listed, again, partial(place.on_answer, "file"))
        place.on_folder(folder.root)
        place.on_answer("folder", folder.root)
        return files, saved


def described(run: Any) -> dict[str, Any]:
    """The fields of `RunChanged`, of wandb's object."""
    attributes = run._attrs
    return {
        "name": run.name or "",
        "notes": attributes.get("notes") or attributes.get("description") or "",
        "tags": tuple(run.tags or ()),
        "group": attributes.get("group") or "",
        "job_type": attributes.get("jobType") or "",
    }


def summary_of(run: Any) -> Tree:
    """The summary as plain JSON."""
    text = run._attrs.get("summaryMetrics")
    summary = json.loads(text) if isinstance(text, str) else text
    return dict(summary) if isinstance(summary, dict) else {}


def settings(tree: Tree) -> tuple[tuple[Path, Any], ...]:
    """Every top-level value that is the user's, with its path."""
    return tuple(((key,), value) for key, value in without_own(tree).items())


def _metrics(definitions: Any) -> Iterator[MetricDefined]:
    """`define_metric` calls: MetricRecords whose fields have their protobuf numbers as names."""
    records = [item for item in definitions if isinstance(item, dict)] if isinstance(definitions, list) else []
    names = [str(item.get("1") or item.get("2") or "") for item in records]
    for item, name in zip(records, names, strict=True):
        place = item.get("5")
        axis = item.get("4") or (names[place - 1] if isinstance(place, int) and 0 < place <= len(names) else "")
        options = item.get("6")
        hidden = 2 in options if isinstance(options, list) else bool((options or {}).get("2"))
        if name:
            yield MetricDefined(name=name, step_metric=str(axis), hidden=hidden)


def _safe(name: str) -> str:
    """A name from the server as the name of a folder."""
    return re.sub(r"[^\w\-]", "_", name)[:100] or "_"
