"""SwanLab media objects around bytes that need no conversion."""

from __future__ import annotations

import io
from typing import Any


def ready(kind: Any, content: bytes, *, caption: str | None, **attributes: Any) -> Any:
    """A SwanLab media object of the class `kind` that holds `content` as it is.

    SwanLab's constructors decode and encode again: JPEG to PNG, 16-bit sound through floats, which is slow, needs
    Pillow or soundfile, and changes samples. So they are passed by (SwanLab 0.10: `transforms/*`, `_unwrap` names the
    attributes). Where another SwanLab has other attributes, it refuses the object as it is written: it is counted then.
    """
    media = kind.__new__(kind)
    for name, value in {"buffer": io.BytesIO(content), "caption": caption, **attributes}.items():
        setattr(media, name, value)
    return media
