"""SwanLab's store of a run on disk, record by record."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ...exceptions import WandbSwanError
from ...stream.state import State
from . import capabilities
from .capabilities import found


def can_be_read() -> bool:
    """Whether this SwanLab lets its store be read."""
    try:
        from swanlab.proto.swanlab.metric.column.v1.column_pb2 import ColumnType  # noqa: F401
        from swanlab.proto.swanlab.record.v1.record_pb2 import Record  # noqa: F401
        from swanlab.proto.swanlab.run.v1.run_pb2 import RunState  # noqa: F401
        from swanlab.sdk.internal.core_python.store import DataStoreReader  # noqa: F401
    except ImportError as error:
        found.lack(capabilities.READ_BACK, why=error)
    return found.has(capabilities.READ_BACK)


def records(run_dir: Path) -> Iterator[Any]:
    """Every record of a run folder's store (SwanLab's `record.v1.Record`). Raises as `payloads`."""
    for _, record in payloads(run_dir):
        yield record


def payloads(run_dir: Path) -> Iterator[tuple[bytes, Any]]:
    """Every record of a run folder's store, as its bytes and as SwanLab's message.

    Raises:
        WandbSwanError: there is none, or one that cannot be read, by this SwanLab or at all.
    """
    for payload in raw_payloads(run_dir):
        yield payload, parsed(payload, run_dir)


def raw_payloads(run_dir: Path) -> Iterator[bytes]:
    """Every record of a run folder's store as its bytes. Raises as `payloads`."""
    with _opened(store_file(run_dir)) as reader:
        yield from reader


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    from swanlab.sdk.internal.core_python.store import DataStoreReader

    reader = DataStoreReader()
    try:
        reader.open(str(file))
        yield reader
    except Exception as error:  # SwanLab's DataStoreError, a disk that fails
        raise WandbSwanError(f"{file} cannot be read: {error}") from error
    finally:
        with suppress(AssertionError):  # it could not be opened
            reader.close()


def store_file(run_dir: Path) -> Path:
    """The store of a run folder. Raises WandbSwanError: there is none, or this SwanLab's cannot be read."""
    file = next(iter(sorted(run_dir.glob("run-*.swanlab"))), None)
    if file is None:
        raise WandbSwanError(f"{run_dir} is no SwanLab run folder: it holds no run-*.swanlab file")
    if not can_be_read():
        raise WandbSwanError(f"{file} cannot be read: {capabilities.loss(capabilities.READ_BACK)}")
    return file


def readable_file(run_dir: Path) -> Path:
    """The store of a run folder, of a format that this SwanLab says it reads. Raises as `payloads`."""
    file = store_file(run_dir)
    with _opened(file):
        return file


def parsed(payload: bytes, file: Path | str = "a record") -> Any:
    """SwanLab's message of a record's bytes. Raises WandbSwanError, which names the `file`, where they are none."""
    from swanlab.proto.swanlab.record.v1.record_pb2 import Record

    try:
        return Record.FromString(payload)
    except Exception as error:  # protobuf's DecodeError
        raise WandbSwanError(f"{file} cannot be read: {error}") from error


def kind_of(column_type: int) -> str:
    """The name of a column's type: scalar, text, image, ..."""
    from swanlab.proto.swanlab.metric.column.v1.column_pb2 import ColumnType

    return str(ColumnType.Name(column_type)).removeprefix("COLUMN_TYPE_").lower()


def is_error(line: Any) -> bool:
    """Whether a line of the console (`LogRecord`) went to stderr."""
    from swanlab.proto.swanlab.terminal.v1.log_pb2 import LogLevel

    return bool(line.level == LogLevel.LOG_LEVEL_ERROR)


def state_on_disk(state: State) -> str:
    """What the store calls the state that a run was finished with."""
    return "finished" if state == "success" else state


def state_name(state: int) -> str:
    """The name of a run's final state: finished, crashed, aborted."""
    from swanlab.proto.swanlab.run.v1.run_pb2 import RunState

    return str(RunState.Name(state)).removeprefix("RUN_STATE_").lower()
