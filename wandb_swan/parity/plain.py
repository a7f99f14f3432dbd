"""A plain reading of what wandb wrote down: records and rows become key, step and value, as they stand there.

Nothing of `stream`, `sources` or `swan` decodes here, so that what they misunderstand, or do not know, becomes a
difference. The tests' oracle is this reading too. It interprets nothing: no step rule, no limits of SwanLab's.
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

from google.protobuf.message import DecodeError
from wandb.proto import wandb_internal_pb2 as pb

from ..exceptions import WandbSwanError
from ..stream.nested import Path, Tree

BLOCK = 32_768
_HEADER = struct.Struct("<IHB")
_FULL, _LAST = 1, 4
_CRC_OF_TYPE = tuple(zlib.crc32(bytes((kind,))) for kind in range(256))
OF_WANDB = frozenset({"_step", "_runtime", "_timestamp", "_wandb"})
"""Keys that wandb adds to rows and to the summary."""


def payloads(log: FilePath) -> Iterator[bytes]:
    """Every whole record of a transaction log (LevelDB's framing), up to its end or to where it is torn.

    Raises:
        WandbSwanError: it is none.
        OSError: it cannot be read.
    """
    parts: list[bytes] = []
    with log.open("rb") as file:
        block = file.read(BLOCK)
        if block[:4] != b":W&B":
            raise WandbSwanError(f"{log} is not a wandb transaction log")
        at = 7
        while block:
            while at + _HEADER.size <= len(block):
                checksum, length, kind = _HEADER.unpack_from(block, at)
                chunk = block[at + _HEADER.size : at + _HEADER.size + length]
                if len(chunk) < length or zlib.crc32(chunk, _CRC_OF_TYPE[kind]) != checksum:
                    return
                at += _HEADER.size + length
                parts.append(chunk)
                if kind in (_FULL, _LAST):
                    yield parts[0] if len(parts) == 1 else b"".join(parts)
                    parts = []
            block, at = file.read(BLOCK), 0


def parsed(payload: bytes) -> Any:
    """A record as wandb's protobuf message. Raises ValueError where it is none."""
    try:
        return pb.Record.FromString(payload)
    except DecodeError as error:
        raise ValueError("DecodeError") from error


def same_items(change: bytes, row: bytes) -> bool:
    """Whether a record of the summary has the items of a row, in another order; nothing is behind them but its step."""
    begin, other = _items_at(change), _items_at(row)
    end = other + len(change) - begin
    if len(row) > end and (row[end] != 0x12 or len(row) - end > 12):
        return False
    items, others = change[begin:].split(b"\n"), row[other:end].split(b"\n")
    return len(items) == len(others) and frozenset(items) == frozenset(others)


def _items_at(payload: bytes) -> int:
    """Behind the record's number, where it has one, and the tag and the length of its content."""
    at = 0
    try:
        for _ in range(4 if payload[0] == 8 else 2):
            while payload[at] >= 0x80:
                at += 1
            at += 1
    except IndexError:  # it is cut
        pass
    return at


def value_of(item: Any) -> Any:
    """The value of a record's item: JSON, or typed (from wandb 0.31, `x_history_value_encoding`). Raises ValueError."""
    if item.value_json:
        return json.loads(item.value_json)
    form = item.WhichOneof("value") if "value" in item.DESCRIPTOR.oneofs_by_name else None
    if form is None:
        raise ValueError("no value")
    return None if form == "none" else json.loads(item.json) if form == "json" else getattr(item, form)


def put(tree: Tree, path: list[str] | Path, value: Any) -> None:
    """Sets a value whole, in place of what is there."""
    *above, last = path
    for key in above:
        if not isinstance(tree.get(key), dict):
            tree[key] = {}
        tree = tree[key]
    tree[last] = value


def leaves(tree: Tree) -> Iterator[tuple[Path, Any]]:
    """Every leaf of a nested dict with its path, however deep; a dict with a `_type` (media) is a leaf."""
    open_: list[tuple[Path, Iterator[tuple[str, Any]]]] = [((), iter(tree.items()))]
    while open_:
        above, items = open_[-1]
        for key, value in items:
            if isinstance(value, dict) and "_type" not in value:
                open_.append(((*above, key), iter(value.items())))
                break
            yield (*above, key), value
        else:
            open_.pop()


def number(value: Any) -> float | None:
    """A number, True as 1.0, an int beyond the largest double as an infinity; None for what is no number."""
    if not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def seconds(time: Any) -> float:
    """A protobuf timestamp as seconds since the epoch."""
    return float(time.seconds + time.nanos / 1e9)


_LISTS = {
    "images/separated": ("filenames", "image-file"),
    "audio": ("audio", "audio-file"),
    "videos": ("videos", "video-file"),
    "html": ("html", "html-file"),
    "object3D": ("objects", "object3D-file"),
    "molecule": ("filenames", "molecule-file"),
}
"""`_type` of a list of media -> the field with its items, `_type` of one (`seq_to_json` of wandb's data types)."""


def media_items(value: Any, key: str = "", step: int = 0) -> list[Tree]:
    """The single items of a row's value that holds media; none if it holds no media."""
    if isinstance(value, list):
        parts = [part for part in value if isinstance(part, dict) and "_type" in part]
        return [item for part in parts for item in media_items(part, key, step)]
    if not isinstance(value, dict) or "_type" not in value:
        return []
    kind = value["_type"]
    if kind == "images":  # before 0.10: one file, the pictures side by side
        words = " | ".join(str(word) for word in value.get("captions") or [] if word)
        path = f"media/images/{key}_{step}.{value.get('format') or 'png'}"
        return [{"_type": "image-file", "path": path, "caption": words}]
    field, single = _LISTS.get(kind, ("", "")) if isinstance(kind, str) else ("", "")
    listed = value.get(field)
    if not isinstance(listed, list):
        count = value.get("count")
        if not single or not isinstance(count, int):
            return [{**value, "_type": single or kind}]
        if kind != "images/separated":
            return [{**value, "_type": single}] * count
        suffix = value.get("format", "png")  # without names: wandb up to 0.12.10
        listed = [f"media/images/{key}_{step}_{at}.{suffix}" for at in range(count)]
    found = []
    for at, part in enumerate(listed):
        item = {**part, "_type": single} if isinstance(part, dict) else {"path": part, "_type": single}
        for name, of_all in (("caption", "captions"), ("boxes", "all_boxes"), ("masks", "all_masks")):
            every = value.get(of_all)
            if isinstance(every, list) and at < len(every) and every[at]:
                item[name] = every[at]
        found.append(item)
    return found
