"""The result of a comparison: models, the verdict in words, and a table for a terminal."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path as FilePath

from pydantic import BaseModel, ConfigDict
from rich.markup import escape
from rich.table import Table

from ..console import Console


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
    """Points with another value, or of which the content is another."""
    other_time: int = 0
    """Points with another time."""
    largest_difference: float = 0.0
    """Between two finite values at one step; infinite where only one of them is finite."""
    time_shift: float = 0.0
    """The largest difference between the two times of a point, in seconds."""
    compared: str = ""
    """What was compared, and how much of it is the same: `3 of 3 pictures, same pixels`."""
    not_compared: tuple[str, ...] = ()
    """Whose content could not be compared, and why."""
    examples: tuple[str, ...] = ()
    """The first differences, in words."""
    told: str = ""
    """Why SwanLab does not have all of it as wandb does, in the words of the SwanLab run, where these say it all."""

    @property
    def identical(self) -> bool:
        return not (self.missing or self.extra or self.different or self.other_time)


class PartParity(BaseModel):
    """What is no metric: the config, the summary, the console, files, artifacts, the run itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    part: str
    compared: str
    """What was compared: `120 of 120 lines, in order, by stream`."""
    differences: tuple[str, ...] = ()
    """One sentence each."""
    told: tuple[str, ...] = ()
    """What is not in SwanLab, as the SwanLab run itself says."""
    not_compared: tuple[str, ...] = ()
    """What could not be compared, and why."""


class Parity(BaseModel):
    """A run on both sides."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: str
    name: str
    wandb: str
    """The wandb run: its folder or its path in the cloud."""
    swanlab: str
    """The SwanLab run folder."""
    depth: str = "full"
    """full: the content of everything; fast: counts of all, and the content of a sample of it."""
    metrics: tuple[MetricParity, ...]
    parts: tuple[PartParity, ...] = ()
    state: str = ""
    """SwanLab's: finished, crashed, aborted, unfinished."""
    short: tuple[str, ...] = ()
    """What the source says that it has and has not given: it is not in SwanLab either."""
    not_mirrored: tuple[str, ...] = ()
    """What the SwanLab run itself says was not carried over: key, reason, count."""
    not_compared: tuple[str, ...] = ()
    """What this comparison says nothing of."""

    @property
    def identical(self) -> bool:
        """Whether nothing differs but what the SwanLab run itself says (`not_mirrored`)."""
        parts = any(part.differences for part in self.parts)
        return all(metric.identical or metric.told for metric in self.metrics) and not parts and not self.short

    @property
    def told(self) -> int:
        """How many metrics and other values are not in SwanLab as wandb has them, as the SwanLab run itself says."""
        return sum(bool(metric.told) for metric in self.metrics) + sum(len(part.told) for part in self.parts)

    @property
    def unseen(self) -> tuple[str, ...]:
        """Whose content could not be compared, one sentence each."""
        metrics = (f"{metric.metric}: {why}" for metric in self.metrics for why in metric.not_compared)
        return (*metrics, *(f"{part.part} {why}" for part in self.parts for why in part.not_compared))

    @property
    def points(self) -> int:
        return sum(metric.points_wandb for metric in self.metrics)

    @property
    def verdict(self) -> str:
        """In a few words."""
        if not self.identical:
            return "DIFFERENT"
        but = [f"{self.told} that its SwanLab run names"] if self.told else []
        but += [f"{len(self.unseen)} that could not be compared"] if self.unseen else []
        return f"identical but for {' and '.join(but)}" if but else "identical"

    def differences(self) -> tuple[str, ...]:
        """What differs, one sentence each."""
        metrics = (
            f"{metric.metric} ({metric.kind}): {verdict(metric)}{_example(metric)}"
            for metric in self.metrics
            if not (metric.identical or metric.told)
        )
        parts = (f"{part.part} {difference}" for part in self.parts for difference in part.differences)
        return (*self.short, *metrics, *parts)


def verdict(metric: MetricParity) -> str:
    """What is wrong with a metric, in a few words."""
    counts = {
        "missing": metric.missing,
        "extra": metric.extra,
        "different": metric.different,
        "at another time": metric.other_time,
    }
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def _example(metric: MetricParity) -> str:
    return f" ({metric.examples[0]})" if metric.examples else ""


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
        for what in run.not_compared if len(runs) == 1 else ():
            console.print(f"not compared: {what}", markup=False, highlight=False)
    for (run_id, _), count in folders.items() if not quiet else ():
        if count > 1:
            console.print(f"run {run_id} is in {count} SwanLab folders: each was compared", markup=False)
    for what, reason in not_compared if not quiet else ():
        console.print(f"not compared: {what}: {reason}", markup=False, highlight=False)
    console.print(_sum(runs, len(not_compared)), highlight=False)


def _sum(runs: Sequence[Parity], not_compared: int) -> str:
    same = sum(run.identical for run in runs)
    told = sum(run.identical and run.told > 0 for run in runs)
    text = f"{same} of {len(runs)} runs identical"
    if told:
        text += f", {told} of them but for what its SwanLab run itself says was not carried over"
    unseen = sum(run.identical and bool(run.unseen) for run in runs)
    if unseen:
        text += f", {unseen} of them but for content that could not be compared"
    if any(run.depth == "counts" for run in runs):
        text += " (numbers, steps, columns and captions)"
    if any(run.depth == "fast" for run in runs):
        text += " (fast: counts of all, content of a sample)"
    return f"{text}, {not_compared} not compared" if not_compared else text


def _line(run: Parity) -> str:
    found = run.differences()
    where = FilePath(run.swanlab).name
    if not found:
        return f"{run.verdict}  {run.name} ({run.run_id}): {run.points:,} points, {where}"
    more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
    return f"DIFFERENT  {run.name} ({run.run_id}): {'; '.join(found[:3])}{more}, {where}"


def render(parity: Parity, *, every: int = 40) -> Table:
    """The table of a comparison: what differs first, then the rest, at most `every` metrics."""
    table = Table(title=escape(f"{parity.name} ({parity.run_id}): wandb | SwanLab"), title_justify="left")
    for name in ("metric", "kind"):
        table.add_column(name, overflow="fold")
    table.add_column("points", justify="right")
    table.add_column("steps", justify="right")
    table.add_column("compared", overflow="fold")
    table.add_column("", overflow="fold")
    metrics = sorted(parity.metrics, key=lambda metric: (metric.identical, bool(metric.told)))
    for metric in metrics[:every]:
        points = str(metric.points_wandb)
        if metric.points_swanlab != metric.points_wandb:
            points += f" | {metric.points_swanlab}"
        steps = "" if metric.first_step is None else f"{metric.first_step} to {metric.last_step}"
        table.add_row(
            escape(metric.metric),
            metric.kind,
            points,
            steps,
            escape("; ".join((metric.compared, *metric.not_compared))),
            _result(metric),
        )
    if len(metrics) > every:
        table.add_row(f"... and {len(metrics) - every} more", "", "", "", "", "")
    for part in parity.parts:
        lines = [f"[red]{escape(text)}[/]" for text in part.differences[:every]]
        if len(part.differences) > every:
            lines.append(f"[red]... and {len(part.differences) - every} more[/]")
        lines += [f"[yellow]{escape(text)}[/]" for text in part.told[:every]]
        compared = escape("; ".join((part.compared, *part.not_compared[:every])))
        table.add_row(part.part, "", "", "", compared, "\n".join(lines) or "[green]identical[/]")
    return table


def _result(metric: MetricParity) -> str:
    if metric.identical:
        return "[green]identical[/]"
    if metric.told:
        return f"[yellow]{verdict(metric)}: {escape(metric.told)}[/]"
    return f"[red]{verdict(metric)}{escape(_example(metric))}[/]"
