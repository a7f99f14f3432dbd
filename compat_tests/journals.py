"""Journals and records made of given bytes, and what is read of them: for tests and for the fuzzer."""

from __future__ import annotations

import tempfile
from pathlib import Path

from wandb.proto import wandb_internal_pb2 as pb

from wandb_swan.journal.framing import FILE_HEADER, frame
from wandb_swan.journal.reader import LogReader
from wandb_swan.stream.events import Event
from wandb_swan.stream.records import Decoder


def written(records: list[bytes]) -> bytes:
    data = FILE_HEADER
    for record in records:
        data += frame(record, len(data))
    return data


def read(data: bytes) -> tuple[list[bytes], str | None]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.journal"
        path.write_bytes(data)
        with LogReader(path) as reader:
            return list(reader), reader.torn()


def fed(payloads: list[bytes]) -> list[Event]:
    """What the decoder makes of the payloads, in a run that has begun."""
    decoder = Decoder()
    begun = pb.Record()
    begun.run.run_id = "r"
    found = [event for payload in (begun.SerializeToString(), *payloads) for event in decoder.feed(payload)]
    return [*found, *decoder.finish()]


def valued(kind: int, items: list[tuple[list[str], str]]) -> bytes:
    """A record with values under nested keys."""
    record = pb.Record()
    message = [record.history, record.request.partial_history, record.summary, record.config, record.stats][kind % 5]
    rows = message.update if kind % 5 in (2, 3) else message.item
    for keys, value in items:
        item = rows.add(value_json=value)
        if hasattr(item, "nested_key"):
            item.nested_key.extend(keys)
        else:
            item.key = "".join(keys)
    return record.SerializeToString()
