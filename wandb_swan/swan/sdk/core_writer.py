"""Batches of values, media and console lines for SwanLab's core, written against its protocol.

Of `swanlab/sdk/protocol/core.py` (SwanLab 0.10) `upsert_columns`, `upsert_scalars`, `upsert_media` and `upsert_logs`
with their protobuf messages: whatever core is behind it, in Python or in a process of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from ...exceptions import WandbSwanError
from . import capabilities
from .capabilities import Capability, found
from .log_writer import LogWriter, PointWriter
from .ready_media import place_quickly
from .session import Session

BATCH = 10_000
"""Values that are handed over at once, at most."""


def timestamp_of(seconds: float) -> Timestamp:
    """Seconds since the epoch as protobuf's Timestamp; 0.0 means now."""
    stamp = Timestamp()
    if seconds > 0:
        whole = int(seconds)
        stamp.seconds, stamp.nanos = whole, min(999_999_999, round((seconds - whole) * 1e9))
    else:
        stamp.GetCurrentTime()
    return stamp


class CoreWriter(PointWriter):
    """Hands batches to SwanLab's core."""

    def __init__(self, session: Session) -> None:
        """Raises ImportError, AttributeError or TypeError where the installed SwanLab is another."""
        from swanlab.proto.swanlab.metric.column.v1 import column_pb2
        from swanlab.proto.swanlab.metric.data.v1.data_pb2 import ScalarRecord, ScalarValue

        self._session = session
        self._core = session.core
        self._scalar_record: Any = ScalarRecord
        self._scalar_value: Any = ScalarValue
        self._columns: Any = column_pb2
        self._scalar_type = column_pb2.ColumnType.COLUMN_TYPE_SCALAR
        ScalarRecord(key="k", step=0, timestamp=timestamp_of(1.5), type=self._scalar_type, value=ScalarValue(number=1))
        self._core.upsert_scalars  # noqa: B018  (what cannot be done without)
        self._lock = self._shared_lock()
        for name in ("upsert_scalars", "upsert_columns", "upsert_media", "upsert_logs", "upsert_saves"):
            if hasattr(self._core, name):
                self._serialise(name)
        self._has_columns = self._has(capabilities.CHART_AXES, lambda: self._new_column("k"), "upsert_columns")
        self._has_axes = self._has_columns and self._has(  # from SwanLab 0.10
            capabilities.CHART_AXES, lambda: self._new_column("k", x_axis="x", hidden=True), "upsert_columns"
        )
        self._has_lines = self._has(capabilities.CONSOLE_LINES, lambda: _new_line("", 1.5, error=True), "upsert_logs")
        self._build_media = self._media_builder()
        self._scalars: list[Any] = []
        self._media: list[Any] = []
        self._lines: list[Any] = []
        self._stamp = (0.0, timestamp_of(0))
        self._public = LogWriter(session.run)
        """For the parts of the protocol that this core does not have."""
        self.losses = self._public.losses
        self.skip_lines = 0
        self.failure: str | None = None
        """Why SwanLab's store of the run is not whole; SwanLab itself only prints it (`safe.block`)."""
        self._note_store_errors()

    def _shared_lock(self) -> Any:
        lock = getattr(self._core, "wandb_swan_lock", None) or threading.RLock()
        with suppress(AttributeError, TypeError):  # a core of another kind may take no attributes, and needs no lock
            self._core.wandb_swan_lock = lock
        return lock

    def _serialise(self, name: str) -> None:
        """One lock around the core: its monitor and its consumer write from threads of their own, and it has none."""
        original = getattr(self._core, name)
        lock: Any = self._lock

        def locked(records: Any) -> Any:
            with lock:
                return original(records)

        with suppress(AttributeError, TypeError):
            setattr(self._core, name, locked)

    def _has(self, capability: Capability, make: Callable[[], Any], name: str) -> bool:
        """Whether a record of a kind can be made, and the core takes it."""
        try:
            make()
            getattr(self._core, name)
        except (ImportError, AttributeError, TypeError, ValueError) as error:
            found.lack(capability, why=error)
            return False
        return True

    def _media_builder(self) -> Callable[..., Any] | None:
        """SwanLab's builder of media records, which puts their files in place; None: media go through `run.log`."""
        try:
            self._core.upsert_media  # noqa: B018  (whether it is there)
            try:
                from swanlab.sdk.internal.run.components.consumer.builder import RecordBuilder
            except ImportError:  # SwanLab before 0.10
                from swanlab.sdk.internal.run.components.builder import RecordBuilder
            builder = RecordBuilder(self._session.context)
            with suppress(AttributeError):  # SwanLab 0.10 tries with a file of its own, for each item, if it may write
                builder._resolve_media_dir = cache(builder._resolve_media_dir)
            return builder.build_scalar_or_media  # type: ignore[no-any-return]
        except (ImportError, AttributeError, TypeError) as error:
            found.lack(capabilities.POINT_TIMES, why=error)
            return None

    def _note_store_errors(self) -> None:
        store = getattr(self._core, "_store", None)
        names = [name for name in ("write", "close", "ensure_flushed") if hasattr(store, name)]
        if not {"write", "close"} <= {*names}:
            found.lack(capabilities.STORE_ERRORS, why="SwanLab's core has no store that can be watched")
        for name in names:
            setattr(store, name, self._noting(getattr(store, name)))

    def _noting(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*args: Any) -> Any:
            try:
                return original(*args)
            except OSError as error:
                self.failure = store_failure(error)
                raise

        return noted

    def scalar(self, key: str, step: int, timestamp: float, number: float) -> None:
        if timestamp <= 0 or timestamp != self._stamp[0]:  # the points of a row share their time
            self._stamp = (timestamp, timestamp_of(timestamp))
        self._scalars.append(
            self._scalar_record(
                key=key,
                step=step,
                timestamp=self._stamp[1],
                type=self._scalar_type,
                value=self._scalar_value(number=number),
            )
        )
        if len(self._scalars) >= BATCH:
            self.flush()

    def media(self, key: str, step: int, timestamp: float, items: list[Any]) -> int:
        if self._build_media is None:
            return self._public.media(key, step, timestamp, items)
        for item in items:
            place_quickly(item)
        record, _ = self._build_media(items, key, timestamp_of(timestamp), step)
        if record is None:
            raise ValueError("SwanLab takes none of its items")
        self._media.append(record)
        if len(self._media) >= 100:
            self.flush()
        return len(record.value.items)

    def column(self, key: str, x_axis: str, *, hidden: bool) -> None:
        if self._has_axes:
            self._core.upsert_columns([self._new_column(key, x_axis=x_axis, hidden=hidden)])
        else:
            self._public.column(key, x_axis, hidden=hidden)

    def _new_column(self, key: str, *, x_axis: str = "", hidden: bool = False) -> Any:
        """A scalar column in the section that SwanLab would put it in (`build_auto_column`, SwanLab 0.10)."""
        parts = key.split("/")
        rule = 0
        with suppress(AttributeError, TypeError, ValueError):
            rule = int(self._session.context.config.settings.core.section_rule or 0)
        section = "/".join(parts[: rule % (len(parts) - 1) + 1]) if len(parts) > 1 else ""
        column = self._columns.ColumnRecord(
            column_class=self._columns.ColumnClass.COLUMN_CLASS_CUSTOM,
            column_key=key,
            column_type=self._scalar_type,
            section_name=section,
            section_type=self._columns.SectionType.SECTION_TYPE_PUBLIC,
        )
        if x_axis:
            column.x_axis = x_axis
        if hidden:
            column.hidden = True
        return column

    def console(self, line: str, timestamp: float, *, error: bool) -> bool:
        if self.skip_lines > 0:
            self.skip_lines -= 1
            return True
        if not self._has_lines:
            return self._public.console(line, timestamp, error=error)
        self._lines.append(_new_line(line, timestamp, error=error))
        if len(self._lines) >= BATCH:
            self.flush()
        return True

    def flush(self) -> None:
        scalars, self._scalars = self._scalars, []
        media, self._media = self._media, []
        lines, self._lines = self._lines, []
        if scalars:
            self._core.upsert_scalars(scalars)
            self._show("on_scalar_flush", scalars)
        if media:
            self._core.upsert_media(media)
            self._show("on_media_flush", media)
        if lines:
            self._core.upsert_logs(lines)
            self._show("on_log_flush", lines)
        put_down = getattr(getattr(self._core, "_store", None), "ensure_flushed", None)
        if put_down is not None:  # SwanLab leaves it in its file's buffer until the run ends: nobody could look at it
            with self._lock, suppress(OSError, AssertionError):  # AssertionError: it is closed already
                put_down()
        if self.failure is not None:
            raise WandbSwanError(self.failure)

    def _show(self, name: str, records: list[Any]) -> None:
        """Tells the local dashboard."""
        show = getattr(self._session.callbacks, name, None)
        if show is not None:
            show(records)


def store_failure(error: OSError) -> str:
    """Why SwanLab's store of a run is not whole."""
    return f"SwanLab's store of the run cannot be written: {error.strerror or error}"


def _new_line(line: str, timestamp: float, *, error: bool) -> Any:
    """A console line as SwanLab's record. Raises ImportError, AttributeError or TypeError where it has another form."""
    from swanlab.proto.swanlab.terminal.v1.log_pb2 import LogLevel, LogRecord

    level = LogLevel.LOG_LEVEL_ERROR if error else LogLevel.LOG_LEVEL_INFO
    return LogRecord(line=line, level=level, timestamp=timestamp_of(timestamp))
