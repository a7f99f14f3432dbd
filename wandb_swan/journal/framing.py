"""The framing of a journal: LevelDB's log format as wandb writes it, so that one reader serves both logs.

A `:W&B` header, then blocks of 32 KiB that hold chunks with a CRC32 each: our journals and wandb's own
`run-<id>.wandb` files.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

FILE_HEADER: Final = struct.pack("<4sHB", b":W&B", 0xBEE1, 0)
BLOCK: Final = 32768
CHUNK_HEADER: Final = struct.Struct("<IHB")  # crc32, length, type
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4
CRC_OF_TYPE: Final = tuple(zlib.crc32(bytes([kind])) for kind in range(LAST + 1))


def _chunk(data: bytes, kind: int) -> bytes:
    return CHUNK_HEADER.pack(zlib.crc32(data, CRC_OF_TYPE[kind]), len(data), kind) + data


def frame(payload: bytes, offset: int) -> bytes:
    """The bytes that append `payload` to a log whose length is `offset` bytes."""
    room = BLOCK - offset % BLOCK
    head = b""
    if room < CHUNK_HEADER.size:  # too small for a chunk header: zeros to the end of the block
        head, room = bytes(room), BLOCK
    room -= CHUNK_HEADER.size
    if len(payload) <= room:
        return head + _chunk(payload, FULL)
    parts = [head, _chunk(payload[:room], FIRST)]
    rest = payload[room:]
    room = BLOCK - CHUNK_HEADER.size
    while len(rest) > room:
        parts.append(_chunk(rest[:room], MIDDLE))
        rest = rest[room:]
    parts.append(_chunk(rest, LAST))
    return b"".join(parts)
