"""Where wandb keeps the files of artifacts on this machine."""

from __future__ import annotations

import base64
from pathlib import Path


def cached(digest: str) -> Path | None:
    """Where wandb's core moves a staged file when it is uploaded: by its MD5 (base64). None if `digest` is no MD5."""
    from wandb.env import get_cache_dir

    try:
        name = base64.b64decode(digest, validate=True).hex()
    except ValueError:
        return None
    return Path(get_cache_dir()) / "artifacts" / "obj" / "md5" / name[:2] / name[2:] if len(name) == 32 else None
