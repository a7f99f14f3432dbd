"""Whether a conversion may replace an earlier one: not if it holds less."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path as FilePath

from ..exceptions import WandbSwanError
from ..parity.stored import StoredRun

NAMED = 3
"""So many of the things that would be lost are named."""


class Poorer(WandbSwanError):
    """A conversion holds less than the one that it is to replace."""


def check(old: FilePath, new: FilePath) -> None:
    """Reads both SwanLab run folders.

    Raises:
        Poorer: the new one lacks something that the old one has, or the old one cannot be read.
        WandbSwanError: the new one cannot be read.
    """
    fresh = StoredRun(new)
    try:
        former = StoredRun(old)
    except WandbSwanError as error:
        raise Poorer(_refusal(f"what it holds is unknown ({error})", old)) from error
    missing = _missing(former, fresh)
    named = list(islice(missing, NAMED))
    if named:
        more = sum(1 for _ in missing)
        raise Poorer(_refusal("; ".join([*named, f"and {more} more"] if more else named), old))


def _refusal(lost: str, old: FilePath) -> str:
    return (
        f"{old.name} stays, since what came now lacks some of it ({lost}); to replace it all the same, "
        "type the same command with --force"
    )


def _missing(old: StoredRun, new: StoredRun) -> Iterator[str]:
    """What the old run has and the new one has not, one phrase each."""
    before, now = _points(old), _points(new)
    for key, steps in before.items():
        gone = len(steps - now.get(key, set()))
        if gone:
            yield f"{gone:,} of {len(steps):,} points of {key}"
    lines = len(old.lines)
    if len(new.lines) < lines:
        yield f"{lines - len(new.lines):,} of {lines:,} console lines"
    for name in sorted(old.saved - new.saved):
        yield f"file {name}"
    for key in old.config.keys() - new.config.keys():
        yield f"config {key}"


def _points(run: StoredRun) -> dict[str, set[tuple[int, int]]]:
    """Key -> (step, item) of every scalar, text and medium whose file is there."""
    found = {key: {(step, 0) for step in series.steps} for key, series in run.scalars.items()}
    for key, steps in run.media.items():
        held = found.setdefault(key, set())
        folder = run.dir / "media" / run.kinds.get(key, "")
        for step, items in steps.items():
            held.update((step, at) for at, item in enumerate(items) if (folder / item.filename).is_file())
    return found
