"""The numbers of wandb's rows, read by protobuf into messages with the few fields they need.

protobuf makes a Python object of each message and each list that one asks it for. What these messages leave out, they
keep no place for: a record that is more than they say has other bytes when it is written again, and is read whole.
"""

from __future__ import annotations

from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

_TYPES: Final = {
    "string": descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
    "int64": descriptor_pb2.FieldDescriptorProto.TYPE_INT64,
}
_MESSAGES: Final[dict[str, list[tuple[str, int, str]]]] = {
    "Item": [("key", 1, "string"), ("nested_key", 2, "string"), ("value_json", 16, "string")],
    "Step": [("num", 1, "int64")],
    "History": [("item", 1, "[Item]"), ("step", 2, "Step")],
    "Summary": [("update", 1, "[Item]"), ("remove", 2, "[Item]")],
    "NestedItem": [("key", 1, "string"), ("nested_key", 2, "[string]"), ("value_json", 16, "string")],
    "NestedSummary": [("update", 1, "[NestedItem]")],
    "NestedChanges": [("num", 1, "int64"), ("summary", 3, "NestedSummary")],
    "Row": [("num", 1, "int64"), ("history", 2, "History")],
    "Changes": [("num", 1, "int64"), ("summary", 3, "Summary")],
}
"""Of `wandb_internal.proto` a Record with a history or a summary.

One part of a nested key is kept, the last: a row with more is another when it is written again.
"""


def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="wandb_swan/numbers.proto", package="numbers", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind in fields:
            made = message.field.add(name=field, number=number)
            made.label = made.LABEL_REPEATED if kind.startswith("[") else made.LABEL_OPTIONAL
            made.type = _TYPES.get(kind.strip("[]"), made.TYPE_MESSAGE)
            if made.type == made.TYPE_MESSAGE:
                made.type_name = f".numbers.{kind.strip('[]')}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"numbers.{name}")) for name in _MESSAGES}


_MADE: Final = _classes()
_ROW, _CHANGES, _NESTED_CHANGES = (_MADE[name] for name in ("Row", "Changes", "NestedChanges"))


def texts_of(payload: bytes) -> tuple[dict[str, str], int | None] | None:
    """The JSON of a history record's values by key, and its step; None: it has to be read whole."""
    try:
        row = _ROW.FromString(payload)
    except DecodeError:
        return None
    body = row.history
    items = body.item
    texts = {item.nested_key or item.key: item.value_json for item in items}
    if len(texts) != len(items) or row.ByteSize() != len(payload):
        return None
    return texts, body.step.num if body.HasField("step") else None


def changes_of(payload: bytes) -> dict[str, str] | dict[tuple[str, ...], str] | None:
    """The JSON of what a summary record sets, by key, or by path if one is nested; None: it has to be read whole."""
    try:
        changes = _CHANGES.FromString(payload)
        items = changes.summary.update
        texts: Any = {item.nested_key or item.key: item.value_json for item in items}
        if len(changes.summary.remove) or len(texts) != len(items):
            return None
        if changes.ByteSize() != len(payload):
            items = _NESTED_CHANGES.FromString(payload).summary.update
            texts = {tuple(item.nested_key) or (item.key,): item.value_json for item in items}
    except DecodeError:
        return None
    return texts if len(texts) == len(items) else None
