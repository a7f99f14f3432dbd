"""What a serialised record is, seen in its bytes without parsing it: protobuf's wire format.

Source: protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

_BESIDE = frozenset({1, 16, 19, 200})
"""Field numbers of `wandb_internal.Record` that are not its content: num, control, uuid, _info."""


def record_field(payload: bytes) -> int:
    """The field number of a Record's content, one unknown to the installed wandb too; 0 if there is none."""
    at = content_at(payload)
    tag = payload[at : at + 1]
    if at and b"\0" < tag < b"\x80" and tag[0] >> 3 not in _BESIDE:
        return tag[0] >> 3
    return first_field(payload, _BESIDE)


def content_at(payload: bytes) -> int:
    """Where the content of a Record begins that begins with its number, as wandb's core writes them; 0 of others."""
    if payload[:1] != b"\x08":
        return 0
    at = 1
    while payload[at : at + 1] >= b"\x80":
        at += 1
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
