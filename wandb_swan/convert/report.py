"""What became of each run: the report of a conversion, as JSON and in the terminal."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from ..journal.status import points_of
from ..sources.local_discovery import Place
from ..swan.sent import Sent

if TYPE_CHECKING:
    from rich.console import Console

State = Literal["converted", "following", "planned", "skipped", "failed", "interrupted"]

REMARKS = 5
"""So many notices and differences of one run are shown on a terminal."""


class Lost(BaseModel):
    """Values that SwanLab has no place for, or has in another form only."""

    model_config = ConfigDict(frozen=True)

    key: str
    reason: str
    count: int


class RunReport(BaseModel):
    """What became of one run."""

    model_config = ConfigDict(frozen=True)

    source: str
    """Where it came from: wandb run folders, or `entity/project/run id`."""
    run_id: str
    name: str = ""
    project: str = ""
    state: State
    """skipped: it was converted before and has not changed since. following: it grows, and its SwanLab run with it."""
    reason: str = ""
    swanlab: str = ""
    """The SwanLab run: its URL, or its folder."""
    run_dir: str = ""
    counts: dict[str, int] = {}
    """What was written: rows, scalars, texts, media, lines, files, system."""
    lost: tuple[Lost, ...] = ()
    notices: tuple[str, ...] = ()
    """Torn files, rows replaced by a resumption, things left out on request."""
    identical: bool | None = None
    """Whether SwanLab's store was read back and is equal to the source. None: not compared."""
    verified: str = ""
    """How it was compared: full: the content of everything; fast: counts, steps, times and numbers of all, and the
    content of a sample of media, texts and files; counts: what SwanLab's cloud gives back."""
    not_compared: tuple[str, ...] = ()
    """Whose content could not be compared, and why."""
    differences: tuple[str, ...] = ()
    short: bool = False
    """Whether the source has given less than it counts: the same command tries again."""
    fingerprint: str = Field(default="", repr=False)
    """Of what was read of its source; empty: as the list of runs said it."""
    goes_on: bool = False
    """Whether it was left while the run grew (`--follow`): the same command goes on with it."""
    refused: bool = False
    """Whether it failed because it would hold less than the conversion that it was to replace, which stays."""
    seconds: float = 0.0
    sent: Sent | None = Field(default=None, repr=False)
    """What SwanLab's cloud was sent, for the command that goes on: it belongs into the manifest."""

    @property
    def points(self) -> int:
        return points_of(self.counts)

    def without_sent(self) -> RunReport:
        """As a user gets it."""
        return self.model_copy(update={"sent": None})

    def remarks(self, *, every: int) -> list[str]:
        """Its notices and differences, at most `every` of each, and how many more there are."""
        lines: list[str] = []
        for kind, every_one in (("notices", self.notices), ("differences", self.differences)):
            lines += every_one[:every]
            if len(every_one) > every:
                lines.append(f"and {len(every_one) - every} more {kind}")
        return lines

    @property
    def whole(self) -> bool:
        """Whether everything was carried over."""
        done = self.state in ("converted", "skipped", "planned")
        return done and not self.lost and not self.notices and self.identical is not False


class Report(BaseModel):
    """What became of all runs of one command."""

    model_config = ConfigDict(frozen=True)

    runs: tuple[RunReport, ...] = ()
    place: Place = Place()
    seconds: float = 0.0
    workers: int = 1

    def having(self, state: State) -> list[RunReport]:
        return [run for run in self.runs if run.state == state]

    @property
    def whole(self) -> bool:
        """Whether everything of every run was carried over: what `--strict` asks."""
        return all(run.whole for run in self.runs)

    @property
    def points(self) -> int:
        return sum(run.points for run in self.having("converted"))

    def summary(self) -> str:
        """One line."""
        no_runs = f", {len(self.place.no_runs)} without a run" if self.place.no_runs else ""
        states = Counter(run.state for run in self.runs)
        states_text = ", ".join(f"{states[state]} {state}" for state in get_args(State) if states[state])
        speed = f"; {self.points:,} points in {self.seconds:.1f} s" if self.points else ""
        return f"{states_text or 'no runs'}{no_runs}{speed}"

    def show_failures(self, console: Console) -> None:
        """Prints a line for each run that is not converted though it was to be, and the summary line."""
        for run in self.having("failed") + self.having("interrupted"):
            console.print(f"{run.state}: {run.name or run.run_id}: {run.reason}", markup=False, soft_wrap=True)
        console.print(self.summary(), markup=False)

    def show(self, console: Console, *, every: int = 50, file: Path | None = None) -> None:
        """Prints a table of the runs, the losses by reason, notices and differences, and the summary line.

        What is too long for a terminal is counted; `file` is where the whole report is.
        """
        from rich.markup import escape  # late: worker processes show nothing
        from rich.table import Table

        where = f"{file} has them all" if file is not None else "--report FILE.json has them all"
        table = Table(box=None, header_style="bold")
        for column in ("run", "project", "state", "points", "identical", "SwanLab run or reason"):
            table.add_column(column, overflow="fold", justify="right" if column == "points" else "left")
        odd_first = sorted(self.runs, key=lambda run: run.state not in ("failed", "interrupted"))
        for run in odd_first[:every]:
            verdict = {True: "yes", False: "NO", None: "not compared" if run.not_compared else ""}[run.identical]
            unseen = f", {len(run.not_compared)} not compared" if run.not_compared else ""
            verdict += f" ({run.verified}{unseen})" if run.verified else ""
            cells = (run.name or run.run_id, run.project, run.state, f"{run.points:,}", verdict)
            table.add_row(*map(escape, (*cells, run.reason or run.swanlab)))
        if self.runs:
            console.print(table)
        if len(odd_first) > every:
            console.print(f"... and {len(odd_first) - every} more ({where})", markup=False)
        kinds: Counter[str] = Counter()
        for run in self.runs:
            for lost in run.lost:
                kinds[lost.reason] += lost.count
        for reason, count in kinds.most_common(every):
            console.print(f"not carried over: {count:,} x {reason}", markup=False)
        if len(kinds) > every:
            rest = sum(count for _, count in kinds.most_common()[every:])
            console.print(f"not carried over: {rest:,} more, for {len(kinds) - every} other reasons ({where})")
        if len(self.place.folders) > 1:
            console.print(f"{len(self.place.folders)} wandb folders:", markup=False)
            for folder in self.place.folders[:every]:
                console.print(f"  {folder}", markup=False)
            if len(self.place.folders) > every:
                console.print(f"  ... and {len(self.place.folders) - every} more ({where})", markup=False)
        for none in self.place.no_runs[:every]:
            console.print(f"no run: {none.path}: {none.reason}", markup=False)
        if len(self.place.no_runs) > every:
            console.print(f"... and {len(self.place.no_runs) - every} more without a run ({where})", markup=False)
        lines = [f"{run.name or run.run_id}: {line}" for run in self.runs for line in run.remarks(every=REMARKS)]
        for line in lines[: every * 2]:
            console.print(line, markup=False)
        if len(lines) > every * 2:
            console.print(f"... and {len(lines) - every * 2} more lines of this kind ({where})", markup=False)
        console.print(self.summary(), markup=False)
