"""The files of a run in W&B's cloud: which are the user's, which hold its console output, and their way here."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ..stream.console import Console
from ..stream.events import Event, FileSaved, NotRead, Tree
from .artifact_entries import path_refusal
from .downloads import Downloads, updated
from .selection import Options

SUMMARY = "wandb-summary.json"
OUTPUT = "output.log"
_CHUNK = re.compile(r"logs/(?:output(?:_.+)?_(\d{8}_\d{6})_(\d{9})|(\d{8}_\d{6})\.(\d{6})_output)\.log")
"""A part of the console of a run with `console_multipart`: when it began, local time, and the fraction of the second.

wandb's core names it `output_20260102_150405_000000000.log` from 0.19 on, behind `output` the label of a process if it
has one (`core/internal/runconsolelogs/outputfilewriter.go`, before 0.22 `core/internal/stream/sender.go`), and
`20260102_150405.000000_output.log` before (0.17 and 0.18, `stream.go`).
"""
_OWN = re.compile(
    r"config\.yaml|requirements\.txt|wandb-metadata\.json|wandb-summary\.json|output\.log|conda-environment\.yaml"
    rf"|wandb-history\.jsonl|wandb-events\.jsonl|artifact/[^/]+/wandb_manifest\.json|{_CHUNK.pattern}"
)
"""What wandb and W&B themselves write into a run's files; SwanLab has it in its own form. The manifests of a run's
artifacts are listed by W&B. Other files under `logs/` and `artifact/` are the user's."""


class CloudRunFiles:
    """The files of one run, in a folder of their own."""

    def __init__(self, folder: Downloads, options: Options, *, summary: bool) -> None:
        """`summary`: whether the summary that the run's process wrote is needed."""
        self._folder = folder
        self._options = options
        self._summary = summary
        self._output: list[Any] = []
        self.short: list[str] = []
        """Files that another command may bring."""

    @property
    def root(self) -> Path:
        """The folder."""
        return self._folder.root

    def fetch(
        self, listed: Iterable[Any], again: Callable[[str], Any], on_file: Callable[[Any], None]
    ) -> list[FileSaved | NotRead]:
        """Brings wandb's `File`s here: the events of those that are the user's. `again` is that of `Downloads.fetch`;
        `on_file` is told every file that is no media and is wanted, once more where it was asked for again."""
        options = self._options
        saved: list[FileSaved | NotRead] = []
        wanted = []
        for file in listed:
            media = file.name.startswith("media/")
            own = _OWN.fullmatch(file.name) is not None
            if not (options.media if media else self._needs(file.name) if own else True):
                continue
            problem = path_refusal(file.name, "run")
            if problem is None and not (media or own) and file.size > options.max_file_mb * 1e6:
                problem = f"over --max-file-mb {options.max_file_mb:g}"
            if problem is not None:
                saved.append(NotRead(path=(file.name,), reason=f"file left out: {problem}"))
                continue
            wanted.append(file)
            if not media:
                on_file(file)
            if not (media or own):
                saved.append(FileSaved(path=file.name, policy="end"))

        def renewed(name: str) -> Any:
            file = again(name)
            if not name.startswith("media/"):
                on_file(file)
            return file

        for name, failure in self._folder.fetch(wanted, renewed).items():
            saved = [event for event in saved if event.path != name]
            if name == SUMMARY and not failure.may_pass:  # no value of the run's is in it alone
                continue
            if failure.may_pass:  # the next command tries again
                self.short.append(f"file {name[:200]!r} left out: {failure.reason}")
            else:
                saved.append(NotRead(path=(name,), reason=f"file left out: {failure.reason}"))
        self._output = [file for file in wanted if file.name == OUTPUT or _CHUNK.fullmatch(file.name)]
        return saved

    def _needs(self, own: str) -> bool:
        """Whether a file of wandb's own is read here."""
        return (
            self._summary if own == SUMMARY else self._options.console and bool(_CHUNK.fullmatch(own) or own == OUTPUT)
        )

    def written_summary(self) -> Tree:
        """The summary as the run's process wrote it, in which NaN is no text; empty if it is not here."""
        try:
            summary = json.loads((self._folder.root / SUMMARY).read_bytes()) if self._summary else {}
        except (OSError, ValueError, RecursionError):
            return {}
        return summary if isinstance(summary, dict) else {}

    def console(self, timestamp: float) -> Iterator[Event]:
        """The lines of the run's output; W&B's files of it have no times."""
        console = Console(stderr=False)
        for name in in_order(self._output):
            path = self._folder.root / name
            if not path.is_file():
                continue
            with path.open(encoding="utf-8", errors="replace", newline="") as file:
                for line in file:
                    yield from console.write(line, timestamp)
            yield from console.flush()


def in_order(files: Sequence[Any]) -> list[str]:
    """The names of the files with a run's output, in the order in which it was written.

    A run that was resumed may have both forms: the one file of the process that wrote none in parts, `output.log`, is
    before the first part that reached W&B after it.
    """
    parts = sorted((file for file in files if file.name != OUTPUT), key=_begun)
    for whole in files:
        if whole.name == OUTPUT:
            later = (at for at, part in enumerate(parts) if updated(part) > updated(whole))
            parts.insert(next(later, len(parts)), whole)
    return [file.name for file in parts]


def _begun(part: Any) -> tuple[str, str]:
    groups = _CHUNK.fullmatch(part.name)
    second, fraction = [group for group in groups.groups() if group] if groups else ("", "")
    return second, fraction.ljust(9, "0")
