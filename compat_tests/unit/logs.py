"""Makes transaction logs of a run, in wandb's own format, record by record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from wandb.proto import wandb_internal_pb2 as pb

from wandb_swan.journal.writer import JournalWriter
from wandb_swan.stream.events import Event, HistoryRows


def record(fill: Callable[[pb.Record], object]) -> bytes:
    made = pb.Record()
    fill(made)
    return made.SerializeToString()


def begin(at: int, *, resumed: bool = False, step: int = 0) -> bytes:
    def fill(made: pb.Record) -> None:
        made.run.run_id, made.run.project, made.run.resumed, made.run.starting_step = "r1", "p", resumed, step
        made.run.start_time.seconds = at

    return record(fill)


def row(step: int, text: str) -> bytes:
    def fill(made: pb.Record) -> None:
        made.history.step.num = step
        made.history.item.add(key="a", value_json=text)

    return record(fill)


def summary(*, remove: str = "", **update: str) -> bytes:
    def fill(made: pb.Record) -> None:
        for key, text in update.items():
            made.summary.update.add(key=key, value_json=text)
        if remove:
            made.summary.remove.add(key=remove)

    return record(fill)


def log(folder: Path, *payloads: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    writer = JournalWriter(folder / "run-r1.wandb")
    for payload in payloads:
        writer.append(payload)
    writer.close()
    return writer.path


END = record(lambda made: setattr(made.exit, "exit_code", 0))


def singly(events: Iterable[Event | None]) -> Iterator[Event | None]:
    """The same events, each row by itself."""
    for event in events:
        if isinstance(event, HistoryRows):
            yield from event.single()
        else:
            yield event
