"""How values reach a SwanLab run: its core in batches where the installed SwanLab has that, else `run.log`.

SwanLab's batch interface is not public. It is found by looking at what is there, not by version; `run.log` is the
fallback and keeps every value, but not the original times.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, Protocol

from google.protobuf.timestamp_pb2 import Timestamp

from ...exceptions import WandbSwanError

log = logging.getLogger("wandb_swan")

BATCH = 10_000


class Writer(Protocol):
    """Takes values in any order; `timestamp` is seconds since the epoch, 0.0 means now."""

    takes_lines: bool
    """Whether console lines have a place."""

    def scalar(self, key: str, step: int, timestamp: float, number: float) -> None: ...

    def media(self, key: str, step: int, timestamp: float, items: list[Any]) -> int:
        """Returns how many of the items SwanLab takes."""

    def column(self, key: str, x_axis: str, *, hidden: bool) -> None:
        """Declares a scalar metric before its first value, with its chart axis."""

    def console(self, line: str, timestamp: float, *, error: bool) -> None: ...

    def flush(self) -> None: ...


def writer_for(run: Any, *, public_only: bool = False, bulk: bool = False) -> Writer:
    """The best writer for this run: CoreWriter where SwanLab has what it needs, else LogWriter.

    With `bulk`, BulkWriter before them: for an offline run that is written once and that nobody follows.
    """
    if bulk:
        from .bulk import BulkWriter

        try:
            return BulkWriter(run)
        except (ImportError, AttributeError, TypeError, ValueError) as error:
            log.warning("this SwanLab's store has another form (%s): points are written one by one", error)
    if not public_only:
        try:
            return CoreWriter(run)
        except (ImportError, AttributeError, TypeError) as error:
            log.warning("this SwanLab takes no batches (%s): values go through run.log, without their own times", error)
    return LogWriter(run)


def _timestamp(seconds: float) -> Timestamp:
    stamp = Timestamp()
    if seconds > 0:
        whole = int(seconds)
        stamp.seconds, stamp.nanos = whole, min(999_999_999, round((seconds - whole) * 1e9))
    else:
        stamp.GetCurrentTime()
    return stamp


class CoreWriter:
    """Hands batches to SwanLab's core (`sdk/protocol/core.py`, SwanLab 0.10)."""

    takes_lines = True

    def __init__(self, run: Any) -> None:
        """Raises ImportError, AttributeError or TypeError where the installed SwanLab is another."""
        from swanlab.proto.swanlab.metric.column.v1.column_pb2 import ColumnType
        from swanlab.proto.swanlab.metric.data.v1.data_pb2 import ScalarRecord, ScalarValue
        from swanlab.proto.swanlab.terminal.v1.log_pb2 import LogLevel, LogRecord
        from swanlab.sdk.internal.core_python.pkg.builder import build_auto_column
        from swanlab.sdk.internal.run.components.consumer.builder import RecordBuilder

        context = run._ctx
        self._core = context.core
        self._callbacks = context.callbacker
        self._records = RecordBuilder(context)
        self._context = context
        self._build_column: Callable[..., Any] = build_auto_column
        self._scalar_record: Any = ScalarRecord
        self._scalar_value: Any = ScalarValue
        self._log_record: Any = LogRecord
        self._levels = {False: LogLevel.LOG_LEVEL_INFO, True: LogLevel.LOG_LEVEL_ERROR}
        self._scalar_type = ColumnType.COLUMN_TYPE_SCALAR
        ScalarRecord(key="k", step=0, timestamp=_timestamp(1.5), type=self._scalar_type, value=ScalarValue(number=1.0))
        LogRecord(line="", level=self._levels[False], timestamp=_timestamp(0))
        for name in ("upsert_scalars", "upsert_columns", "upsert_media", "upsert_logs", "upsert_saves"):
            self._serialise(name)
        self._scalars: list[Any] = []
        self._media: list[Any] = []
        self._lines: list[Any] = []
        self._stamp = (0.0, _timestamp(0))
        self.failure: str | None = None
        """Why SwanLab's store of the run is not whole; SwanLab itself only prints it (`safe.block`)."""
        store = getattr(self._core, "_store", None)
        for name in ("write", "close"):
            if hasattr(store, name):
                setattr(store, name, self._noting(getattr(store, name)))
        self.skip_lines = 0
        """Console lines that the run has from an earlier try: unlike points, SwanLab would append them again."""

    def _serialise(self, name: str) -> None:
        """One lock around the core: its monitor and its consumer write from threads of their own, and it has none."""
        original = getattr(self._core, name)
        lock = self._core.__dict__.setdefault("_wandb_swan_lock", threading.RLock())

        def locked(records: Any) -> Any:
            with lock:
                return original(records)

        setattr(self._core, name, locked)

    def _noting(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*args: Any) -> Any:
            try:
                return original(*args)
            except OSError as error:
                self.failure = f"SwanLab's store of the run can not be written: {error.strerror or error}"
                raise

        return noted

    def scalar(self, key: str, step: int, timestamp: float, number: float) -> None:
        if timestamp <= 0 or timestamp != self._stamp[0]:  # the points of a row share their time
            self._stamp = (timestamp, _timestamp(timestamp))
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
        record, _ = self._records.build_scalar_or_media(items, key, _timestamp(timestamp), step)
        if record is None:
            raise ValueError("SwanLab takes none of its items")
        self._media.append(record)
        if len(self._media) >= 100:
            self.flush()
        return len(record.value.items)

    def column(self, key: str, x_axis: str, *, hidden: bool) -> None:
        probe = self._scalar_record(key=key, type=self._scalar_type)
        column = self._build_column(self._core._ctx, probe)
        if x_axis:
            column.x_axis = x_axis
        column.hidden = hidden
        self._core.upsert_columns([column])

    def console(self, line: str, timestamp: float, *, error: bool) -> None:
        if self.skip_lines > 0:
            self.skip_lines -= 1
            return
        self._lines.append(self._log_record(line=line, level=self._levels[error], timestamp=_timestamp(timestamp)))
        if len(self._lines) >= BATCH:
            self.flush()

    def flush(self) -> None:
        scalars, self._scalars = self._scalars, []
        media, self._media = self._media, []
        lines, self._lines = self._lines, []
        if scalars:
            self._core.upsert_scalars(scalars)
            self._callbacks.on_scalar_flush(scalars)
        if media:
            self._core.upsert_media(media)
            self._callbacks.on_media_flush(media)
        if lines:
            self._core.upsert_logs(lines)
            self._callbacks.on_log_flush(lines)
        if self.failure is not None:
            raise WandbSwanError(self.failure)


class LogWriter:
    """The public `run.log`: every value, at the time it is written. Console lines and chart axes have no public way."""

    takes_lines = False

    def __init__(self, run: Any) -> None:
        self._run = run

    def scalar(self, key: str, step: int, timestamp: float, number: float) -> None:
        self._run.log({key: number}, step=step)

    def media(self, key: str, step: int, timestamp: float, items: list[Any]) -> int:
        self._run.log({key: items}, step=step)
        return len(items)

    def column(self, key: str, x_axis: str, *, hidden: bool) -> None:
        # Without x_axis: SwanLab drops every point whose X equals the one before it (`try_accept_x_value`).
        self._run.define_metric(key, hidden=hidden)

    def console(self, line: str, timestamp: float, *, error: bool) -> None:
        pass

    def flush(self) -> None:
        pass
