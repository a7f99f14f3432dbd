"""wandb's protobuf records, from a journal or a transaction log, become events."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

from google.protobuf.message import DecodeError
from wandb.proto import wandb_internal_pb2 as pb

from ..journal.fields import PYTHON_CORE
from ..journal.kinds import LEFT_OUT_RECORDS, LEFT_OUT_REQUESTS
from ..journal.models import BeginNote, CauseNote, EndNote
from ..journal.notes import parse_note
from . import config, messages
from .console import Console
from .events import (
    Artifact,
    ChartDefined,
    ConfigChanged,
    Event,
    HistoryRow,
    MaskLabels,
    MetricDefined,
    NotRead,
    Path,
    RunChanged,
    RunFinished,
    RunPreempting,
    RunStarted,
    SummaryChanged,
    SystemStats,
    Tree,
)
from .items import NUMBER_STARTS, item_path, item_value, number, spelled_path
from .nested import merge, why_not
from .plain_rows import PlainRow, PlainRows
from .python_steps import PythonSteps
from .steps import INTERNAL, Steps, history_row, history_rows
from .wire import first_field, record_field

log = logging.getLogger("wandb_swan")

_CTRL_C = 255
"""The exit code that wandb gives a run ended by Ctrl-C (`wandb/sdk/lib/exit_hooks.py`)."""

TENSORBOARD_STEP = "global_step"
"""The key under which wandb's core writes TensorBoard's step into its rows."""


class Decoder:
    """Turns the payloads of one run's log into events, in order. Never raises on bad data: see `unreadable`."""

    def __init__(self) -> None:
        self.started: RunStarted | None = None
        self.finished: RunFinished | None = None
        self.begin = BeginNote()
        """The journal's first note; its defaults for a transaction log."""
        self._is_journal = False
        """Whether there was such a note."""
        self.ended = False
        """Whether the tap's last note was read: the trainer will write no more."""
        self.rows_from_core = False
        """Whether wandb's core makes rows of its own (TensorBoard): its log alone has the right steps."""
        self.unreadable = 0
        """Records or values that could not be decoded."""
        self.unknown: Counter[str] = Counter()
        """Kind -> records of it, where the kind is neither handled nor left out on purpose."""
        self.manifest: Any = None
        """What the last artifact holds (`wandb_internal.ArtifactManifest`); None of one that the run used."""
        self._left: list[NotRead] = []
        """Values of the present record that cannot be read."""
        self._plain = PlainRows()
        self._steps = Steps()
        self._described: RunChanged | None = None
        self._config_as_given: Any = None
        self._console = {True: Console(stderr=True), False: Console(stderr=False)}
        self._cause = CauseNote()
        self._defined: set[str] = set()
        """The metrics that have an axis: the user's, or TensorBoard's."""
        self._own_config: dict[tuple[str, str], ChartDefined | MaskLabels] = {}
        self._exit_code: int | None = None

    @property
    def step(self) -> int:
        """The step of the row that is being gathered; rows before it are committed."""
        return self._steps.current

    def feed(self, payload: bytes) -> Iterator[Event]:
        """The events of one record.

        Raises:
            UnknownFormatError: the payload begins a journal of a format that this version does not know.
        """
        note = parse_note(payload)
        if note is not None:
            self._note(note)
            return
        call = self._plain.partial(payload)
        row = self._plain.history(payload) if call is None else None
        if call is not None or row is not None:
            try:
                if call is not None:
                    yield from self._steps.partial(*call)
                elif row is not None:
                    yield from self._on_plain_history(row)
            except Exception as error:
                yield self._not_read(("request" if call else "history",), error)
            return
        try:
            record = pb.Record.FromString(payload)
        except DecodeError as error:
            yield self._not_read(("record",), error)
            return
        try:
            yield from self._events(record, payload)
        except Exception as error:  # values that no run makes: they cost their record
            yield self._not_read((record.WhichOneof("record_type") or "record",), error)
        if self._left:
            left, self._left = self._left, []
            yield from left

    def feed_rows(self, payloads: Sequence[bytes]) -> Iterator[Event]:
        """The events of history records, which came one after the other; rows of numbers together."""
        rows = self._plain.histories(payloads) if len(payloads) > 1 and not self.rows_from_core else None
        if rows is None:
            for payload in payloads:
                yield from self.feed(payload)
        else:
            yield from history_rows((values, _step_in(values, step)) for values, step in rows)

    def _not_read(self, path: Path, error: Exception) -> NotRead:
        self.unreadable += 1
        log.warning("%s cannot be read (%s: %s)", ".".join(path)[:200], type(error).__name__, str(error)[:200])
        return NotRead(path=path, reason=f"cannot be read: {why_not(error)}")

    def _events(self, record: Any, payload: bytes) -> Iterator[Event]:
        kind = record.WhichOneof("record_type")
        handler = self._RECORDS.get(kind)
        if handler is not None:
            yield from handler(self, getattr(record, kind))
        elif kind == "request":
            kind = record.request.WhichOneof("request_type")
            handler = self._REQUESTS.get(kind)
            if handler is not None:
                yield from handler(self, getattr(record.request, kind))
            elif kind is None:
                field = first_field(record.request.SerializeToString())
                yield from self._unknown(f"request field {field}" if field else None)
            elif kind not in LEFT_OUT_REQUESTS:
                yield from self._unknown(kind)
        elif kind is None:  # a newer wandb's, where anything is in it
            field = record_field(payload)
            yield from self._unknown(f"record field {field}" if field else None)
        elif kind not in LEFT_OUT_RECORDS:
            yield from self._unknown(kind)

    def _unknown(self, kind: str | None) -> Iterator[NotRead]:
        if kind is not None:
            self.unknown[kind] += 1
            yield NotRead(path=(kind,), reason="a kind of wandb's records that is not known here")

    def finish(self, reason: str = "") -> Iterator[Event]:
        """What is left at the end of the data: the last row and lines, and a RunFinished if there was none.

        `reason` is why a run without an exit counts as crashed.
        """
        if self.finished is None and self._exit_code is not None:
            yield from self._exited(self._exit_code)
        elif self.finished is None:
            yield from self._exit(1, reason)

    def _note(self, note: dict[str, Any]) -> None:
        wrong: list[str] = []
        match note.get("type"):
            case "begin":
                self.begin, wrong = BeginNote.read(note)
                self._is_journal = True
            case "exit":
                self._cause, wrong = CauseNote.read(note)
            case "end":
                self.ended = True
                end, wrong = EndNote.read(note)
                self._exit_code = end.exit_code
        for complaint in wrong:
            log.warning("a note of the journal: %s; its default is taken", complaint)

    # -- the run ---------------------------------------------------------------------------------------------------

    def _on_run_start(self, message: Any) -> Iterator[Event]:
        yield from self._run(message.run)

    def _on_run(self, run: Any) -> Iterator[Event]:
        if self.started is None and self._is_journal:  # in a journal the run starts with its run_start
            self._config_as_given = run.config
        else:
            yield from self._run(run)

    def _run(self, run: Any) -> Iterator[Event]:
        described = RunChanged(
            name=run.display_name, notes=run.notes, tags=tuple(run.tags), group=run.run_group, job_type=run.job_type
        )
        if self.started is None:
            first = max(run.starting_step, self.begin.run.joined_at or 0)
            python = self.begin.versions.core == PYTHON_CORE
            self._steps = PythonSteps(first) if python else Steps(first, shared=self.begin.run.shared)
            self.started = RunStarted(
                **described.model_dump(),
                run_id=run.run_id,
                project=run.project,
                entity=run.entity,
                sweep_id=run.sweep_id,
                host=run.host,
                started_at=_seconds(run.start_time),
                starting_step=run.starting_step,
                resumed=run.resumed,
                forked_from=self._branch_point(run),
            )
            yield self.started
            yield from self._on_config(run.config)
            if self._config_as_given is not None and not run.resumed:
                yield from self._on_config(self._config_as_given)
        elif described != self._described:
            yield described
        self._described = described

    def _branch_point(self, run: Any) -> str:
        try:
            if run.HasField("branch_point"):
                return f"{run.branch_point.run}?_step={int(run.branch_point.value)}"
        except ValueError:
            pass
        return self.begin.run.fork_from or self.begin.run.resume_from or ""

    def _on_exit(self, message: Any) -> Iterator[Event]:
        if self.finished is None:
            yield from self._exited(message.exit_code)

    def _exited(self, exit_code: int) -> Iterator[Event]:
        interrupted = self._cause.exception == "KeyboardInterrupt"
        reason = self._cause.traceback
        failed = exit_code != 0
        yield from self._exit(exit_code, reason if failed else "", failed and (interrupted or exit_code == _CTRL_C))

    def _exit(self, exit_code: int, reason: str, interrupted: bool = False) -> Iterator[Event]:
        yield from self._steps.finish()
        for console in self._console.values():
            yield from console.flush()
        self.finished = RunFinished(exit_code=exit_code, reason=reason, interrupted=interrupted)
        yield self.finished

    def _on_tbrecord(self, message: Any) -> Iterator[Event]:
        self.rows_from_core = True
        yield from ()

    # -- values ----------------------------------------------------------------------------------------------------

    def _on_partial_history(self, message: Any) -> Iterator[Event]:
        yield from self._steps.partial(
            [item for item in self._items(message.item) if item[0] != ("",)],  # wandb's core drops them, of a row alone
            message.step.num if message.HasField("step") else None,
            message.action.flush if message.HasField("action") else None,
        )

    def _on_history(self, message: Any) -> Iterator[HistoryRow | MetricDefined]:
        row: dict[str, Any] = {}
        for item in message.item:
            try:
                nested = item.nested_key
                text = item.value_json
                value = number(text) if text and text[0] in NUMBER_STARTS else item_value(item)
                if len(nested) < 2 and not isinstance(value, dict):
                    row[nested[0] if nested else item.key] = value
                else:
                    merge(row, tuple(nested) or (item.key,), value)
            except (ValueError, RecursionError) as error:
                self._left.append(self._not_read(spelled_path(item), error))
        yield from self._row(row, message.step.num if message.HasField("step") else None)

    def _on_plain_history(self, plain: PlainRow) -> Iterator[HistoryRow | MetricDefined]:
        if isinstance(plain.values, dict):
            row = plain.values
        else:
            row = {}
            for path, value in plain.values:
                merge(row, path, value)
        yield from self._row(row, plain.step)

    def _row(self, row: Tree, step: Any) -> Iterator[HistoryRow | MetricDefined]:
        """A row of wandb's log, with the step that its record says."""
        row.pop("", None)
        step = _step_in(row, step)
        if self.rows_from_core and TENSORBOARD_STEP in row:
            yield from self._on_tensorboards_axis(row)
        if row:
            yield history_row(row, step)

    def _on_tensorboards_axis(self, row: Tree) -> Iterator[MetricDefined]:
        """wandb's row number is not TensorBoard's step, which its rows carry beside their values."""
        fresh = sorted(row.keys() - self._defined - INTERNAL - {TENSORBOARD_STEP})
        globs = tuple(name[:-1] for name in self._defined if name.endswith("*")) if fresh else ()
        self._defined.update(fresh)
        yield from (MetricDefined(name=key, step_metric=TENSORBOARD_STEP) for key in fresh if not key.startswith(globs))

    def _on_config(self, message: Any) -> Iterator[Event]:
        items = self._items(message.update)
        for path, value in items:
            if config.is_own(path):
                yield from self._own_part(config.own_part_at(path, value))
        update = tuple((path, value) for path, value in items if not config.is_own(path))
        remove = tuple(item_path(item) for item in message.remove)
        if update or remove:
            yield ConfigChanged(update=update, remove=remove)

    def _own_part(self, part: Tree) -> Iterator[Event]:
        """The specs of charts and the class names of masks."""
        for event in config.own_events(part):
            of = (event.key, event.layer if isinstance(event, MaskLabels) else "")
            if self._own_config.get(of) != event:  # wandb sends the masks' names again with every image
                self._own_config[of] = event
                yield event

    def _on_summary(self, message: Any) -> Iterator[Event]:
        update = tuple(self._items(message.update))
        remove = tuple(item_path(item) for item in message.remove)
        if update or remove:
            yield SummaryChanged(update=update, remove=remove)

    def _on_metric(self, message: Any) -> Iterator[Event]:
        control = getattr(message, "_control", None)
        name = message.name or message.glob_name
        self._steps.define(
            name,
            message.step_metric,
            step_sync=message.options.step_sync,
            overwrite=bool(control is not None and control.overwrite),
        )
        if name:
            self._defined.add(name)
            yield MetricDefined(name=name, step_metric=message.step_metric, hidden=message.options.hidden)

    def _items(self, items: Any) -> list[tuple[Path, Any]]:
        decoded = []
        for item in items:
            try:
                decoded.append((item_path(item), item_value(item)))
            except (ValueError, RecursionError) as error:
                self._left.append(self._not_read(spelled_path(item), error))
        return decoded

    # -- the rest --------------------------------------------------------------------------------------------------

    def _on_output_raw(self, message: Any) -> Iterator[Event]:
        stderr = message.output_type == pb.OutputRawRecord.STDERR
        yield from self._console[stderr].write(message.line, _seconds(message.timestamp))

    def _on_output_logger(self, message: Any) -> Iterator[Event]:
        yield from self._console[False].write(message.line.rstrip("\n") + "\n", 0.0)

    def _on_files(self, message: Any) -> Iterator[Event]:
        yield from messages.files(message)

    def _on_alert(self, message: Any) -> Iterator[Event]:
        yield messages.alert(message)

    def _on_log_artifact(self, message: Any) -> Iterator[Event]:
        yield from self._on_artifact(message.artifact)

    def _on_artifact(self, message: Any) -> Iterator[Event]:
        self.manifest = message.manifest
        yield messages.artifact(message)

    def _on_use_artifact(self, message: Any) -> Iterator[Event]:
        self.manifest = None
        yield Artifact(name=message.name or message.id, type=message.type, used=True)

    def _on_stats(self, message: Any) -> Iterator[Event]:
        values = {path[0]: value for path, value in self._items(message.item)}
        yield SystemStats(timestamp=_seconds(message.timestamp), values=values)

    def _on_preempting(self, message: Any) -> Iterator[Event]:
        yield RunPreempting()

    # -- which handler takes which kind ----------------------------------------------------------------------------

    _RECORDS: ClassVar[dict[str, Callable[[Decoder, Any], Iterator[Event]]]] = {
        "history": _on_history,
        "summary": _on_summary,
        "output": _on_output_raw,  # wandb up to 0.20 with console="wrap": the same fields
        "output_raw": _on_output_raw,
        "output_logger": _on_output_logger,
        "config": _on_config,
        "files": _on_files,
        "stats": _on_stats,
        "artifact": _on_artifact,
        "use_artifact": _on_use_artifact,
        "tbrecord": _on_tbrecord,
        "alert": _on_alert,
        "metric": _on_metric,
        "run": _on_run,
        "exit": _on_exit,
        "preempting": _on_preempting,
    }
    _REQUESTS: ClassVar[dict[str, Callable[[Decoder, Any], Iterator[Event]]]] = {
        "run_start": _on_run_start,
        "partial_history": _on_partial_history,
        "log_artifact": _on_log_artifact,
    }


def _seconds(timestamp: Any) -> float:
    return float(timestamp.seconds + timestamp.nanos / 1e9)


def _step_in(row: Tree, step: Any) -> int | None:
    """The step of a row of wandb's log: what its record says, else its own word."""
    if step is None:
        step = row.get("_step")
    return step if type(step) is int else None
