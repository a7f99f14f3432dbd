"""The result of a comparison: models, the verdict in words, and a table for a terminal."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path as FilePath

from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.markup import escape
from rich.table import Table


class MetricParity(BaseModel):
    """One metric on both sides."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    metric: str
    """wandb's key, nested keys joined by a dot; SwanLab's where only SwanLab has it."""
    kind: str
    """scalar, text, media or system."""
    swanlab_key: str = ""
    points_wandb: int = 0
    points_swanlab: int = 0
    first_step: int | None = None
    last_step: int | None = None
    missing: int = 0
    """Points that wandb has and SwanLab does not have at that step."""
    extra: int = 0
    """Points that SwanLab has and wandb does not."""
    different: int = 0
    """Points with another value."""
    largest_difference: float = 0.0
    """Between two finite values at one step; infinite where only one of them is finite."""
    time_shift: float = 0.0
    """The largest difference between the two times of a point, in seconds."""

    @property
    def identical(self) -> bool:
        return not (self.missing or self.extra or self.different)


class Parity(BaseModel):
    """A run on both sides. `identical` is about values: metrics, media, config."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: str
    name: str
    wandb: str
    """The wandb run: its folder or its path in the cloud."""
    swanlab: str
    """The SwanLab run folder."""
    metrics: tuple[MetricParity, ...]
    config_differences: tuple[str, ...] = ()
    run_differences: tuple[str, ...] = ()
    """Of a run of the past: name, description, tags, group, job type, state."""
    lines_wandb: int = 0
    lines_swanlab: int = 0
    exit_code: int | None = None
    state: str = ""
    """SwanLab's: finished, crashed, aborted, unfinished."""
    short: tuple[str, ...] = ()
    """What the source says that it has and has not given: it is not in SwanLab either."""
    not_mirrored: tuple[str, ...] = ()
    """What the SwanLab run itself says was not carried over: key, reason, count."""

    @property
    def identical(self) -> bool:
        others = self.config_differences or self.run_differences or self.short
        return all(metric.identical for metric in self.metrics) and not others

    @property
    def points(self) -> int:
        return sum(metric.points_wandb for metric in self.metrics)

    def differences(self) -> tuple[str, ...]:
        """What differs, one sentence each."""
        found = [
            f"{metric.metric} ({metric.kind}): {verdict(metric)}" for metric in self.metrics if not metric.identical
        ]
        config = (f"config {difference}" for difference in self.config_differences)
        return (*self.short, *found, *config, *self.run_differences)


def verdict(metric: MetricParity) -> str:
    """What is wrong with a metric, in a few words."""
    counts = {"missing": metric.missing, "extra": metric.extra, "different": metric.different}
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def show(
    runs: Sequence[Parity],
    not_compared: Sequence[tuple[str, str]],
    *,
    details: bool = False,
    only_differences: bool = False,
    quiet: bool = False,
) -> None:
    """Prints comparisons: the table of a single one, a line for each of several, what could not be compared, the sum.

    Args:
        runs: The comparisons.
        not_compared: Of what could not be compared: what, and why.
        details: Of several runs, a table of every one that differs.
        only_differences: Nothing of runs that are identical.
        quiet: The numbers alone.
    """
    longest = max((len(metric.metric) for run in runs for metric in run.metrics), default=0)
    console = Console(width=None if sys.stdout.isatty() else max(200, longest + 120))  # whole names in a pipe
    folders = Counter((run.run_id, run.wandb) for run in runs)
    for run in runs if not quiet else ():
        if only_differences and run.identical:
            continue
        if len(runs) == 1 or (details and not run.identical):
            console.print(render(run))
        else:
            console.print(f"{_line(run)}", markup=False, highlight=False)
        for loss in run.not_mirrored if len(runs) == 1 else ():
            console.print(f"not carried over: {loss}", markup=False)
    for (run_id, _), count in folders.items() if not quiet else ():
        if count > 1:
            console.print(f"run {run_id} is in {count} SwanLab folders: each was compared", markup=False)
    for what, reason in not_compared if not quiet else ():
        console.print(f"not compared: {what}: {reason}", markup=False, highlight=False)
    same = sum(run.identical for run in runs)
    more = f", {len(not_compared)} not compared" if not_compared else ""
    console.print(f"{same} of {len(runs)} runs identical{more}", highlight=False)


def _line(run: Parity) -> str:
    found = run.differences()
    where = FilePath(run.swanlab).name
    if not found:
        return f"identical  {run.name} ({run.run_id}): {run.points:,} points, {where}"
    more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
    return f"DIFFERENT  {run.name} ({run.run_id}): {'; '.join(found[:3])}{more}, {where}"


def render(parity: Parity, *, every: int = 40) -> Table:
    """The table of a comparison: what differs first, then the rest, at most `every` metrics."""
    table = Table(title=f"{parity.name} ({parity.run_id}): wandb | SwanLab", title_justify="left")
    for name in ("metric", "kind"):
        table.add_column(name, overflow="fold")
    for name in ("points", "steps", "largest difference"):
        table.add_column(name, justify="right")
    table.add_column("")
    metrics = sorted(parity.metrics, key=lambda metric: metric.identical)
    for metric in metrics[:every]:
        points = str(metric.points_wandb)
        if metric.points_swanlab != metric.points_wandb:
            points += f" | {metric.points_swanlab}"
        steps = "" if metric.first_step is None else f"{metric.first_step} to {metric.last_step}"
        table.add_row(
            metric.metric,
            metric.kind,
            points,
            steps,
            f"{metric.largest_difference:g}" if metric.kind in ("scalar", "system") else "",
            "[green]identical[/]" if metric.identical else f"[red]{verdict(metric)}[/]",
        )
    if len(metrics) > every:
        table.add_row(f"... and {len(metrics) - every} more", "", "", "", "", "")
    for difference in parity.config_differences[:every]:
        table.add_row("config", "", "", "", "", f"[red]{escape(difference)}[/]")
    for difference in parity.run_differences:
        table.add_row("run", "", "", "", "", f"[red]{escape(difference)}[/]")
    if not parity.config_differences:
        table.add_row("config", "", "", "", "", "[green]identical[/]")
    return table
