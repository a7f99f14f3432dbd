"""Writes the events of one wandb run into one SwanLab run."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import swanlab
from typing_extensions import assert_never

from ..stream.events import (
    Alert,
    Artifact,
    ChartDefined,
    ConfigChanged,
    ConsoleLine,
    Event,
    FileSaved,
    HistoryRow,
    HistoryRows,
    MaskLabels,
    MetricDefined,
    NotRead,
    Path,
    RowDropped,
    RunChanged,
    RunFinished,
    RunPreempting,
    RunStarted,
    SummaryChanged,
    SystemStats,
)
from ..stream.frozen import NUMBERS
from ..stream.nested import leaves
from ..stream.state import State
from ..stream.values import Numbering, number_of
from . import limits
from .chart_axes import ChartAxes
from .config import RunConfig
from .files import RunFiles, own_copies
from .limits import KeyNames
from .losses import Losses
from .media.reader import MediaReader
from .media.tables import is_table
from .parts import Part
from .run import SwanLabRun
from .saved import SavedFiles
from .sdk.capabilities import EMPTY_CONFIG_VALUES, KEPT_BATCHES, READ_BACK, found, loss
from .sdk.writer import Writer, writer_for
from .target import Target
from .values import Check, Values

if TYPE_CHECKING:
    from .sdk.uploads import Uploads

log = logging.getLogger("wandb_swan")


class Sink:
    """One SwanLab run. Events in, in order; `close()` at the end. Raises what SwanLab raises when a run starts."""

    def __init__(self, target: Target, run: Any = None, check: Check | None = None) -> None:
        """`run` is a SwanLab run of the user's to write into; `check` is what the store is held against at the end."""
        self._target = target
        self._swan = SwanLabRun(target, run)
        self._files = RunFiles(target.files, target.placed)
        self._names = KeyNames()
        self._media_reader = MediaReader(
            self._files,
            self._names,
            plotly_inline=target.plotly_inline,
            keep_original=target.keep_original,
            links=run is None,
        )
        self._artifacts: dict[tuple[str, str, bool], dict[str, Any]] = {}
        self._numbering = Numbering()
        self._now = 0.0
        """The time of the last row, seconds since the epoch."""
        self.part = Part()
        """Where the run's steps go; set before the first row."""
        self._axes = ChartAxes(self._names)
        self._config: RunConfig
        self._last: dict[Path, Any] = {}
        """Path -> the value that was logged last, but for those in rows of numbers alone."""
        self._last_numbers: dict[str, Any] = {}
        """Key -> the last one, where it came in such a row."""
        self._samples = 0
        self._preempting = False
        self._writer: Writer | None = None
        self._values: Values
        self._check = check
        self.counts: Counter[str] = Counter()
        """What was written: rows, scalars, texts, lines."""
        self.losses = Losses()
        """Values that SwanLab has no place for, or has in another form only."""
        self._saved = SavedFiles(self._files, self.losses, self.counts)

    @property
    def uploads(self) -> Uploads | None:
        """What an online run still has to send."""
        return self._swan.uploads

    @property
    def saved(self) -> set[str]:
        """The saved files, by their paths in the run's files folder."""
        return self._saved.paths

    @property
    def lost_link(self) -> str | None:
        """What a saved file is a link to that is not found."""
        return self._files.lost

    @property
    def run_dir(self) -> str | None:
        return self._swan.dir

    @property
    def url(self) -> str | None:
        return self._swan.url

    # -- the run ---------------------------------------------------------------------------------------------------

    def open(self, started: RunStarted) -> None:
        """Starts the SwanLab run. Raises what `swanlab.init` raises: no key, no server, a wrong workspace."""
        self._swan.open(started)
        self._saved.run = self._swan.handle
        self._writer = writer_for(self._swan.session, bulk=self._swan.own and self._target.mode == "offline")
        self._values = Values(
            self._writer,
            names=self._names,
            axes=self._axes,
            media_reader=self._media_reader,
            losses=self.losses,
            counts=self.counts,
            online=self._target.mode == "online",
            check=self._check,
            keep_file=lambda path, file: self._saved.save(path, file, "now"),
        )
        self._config = RunConfig(started)
        for capability in self._swan.missing():
            self.losses.add(("run",), loss(capability))
        self._add_capabilities()
        if self._swan.continues:
            self.add_metadata(continues=self._swan.continues)

    @property
    def place(self) -> str | None:
        """workspace/project/id of the experiment in SwanLab's cloud; None where it is not there, or cannot be told."""
        return self._swan.place

    @property
    def capabilities(self) -> dict[str, str]:
        """What this SwanLab lets us do: name -> `ok`, or what is so without it."""
        return found.summary()

    @property
    def artifacts(self) -> int:
        """How many artifacts the run has logged, of which SwanLab has a list."""
        return sum(not used for _, _, used in self._artifacts)

    def skip_lines(self, count: int) -> None:
        """The next `count` console lines are in the SwanLab run already."""
        assert self._writer is not None
        self._writer.skip_lines = count

    def add_metadata(self, **metadata: Any) -> None:
        """Adds facts of the run to the reserved config key `wandb_run`."""
        self._config.add_metadata(**metadata)

    def _add_capabilities(self) -> None:
        self.add_metadata(capabilities=found.missing() or "all")

    def lost(self) -> list[dict[str, Any]]:
        """What SwanLab has no place for, or refused: key, reason, count."""
        more = [] if self._writer is None else [self._writer.losses.copy()]
        if self.uploads is not None:
            more.append(Counter({("", reason): count for reason, count in self.uploads.refused.copy().items()}))
        return self.losses.listed(*more)

    @property
    def only_copy(self) -> str | None:
        """After `close()`: why the journal has to stay although the run has ended, None if SwanLab has confirmed it."""
        refused = sum(self.uploads.refused.values()) if self.uploads is not None else 0
        if refused:
            return f"{refused} values that SwanLab did not take"
        unseen = KEPT_BATCHES if self._target.mode == "online" else READ_BACK
        return None if found.has(unseen) else f"what cannot be confirmed ({loss(unseen)})"

    def close(
        self,
        state: State,
        reason: str | None = None,
        *,
        error_line: bool = True,
        last_words: Mapping[str, Any] = MappingProxyType({}),
    ) -> str | None:
        """Writes what is left and ends the SwanLab run. Returns what is not confirmed, None if all is.

        Args:
            state: How it ended, in SwanLab's words.
            reason: Why.
            error_line: Whether SwanLab's cloud gets a console line that says why a run did not end well.
            last_words: Metadata that are right when SwanLab's cloud has all of it, that line too.
        """
        assert self._writer is not None
        self._config.add_summary(self._last | {(key,): value for key, value in self._last_numbers.items()})
        self._saved.take_unnamed()
        if self.part.step_offset:
            self._config.add_metadata(step_offset=self.part.step_offset, first_step=self.part.first_step)
        self._writer.flush()
        self._add_capabilities()
        self._config.add_metadata(keys=self._names.changed(), not_mirrored=self.lost() or None)
        self.flush()
        if self._swan.own:
            if self.uploads is not None:
                self.uploads.last_words = dict(last_words)
            # A line that was skipped and is none of the run's is that of an earlier try.
            self._swan.finish(state, reason, error_line=error_line and not self._writer.skip_lines)
            if self._target.past or self._target.mode != "online":
                files = FilePath(self._swan.handle.dir) / "files"
                for path, error in own_copies(files, past=self._target.past).items():
                    self.losses.add((path,), f"file only linked, not copied: {type(error).__name__}", str(error))
        self._swan.raise_if_broken()
        unconfirmed = self.uploads.unconfirmed() if self.uploads is not None else None
        failure = self._writer.failure or unconfirmed
        if failure is None and self._check is not None and found.has(READ_BACK):
            self._check.config, self._check.files = self._config.written, self._saved.paths
            return self._check.missing(FilePath(self._swan.handle.dir), state)
        return failure

    # -- events ----------------------------------------------------------------------------------------------------

    def write(self, event: Event) -> None:
        """Takes one event. A value that SwanLab refuses costs that value alone, and is counted."""
        match event:
            case HistoryRow():
                self._on_row(event)
            case HistoryRows():
                self._on_rows(event)
            case ConsoleLine():
                self._values.line(event)
            case SystemStats():
                self._on_stats(event)
            case ConfigChanged():
                self._config.change(event)
            case SummaryChanged():
                self._config.summarise(event)
            case MetricDefined():
                self._axes.define(event)
            case ChartDefined():
                self._media_reader.chart(event)
            case MaskLabels():
                self._media_reader.labels(event)
            case FileSaved():
                self._saved.take(event)
            case Artifact():
                self._on_artifact(event)
            case Alert():
                self._on_alert(event)
            case RowDropped():
                self._on_dropped(event)
            case RunChanged():
                self._config.run_changed(event)
                self._swan.describe(event)
            case RunPreempting():
                self._preempting = True
                self.add_metadata(preempting=True)
            case NotRead():
                self.losses.add(event.path, event.reason)
            case RunFinished():
                self.add_metadata(exit_code=event.exit_code)
                if self._preempting and event.exit_code:  # as W&B calls it; SwanLab has no such state
                    self.add_metadata(state="preempted")
            case RunStarted():
                pass  # `open` has it
            case _:
                assert_never(event)

    def flush(self) -> None:
        """Hands everything to SwanLab."""
        assert self._writer is not None
        self._writer.flush()
        self._write_config()
        try:
            self._swan.tell_server()
        except Exception as error:
            reason = "SwanLab's server does not take a new name, description, tags, group or job type"
            log.warning("%s: %s: %s", reason, type(error).__name__, error)
            self.losses.counts["run", reason] = 1  # however often it changes
        self._swan.raise_if_broken()

    def _write_config(self) -> None:
        empty = self._config.write(self._swan.session, own=self._swan.own)
        if empty:
            self.losses.counts["config", loss(EMPTY_CONFIG_VALUES)] = empty

    def abandon(self) -> None:
        """Lets go of an experiment that SwanLab's server has ended."""
        self._swan.abandon()

    def _on_row(self, event: HistoryRow) -> None:
        step = self._place(self._numbering.of_row(event.step))
        if not 0 <= step <= limits.LAST_STEP:
            for path, value, _, _, media in event.leaves:
                self.losses.add(path, "the step is outside SwanLab's 0 to 2**48", str(step))
                if media:  # the summary has them by their files alone; of all else it has the value, which stays there
                    self._keep_last(path, value)
            return
        self.counts["rows"] += 1
        self._numbering.reached(step)
        self._now = timestamp = event.timestamp
        values = self._values
        if NUMBERS.issuperset(map(type, event.values.values())):  # almost every row
            self._last_numbers.update(event.values)
            values.row(event.values, step, timestamp)
            return
        tables = []
        for path, value, number, text, media in event.leaves:
            self._keep_last(path, value)
            if number is not None:
                values.scalar(path, number, step, timestamp)
                continue
            if media:
                self._saved.named_by(media)
            if text is not None:
                values.text(path, text, step, timestamp)
            elif any(map(is_table, media)):  # a metric of the user's keeps its key where a table's column has the same
                tables.append((path, media))
            else:
                values.media(path, media, step, timestamp)
        for path, media in tables:
            values.media(path, media, step, timestamp)

    def _on_rows(self, event: HistoryRows) -> None:
        first, last = self._place(event.steps[0]), self._place(event.steps[-1])
        if first < 0 or last > limits.LAST_STEP:
            for row in event.single():
                self._on_row(row)
            return
        self.counts["rows"] += len(event.steps)
        self._numbering.reached(last)
        self._now = event.timestamps[-1]
        self._last_numbers.update((key, column[-1]) for key, column in zip(event.keys, event.columns, strict=True))
        moved = first - event.steps[0]
        steps = [step + moved for step in event.steps] if moved else event.steps
        self._values.rows(event.keys, steps, event.timestamps, event.columns)

    def _place(self, step: int) -> int:
        """SwanLab's step of one of wandb's."""
        undecided = self.part.step_offset is None
        placed = self.part.place(step)
        if undecided and self.part.step_offset:  # known there before the first point is: the status file may be lost
            self.add_metadata(step_offset=self.part.step_offset, first_step=self.part.first_step)
            self._write_config()
        return placed

    def _keep_last(self, path: Path, value: Any) -> None:
        self._last[path] = value
        if len(path) == 1:
            self._last_numbers.pop(path[0], None)

    def _on_dropped(self, event: RowDropped) -> None:
        log.warning(
            "step %d lies behind the current step %d: wandb ignores %s, and so do we",
            event.step,
            event.current,
            ", ".join(event.keys),
        )
        self.counts["rows dropped by wandb"] += 1

    def _on_alert(self, event: Alert) -> None:
        """A text under `alerts`, and a console line."""
        assert self._writer is not None
        step = self._numbering.of_alert(first=self.part.steps_before + 1)
        self.part.last_step = max(self.part.last_step, step)
        text = limits.clean_text(event.spelled)
        self._values.items(("alerts",), "alert", [swanlab.Text(text)], step, self._now)
        self._values.line(ConsoleLine(text=f"wandb alert {text}", stderr=event.level == "ERROR", timestamp=self._now))
        self.counts["alerts"] += 1

    def _on_artifact(self, event: Artifact) -> None:
        """Listed in the config, but for the tables that wandb logs as artifacts too: they are there as tables."""
        self._media_reader.staged.add(event)
        if event.is_table:
            return
        facts = {
            "type": event.type,
            "name": event.name,
            "aliases": list(event.aliases),
            "digest": event.digest,
            "size": event.size,
            "description": event.description,
            "used": event.used or None,
            **event.brought,
        }
        known = {name: value for name, value in facts.items() if value not in (None, "", [])}
        self._artifacts[event.name, event.digest, event.used] = known
        if files := event.brought.get("files"):
            self.counts["artifact files"] += files
        self.add_metadata(artifacts=list(self._artifacts.values()))

    def _on_stats(self, event: SystemStats) -> None:
        """Scalars under `system/`, a step for each sample, for a run of the past: SwanLab itself watches a live one.

        wandb 0.10 to 0.13 has dicts of numbers in it: `network` holds `sent` and `recv`.
        """
        if not self._target.past:
            return
        assert self._writer is not None
        for name, value in leaves(event.values):
            path = ("system", *name)
            number = number_of(value)
            if number is None:
                self.losses.add(path, "a value of a system metric that is no number", f"{value!r}"[:200])
                continue
            self._writer.scalar(self._names.name(path, "system"), self._samples, event.timestamp, number)
            self.counts["system"] += 1
        self._samples += 1

    def files_in(self, folder: FilePath) -> None:
        """From now on media and saved files are read in `folder`: a run that was resumed has several."""
        self._files.root = folder.resolve()
