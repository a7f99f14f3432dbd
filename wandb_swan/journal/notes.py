"""Our own notes in a journal: JSON objects between wandb's records.

Their first byte, `{`, cannot begin a wandb record: it would be field 15, a group, which protobuf 3 does not write.
"""

from __future__ import annotations

import json
from typing import Any


def encode_note(fields: dict[str, Any]) -> bytes:
    """The payload of a note."""
    return json.dumps(fields, ensure_ascii=False, default=str).encode("utf-8", "replace")


def parse_note(payload: bytes) -> dict[str, Any] | None:
    """The note that `payload` is, or None if it is a wandb record (or not readable)."""
    if not payload.startswith(b"{"):
        return None
    try:
        note = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    return note if isinstance(note, dict) else None
