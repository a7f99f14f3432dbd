"""What SwanLab does not get, or not as it was: counted by key and reason, and said in the log."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

from ..stream.events import Path
from . import limits

log = logging.getLogger("wandb_swan")

_IN_DETAIL = 10
"""How many losses of one key and reason the log tells one by one."""


class Losses:
    """The losses of one run."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        """(key, reason) -> how many values."""

    def add(self, path: Path, reason: str, detail: str = "", *, count: int = 1) -> None:
        """Counts a loss. `reason` is the same sentence for every value of its sort; `detail` is this value's own."""
        key = limits.clean_text(".".join(path))
        before = self.counts[key, reason]
        self.counts[key, reason] += count
        if before < _IN_DETAIL:
            log.warning("%s: %s%s", key, reason, f" ({limits.clean_text(detail)})" if detail else "")

    def listed(self, *more: Counter[tuple[str, str]]) -> list[dict[str, Any]]:
        """Key, reason and count of every loss, and of those in `more`; JSON values."""
        every = self.counts.copy()
        for counts in more:
            every.update(counts)
        return [{"key": key, "reason": reason, "count": count} for (key, reason), count in sorted(every.items())]
