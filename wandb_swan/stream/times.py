"""Times as W&B's server, and wandb before 0.10, write them."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any


def seconds(moment: Any) -> float:
    """An ISO time of W&B (UTC where it says no zone) in seconds since the epoch; 0.0 if there is none."""
    if not isinstance(moment, str) or not moment:
        return 0.0
    try:
        parsed = datetime.fromisoformat(moment.replace("Z", "+00:00"))
    except ValueError:
        return 0.0
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=timezone.utc)).timestamp()
