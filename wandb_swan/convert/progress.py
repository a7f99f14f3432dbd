"""How far a conversion is: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections import Counter

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from .report import RunReport

PLAIN_INTERVAL = 10.0
"""Seconds between two plain lines while nothing else is said."""


class Meter:
    """Counts runs and points; safe to be told from several threads."""

    def __init__(self, total: int, console: Console) -> None:
        self._total = total
        self._console = console
        self._lock = threading.Lock()
        self._begin = time.monotonic()
        self._said_at = self._begin
        self._points: Counter[str] = Counter()
        self._states: Counter[str] = Counter()
        self._bar: Progress | None = None
        if console.is_terminal and total:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[speed]}"),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                console=console,
                transient=True,
            )
            self._task = self._bar.add_task("runs", total=total, speed="")

    def __enter__(self) -> Meter:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def points(self, key: str, points: int) -> None:
        """So many points of a run are written."""
        with self._lock:
            self._points[key] = points
            self._say()

    def ended(self, key: str, run: RunReport) -> None:
        """A run has ended."""
        with self._lock:
            self._points[key] = max(self._points[key], run.points)
            self._states[run.state] += 1
            if self._bar is None:
                where = run.reason if run.state in ("failed", "interrupted") else run.swanlab
                done = sum(self._states.values())
                line = f"[{done}/{self._total}] {run.name or run.run_id}: {run.state}, {run.points:,} points, {where}"
                self._console.print(line, markup=False, highlight=False, soft_wrap=True)
                self._said_at = time.monotonic()
            self._say()

    def _say(self) -> None:
        now = time.monotonic()
        points = sum(self._points.values())
        speed = points / max(now - self._begin, 1e-9)
        failed = self._states["failed"] + self._states["interrupted"]
        text = f"{points:,} points, {speed:,.0f}/s" + (f", {failed} failed" if failed else "")
        done = sum(self._states.values())
        if self._bar is not None:
            self._bar.update(self._task, completed=done, speed=text)
        elif now - self._said_at > PLAIN_INTERVAL:
            self._said_at = now
            left = f", {(self._total - done) * (now - self._begin) / done:.0f} s left" if done else ""
            self._console.print(f"[{done}/{self._total}] {text}{left}", markup=False, highlight=False)
