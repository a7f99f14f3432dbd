"""What a serialised record is, seen in its bytes without parsing it: protobuf's wire format.

Source: protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

_STEP = 12
"""Bytes of a row's step, at most."""
_BESIDE = frozenset({1, 16, 19, 200})
"""Field numbers of `wandb_internal.Record` that are not its content: num, control, uuid, _info."""


def record_field(payload: bytes) -> int:
    """The field number of a Record's content, one unknown to the installed wandb too; 0 if there is none."""
    at = content_at(payload)
    if 0 < at < len(payload) and 0 < payload[at] < 0x80 and payload[at] >> 3 not in _BESIDE:
        return payload[at] >> 3
    return first_field(payload, _BESIDE)


def content_at(payload: bytes) -> int:
    """Where the content of a Record begins that begins with its number, as wandb's core writes them; 0 of others."""
    return _behind_varint(payload, 1) if payload[:1] == b"\x08" else 0


def same_items(one: bytes, other: bytes) -> bool:
    """Whether two Records whose contents are items, as a row or a summary's change, have the same in whatever order.

    Behind the items of the second one its step may be, as of a row.
    """
    begin = _behind_varint(one, content_at(one) + 1)
    there = _behind_varint(other, content_at(other) + 1)
    end = there + len(one) - begin
    return 0 <= len(other) - end <= _STEP and {*one[begin:].split(b"\n")} == {*other[there:end].split(b"\n")}


def _behind_varint(data: bytes, at: int) -> int:
    try:
        while data[at] >= 0x80:
            at += 1
    except IndexError:
        pass
    return at + 1


def first_field(data: bytes, beside: frozenset[int] = frozenset()) -> int:
    """The number of the first field of a message that is not one of those `beside`; 0 if there is none."""
    at = 0
    try:
        while at < len(data):
            key, at = _varint(data, at)
            number, wire = key >> 3, key & 7
            if number not in beside:
                return number
            if wire == 0:
                _, at = _varint(data, at)
            elif wire == 2:
                length, at = _varint(data, at)
                at += length
            else:
                return 0
    except IndexError:
        pass
    return 0


def _varint(data: bytes, at: int) -> tuple[int, int]:
    byte = data[at]
    if byte < 0x80:
        return byte, at + 1
    value, shift = byte & 0x7F, 7
    while True:
        at += 1
        byte = data[at]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at + 1
        shift += 7
