"""Writes the events of one wandb run into one SwanLab run."""

from __future__ import annotations

import logging
import math
import re
import shutil
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path as FilePath
from typing import Any

import swanlab
from typing_extensions import assert_never

from ..exceptions import ExperimentEnded, WandbSwanError
from ..parity.readback import Expected
from ..stream.events import (
    Alert,
    Artifact,
    ChartDefined,
    ConfigChanged,
    ConsoleLine,
    Event,
    FileSaved,
    HistoryRow,
    MaskLabels,
    MetricDefined,
    Path,
    RowDropped,
    RunChanged,
    RunFinished,
    RunPreempting,
    RunStarted,
    SummaryChanged,
    SystemStats,
    Tree,
    UnknownRecord,
)
from ..stream.nested import leaves, spelled
from ..stream.state import State
from ..stream.values import Numbering, number_of
from . import limits
from .config import RunConfig
from .files import RunFiles, UnusableError, own_copies
from .limits import KeyNames
from .media.reader import MediaReader
from .parts import Part
from .sdk.presence import Presence
from .sdk.uploads import Uploads
from .sdk.writer import CoreWriter, Writer, writer_for
from .target import Target

log = logging.getLogger("wandb_swan")

_MEDIA_FILE = re.compile(r"media/.*_[0-9a-f]{20}\.")
"""Files that wandb wrote for a logged value, named `<key>_<step>_<hash>`: they come with their rows."""
_CONTINUATIONS = 20
"""How often SwanLab's server may have ended experiments of one run."""
_TOLD = 10
"""How many losses of one key and reason the log tells one by one."""


class Sink:
    """One SwanLab run. Events in, in order; `close()` at the end. Raises what SwanLab raises when a run starts."""

    def __init__(self, target: Target, run: Any = None) -> None:
        """`run` is a SwanLab run of the user's to write into: its name, project and end are the user's."""
        self._target = target
        self._own = run is None
        self.uploads: Uploads | None = None
        """What an online run still has to send."""
        self._files = RunFiles(target.files)
        self._media_reader = MediaReader(
            self._files, plotly_inline=target.plotly_inline, keep_original=target.keep_original
        )
        self._artifacts: dict[tuple[str, str, bool], dict[str, Any]] = {}
        self._numbering = Numbering()
        self._now = 0.0
        """The time of the last row, seconds since the epoch."""
        self.part = Part()
        """Where the run's steps go; set before the first row."""
        self._names = KeyNames()
        self._rules: dict[str, MetricDefined] = {}
        self._about: RunConfig
        self._last: dict[Path, Any] = {}
        self._samples = 0
        self._run: Any = run
        self._writer: Writer | None = None
        self._expected: Expected | None = (
            Expected() if self._own and not target.past and target.mode != "online" else None
        )
        """What the store is held against at the end; a conversion reads it back by itself."""
        self.counts: Counter[str] = Counter()
        """What was written: rows, scalars, texts, lines."""
        self.not_mirrored: Counter[tuple[str, str]] = Counter()
        """(key, reason) -> how many values SwanLab has no place for, or has in another form only."""

    @property
    def run_dir(self) -> str | None:
        return str(FilePath(self._run.dir).absolute()) if self._run is not None else None

    @property
    def url(self) -> str | None:
        return self._run.url if self._run is not None and self._target.mode == "online" else None

    # -- the run ---------------------------------------------------------------------------------------------------

    def open(self, started: RunStarted) -> None:
        """Starts the SwanLab run. Raises what `swanlab.init` raises: no key, no server, a wrong workspace."""
        if not self._own:
            self._begin(started)
            return
        before = set(self._target.log_dir.glob("run-*"))
        try:
            self._open(started)
        except BaseException:
            self.abandon()
            for folder in set(self._target.log_dir.glob("run-*")) - before:
                ours = limits.run_id(started.run_id).replace("-", "_")
                if folder.name == self._target.run_dir or folder.name.split("-", 2)[-1] == ours:
                    shutil.rmtree(folder, ignore_errors=True)  # what SwanLab left behind holds nothing
            raise

    def _open(self, started: RunStarted) -> None:
        target = self._target
        settings = swanlab.Settings(
            interactive=False,
            terminal=swanlab.Settings.Terminal(proxy_type="none"),
            **({} if target.monitor else {"probe": _no_probe()}),
            **({"run": swanlab.Settings.Run(dir=target.run_dir)} if target.run_dir else {}),
        )
        ended: list[tuple[Presence, str]] = []
        while True:
            self._run = self._init(started, settings, ended)
            if target.mode != "online":
                break
            self.uploads = Uploads(self._run, target.patience)
            presence = self.uploads.presence
            if presence is None or presence.runs():
                break
            ended.append((presence, str(self._run.url)))
            self.abandon()
        for presence, _ in ended:
            presence.link(continued_in=str(self._run.url))
        self._begin(started)
        if ended:
            log.warning("%s was ended by SwanLab's server: the run goes on in %s", ended[-1][1], self._run.url)
            self.tell(continues=ended[-1][1])

    def _init(self, started: RunStarted, settings: Any, ended: list[tuple[Presence, str]]) -> Any:
        target, run_id, notes = self._target, limits.run_id(started.run_id), started.notes
        if len(ended) > _CONTINUATIONS:
            raise WandbSwanError(f"SwanLab's server does not let {run_id} run")
        if ended:
            run_id = limits.run_id(f"{started.run_id}-continued-{len(ended)}")
            notes = f"Goes on from {ended[-1][1]}, which SwanLab had ended. {notes}"
        return swanlab.init(
            mode=target.mode,
            log_dir=str(target.log_dir),
            project=limits.project(target.project or started.project),
            workspace=limits.workspace(target.workspace) if target.workspace else None,
            id=run_id,
            resume="allow" if target.mode == "online" else None,
            name=limits.name(started.name or started.run_id),
            description=limits.description(notes),
            tags=limits.tags(started.tags) or None,
            group=limits.name(started.group),
            job_type=limits.name(started.job_type),
            settings=settings,
        )

    def _begin(self, started: RunStarted) -> None:
        self._writer = writer_for(self._run, bulk=self._target.past and self._target.mode == "offline")
        self._about = RunConfig(started)

    def skip_lines(self, count: int) -> None:
        """The next `count` console lines are in the SwanLab run already."""
        if isinstance(self._writer, CoreWriter):
            self._writer.skip_lines = count

    def tell(self, **about: Any) -> None:
        """Adds facts of the run to the reserved config key `wandb_run`."""
        self._about.tell(**about)

    def lost(self) -> list[dict[str, Any]]:
        """What SwanLab has no place for, or refused: key, reason, count."""
        losses = self.not_mirrored.copy()
        if self.uploads is not None:
            losses.update({("", reason): count for reason, count in self.uploads.refused.copy().items()})
        return [{"key": key, "reason": why, "count": count} for (key, why), count in sorted(losses.items())]

    @property
    def only_copy(self) -> str | None:
        """After `close()`: why the journal has to stay although the run has ended, None if SwanLab has confirmed it."""
        refused = sum(self.uploads.refused.values()) if self.uploads is not None else 0
        return f"{refused} values that SwanLab did not take" if refused else None

    def close(self, state: State, reason: str | None = None) -> str | None:
        """Writes what is left and ends the SwanLab run. Returns what is not confirmed, None if all is."""
        self._about.tell_summary(self._last)
        if self.part.step_offset:
            self._about.tell(step_offset=self.part.step_offset, first_step=self.part.first_step)
        self._about.tell(keys=self._names.changed(), not_mirrored=self.lost() if self.not_mirrored else None)
        self.flush()
        if self._own:
            watcher = getattr(getattr(getattr(self._run, "_ctx", None), "core", None), "_watcher", None)
            if self.uploads is not None and isinstance(self._writer, CoreWriter) and self._writer.skip_lines > 0:
                self.uploads.without_error_line()
            self._run.finish(state=state, error=reason or ("unknown" if state != "success" else None))
            _release(watcher)
            if self._target.past:
                for path, error in own_copies(FilePath(self._run.dir) / "files").items():
                    self._lose((path,), f"file only linked, not copied: {type(error).__name__}", str(error))
        self._raise_broken()
        unconfirmed = self.uploads.unconfirmed() if self.uploads is not None else None
        failure = getattr(self._writer, "failure", None) or unconfirmed
        if failure is None and self._expected is not None:
            self._expected.config = self._about.written
            return self._expected.missing(FilePath(self._run.dir), state)
        return failure

    # -- events ----------------------------------------------------------------------------------------------------

    def write(self, event: Event) -> None:
        """Takes one event. A value that SwanLab refuses costs that value alone, and is counted."""
        match event:
            case HistoryRow():
                self._on_row(event)
            case ConsoleLine():
                self._on_line(event)
            case SystemStats():
                self._on_stats(event)
            case ConfigChanged():
                self._about.change(event)
            case SummaryChanged():
                self._about.summarise(event)
            case MetricDefined():
                self._rules[event.name] = event
            case ChartDefined():
                self._media_reader.chart(event)
            case MaskLabels():
                self._media_reader.labels(event)
            case FileSaved():
                self._on_file(event)
            case Artifact():
                self._on_artifact(event)
            case Alert():
                self._on_alert(event)
            case RowDropped():
                self._on_dropped(event)
            case RunChanged():
                self._about.run_changed(event)
            case RunPreempting():
                self.tell(preempting=True)
            case UnknownRecord():
                self._lose((event.kind,), "a kind of wandb's records that is not known here")
            case RunFinished():
                self.tell(exit_code=event.exit_code)
            case RunStarted():
                pass  # `open` has it
            case _:
                assert_never(event)

    def flush(self) -> None:
        """Hands everything to SwanLab."""
        assert self._writer is not None
        self._writer.flush()
        self._about.write(self._run.config, own=self._own)
        self._raise_broken()

    def _raise_broken(self) -> None:
        if self.uploads is None or self.uploads.broken is None:
            return
        ended = self.uploads.presence is not None and self.uploads.presence.ended
        raise (ExperimentEnded if ended else WandbSwanError)(self.uploads.broken)

    def abandon(self) -> None:
        """Lets go of an experiment that SwanLab's server has ended."""
        if self.uploads is not None:
            self.uploads.abandon()
        with suppress(Exception):
            self._run.finish()

    def _on_row(self, event: HistoryRow) -> None:
        step = self._numbering.of_row(event.step)
        undecided = self.part.step_offset is None
        step = self.part.place(step)
        if undecided and self.part.step_offset:  # known there before the first point is: the status file may be lost
            self.tell(step_offset=self.part.step_offset, first_step=self.part.first_step)
            self._about.write(self._run.config, own=self._own)
        if not 0 <= step <= limits.LAST_STEP:
            for path, _ in leaves(event.values):
                self._lose(path, "the step is outside SwanLab's 0 to 2**48", str(step))
            return
        self.counts["rows"] += 1
        self._numbering.reached(step)
        self._now = timestamp = event.timestamp
        last = self._last
        for path, value, number, text, media in event.leaves:
            last[path] = value
            if number is not None:
                self._scalar(path, number, step, timestamp)
                continue
            if isinstance(value, dict):  # wandb's summary has the fields of a media item one by one
                last.update({(*path, *leaf): field for leaf, field in leaves(value)})
            if text is not None:
                self._text(path, text, step, timestamp)
            else:
                self._media(path, media, step, timestamp)

    def _scalar(self, path: Path, number: float, step: int, timestamp: float) -> None:
        assert self._writer is not None
        key = self._names.get(path, "scalar")
        if key is None:
            key = self._names.name(path, "scalar")
            self._declare(path, key)
        if self._target.mode == "online" and math.isinf(number):
            self._lose(path, "SwanLab's cloud has NaN where an infinity was logged", f"step {step}: {number}")
        self._writer.scalar(key, step, timestamp, number)
        if self._expected is not None:
            self._expected.scalar(key, step, number)
        self.counts["scalars"] += 1

    def _text(self, path: Path, text: str, step: int, timestamp: float) -> None:
        assert self._writer is not None
        text = limits.clean_text(text)
        encoded = text.encode()
        if len(encoded) > limits.MEDIA_BYTES:
            text = encoded[: limits.MEDIA_BYTES - 200].decode("utf-8", "ignore")
            text += f"\n… cut: the whole text has {len(encoded)} bytes, SwanLab takes {limits.MEDIA_BYTES}"
            self._lose(path, "a text was cut to SwanLab's 10 MB", f"step {step}: {len(encoded)} bytes")
        key = self._names.name(path, "text")
        self._writer.media(key, step, timestamp, [swanlab.Text(text)])
        if self._expected is not None:
            self._expected.items(key, step, (text,))
        self.counts["texts"] += 1

    def _media(self, path: Path, values: Sequence[Tree], step: int, timestamp: float) -> None:
        """Writes a value's media, those of one kind together. What is unusable costs itself alone."""
        found: dict[tuple[Path, str], list[Any]] = {}
        for value in values:
            for where, media in self._read_media(path, value, step, timestamp):
                found.setdefault((where, type(media).__name__.lower()), []).append(media)
        for (where, kind), media in found.items():
            if len(media) > limits.MEDIA_ITEMS:
                reason = f"SwanLab takes {limits.MEDIA_ITEMS} items a step: the others are left out"
                self._lose(where, reason, f"step {step}: {len(media)} items", count=len(media) - limits.MEDIA_ITEMS)
            self._write_media(where, kind, media[: limits.MEDIA_ITEMS], step, timestamp)

    def _read_media(self, path: Path, value: Tree, step: int, timestamp: float) -> list[tuple[Path, Any]]:
        def lose(reason: str, detail: str) -> None:
            self._lose(path, reason, f"step {step}: {detail}")

        try:
            return list(self._media_reader.read(path, value, lose))
        except UnusableError as error:
            lose(error.reason, error.detail)
            if error.keep:
                self._save(path, error.keep, "now")
            if error.as_text:
                self._text(path, spelled(value), step, timestamp)
        except Exception as error:
            log.warning("%s at step %d", ".".join(path), step, exc_info=True)
            lose(f"cannot be read: {type(error).__name__}", str(error))
        return []

    def _write_media(self, path: Path, kind: str, media: list[Any], step: int, timestamp: float) -> None:
        assert self._writer is not None
        if self._target.mode == "online" and any(item.caption for item in media):
            for item in media:  # SwanLab 0.10 sends the captions that are not empty: those after a gap would move up
                item.caption = item.caption or " "
        key = self._names.name(path, kind)
        try:
            kept = self._writer.media(key, step, timestamp, media)
        except (ValueError, TypeError, AttributeError) as error:
            self._lose(path, f"SwanLab refuses it: {type(error).__name__}", f"step {step}: {error}", count=len(media))
            return
        if kept < len(media):
            reason = "SwanLab takes no item over 10 MB"
            self._lose(path, reason, f"step {step}: {kept} of {len(media)} items", count=len(media) - kept)
        if self._expected is not None:
            texts = isinstance(media[0], swanlab.Text)
            self._expected.items(key, step, tuple(item.content for item in media) if texts else kept)
        self.counts["media"] += kept

    def _declare(self, path: Path, key: str) -> None:
        """Declares a metric's column where `define_metric` said something of it, before its first value."""
        assert self._writer is not None
        rule = self._rule(".".join(path))
        if rule is None:
            return
        axis = rule.step_metric
        if axis and axis not in {"_step", "_relative_time"}:
            dotted = tuple(axis.split("."))
            axis = self._names.name(dotted, "scalar") if dotted != path else key
        if axis or rule.hidden:
            self._writer.column(key, axis, hidden=rule.hidden)

    def _rule(self, dotted: str) -> MetricDefined | None:
        exact = self._rules.get(dotted)
        if exact is not None:
            return exact
        globs = (rule for name, rule in self._rules.items() if name.endswith("*") and dotted.startswith(name[:-1]))
        return max(globs, key=lambda rule: len(rule.name), default=None)

    def _on_line(self, event: ConsoleLine) -> None:
        assert self._writer is not None
        if not self._writer.takes_lines:
            self._lose(("console output",), "this SwanLab takes no lines")
            return
        text = limits.clean_text(event.text)
        for start in range(0, len(text) or 1, limits.CONSOLE_LENGTH):
            piece = text[start : start + limits.CONSOLE_LENGTH]
            self._writer.console(piece, event.timestamp, error=event.stderr)
            if self._expected is not None:
                self._expected.line(piece)
        self.counts["lines"] += 1

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
        text = limits.clean_text(f"[{event.level or 'INFO'}] {event.title}: {event.text}")
        self._write_media(("alerts",), "alert", [swanlab.Text(text)], step, self._now)
        self._on_line(ConsoleLine(text=f"wandb alert {text}", stderr=event.level == "ERROR", timestamp=self._now))
        self.counts["alerts"] += 1

    def _on_artifact(self, event: Artifact) -> None:
        """Listed in the config, but for the tables that wandb logs as artifacts too: they are there as tables."""
        if event.is_table:
            self._media_reader.staged.add(event)
            return
        facts = {
            "type": event.type,
            "name": event.name,
            "aliases": list(event.aliases),
            "digest": event.digest,
            "size": event.size,
            "description": event.description,
            "used": event.used or None,
        }
        told = {name: value for name, value in facts.items() if value not in (None, "", [])}
        self._artifacts[event.name, event.digest, event.used] = told
        self.tell(artifacts=list(self._artifacts.values()))

    def _on_file(self, event: FileSaved) -> None:
        if not _MEDIA_FILE.match(event.path):
            self._save((event.path,), event.path, event.policy)

    def _save(self, key: Path, path: str, policy: str) -> None:
        try:
            self._files.save(self._run, path, policy)
        except UnusableError as error:
            self._lose(key, f"file not saved: {error.reason}", error.detail)
        except Exception as error:
            self._lose(key, f"file not saved: {type(error).__name__}", str(error))
        else:
            self.counts["files"] += 1
            if self._expected is not None:
                self._expected.files.add(path)

    def _on_stats(self, event: SystemStats) -> None:
        """Scalars under `system/`, a step for each sample, for a run of the past: SwanLab itself watches a live one."""
        if not self._target.past:
            return
        assert self._writer is not None
        for name, value in event.values.items():
            number = number_of(value)
            if number is not None:
                key = self._names.name(("system", name), "system")
                self._writer.scalar(key, self._samples, event.timestamp, number)
                self.counts["system"] += 1
        self._samples += 1

    def files_in(self, folder: FilePath) -> None:
        """From now on media and saved files are read in `folder`: a run that was resumed has several."""
        self._files.root = folder.resolve()

    # -- the rest --------------------------------------------------------------------------------------------------

    def _lose(self, path: Path, reason: str, detail: str = "", *, count: int = 1) -> None:
        """Counts what SwanLab does not get, and says it in the log, the first times with the details."""
        key = limits.clean_text(".".join(path))
        before = self.not_mirrored[key, reason]
        self.not_mirrored[key, reason] += count
        if before < _TOLD:
            log.warning("%s: %s%s", key, reason, f" ({limits.clean_text(detail)})" if detail else "")


def _release(watcher: Any) -> None:
    """Gives back the inotify instance of SwanLab's file watcher, which SwanLab 0.10 keeps if no file was watched.

    The kernel has 128 of them for a user; a process that writes many runs would use them up.
    """
    observer = getattr(watcher, "_observer", None)
    if observer is not None and not observer.is_alive():
        with suppress(Exception):
            observer.stop()


def _no_probe() -> Any:
    return swanlab.Settings.Probe(
        hardware=False, runtime=False, requirements=False, conda=False, git=False, swanlab=True, monitor=False
    )
