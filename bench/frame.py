"""What all benchmarks stand on: child processes, interleaved rounds, statistics, and the rows that come out."""

from __future__ import annotations

import argparse
import json
import operator
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import psutil

from .figures import BY_KEY, FIGURES, shown

T = TypeVar("T")
Samples = Mapping[str, Sequence[Sequence[float]]]
"""By side, by round: what was measured."""
MARK = "BENCH_MARK"
"""A variable that all processes of a measurement have, and no other: how those are found that it left."""
TRAINER = Path(__file__).with_name("trainer.py").read_text("utf-8")
COMMAND = str(Path(sys.executable).with_name("wandb-swan"))


@dataclass(frozen=True)
class Effort:
    """How much is measured."""

    rounds: int = 3
    tiny: bool = False
    """Only whether it works: sizes that say nothing of the time."""

    def size(self, full: int, tiny: int) -> int:
        return tiny if self.tiny else full

    def most(self, rounds: int) -> int:
        """The rounds of something long: at most so many."""
        return min(rounds, self.rounds)


@dataclass(frozen=True)
class Spread:
    """What one side showed."""

    median: float
    p99: float
    samples: int

    @classmethod
    def of(cls, samples: Sequence[float]) -> Spread:
        return cls(statistics.median(samples), p99(samples), len(samples))


@dataclass(frozen=True)
class Row:
    """One figure that was measured."""

    key: str
    value: float
    sides: dict[str, Spread]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> Row:
        sides = {name: Spread(**spread) for name, spread in found["sides"].items()}
        return cls(found["key"], found["value"], sides)


Measure = Callable[[Effort], list[Row]]


def p99(samples: Sequence[float]) -> float:
    """The 99th percentile, no higher than what was seen; of few samples it is nearly the highest."""
    if len(samples) < 2:
        return samples[0]
    return statistics.quantiles(samples, n=100, method="inclusive")[98]


def compared(
    key: str,
    measured: Samples,
    *,
    side: str = "mirrored",
    to: str = "bare",
    by: Callable[[float, float], float] = operator.truediv,
    of: Callable[[Sequence[float]], float] = statistics.median,
) -> Row:
    """A side held against another one, round by round: the median of what the rounds say.

    What a busy machine does to a round, it does to both sides of it.
    """
    pairs = zip(measured[side], measured[to], strict=True)
    return Row(key, statistics.median(by(of(one), of(other)) for one, other in pairs), spreads(measured))


def spreads(measured: Samples) -> dict[str, Spread]:
    """The sides, all their rounds together."""
    return {name: Spread.of([sample for samples in rounds for sample in samples]) for name, rounds in measured.items()}


def single(key: str, measured: Samples, side: str = "mirrored") -> Row:
    """A side's own median."""
    sides = spreads(measured)
    return Row(key, sides[side].median, sides)


def interleaved(rounds: int, sides: Mapping[str, Callable[[], T]]) -> dict[str, list[T]]:
    """Measures every side once a round; every second round in the opposite order."""
    found: dict[str, list[T]] = {name: [] for name in sides}
    for number in range(rounds):
        for name in list(sides)[:: -1 if number % 2 else 1]:
            found[name].append(sides[name]())
    return found


class Done(NamedTuple):
    """A process that has ended."""

    wall: float
    """Seconds."""
    peak: float
    """MB that its largest process had at most."""
    stdout: str


class Desk:
    """A temporary folder, the home of its processes, and what is left of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mark = uuid.uuid4().hex

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Without the user's settings and logins, and with compiled modules kept, as an installation has them."""
        dropped = ("WANDB", "SWANLAB", "PYTEST", "COV_", "COVERAGE", "PYTHONDONTWRITEBYTECODE")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
        ours = {"HOME": str(self.folder), MARK: self.mark, "WANDB_SWAN_MODE": "offline"}
        quiet = {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "SWANLAB_PROBE_REQUIREMENTS": "false"}
        return kept | ours | quiet | dict(more or {})

    def start(self, *command: str, stdout: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
        """A process that goes on, in the folder."""
        return subprocess.Popen(command, cwd=self.folder, env=self.environment(), stdout=stdout,
                                stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)  # fmt: skip

    def run(self, *command: str, more: Mapping[str, str] | None = None) -> Done:
        """Runs a command in the folder, and waits for all that it started.

        Raises SystemExit if it fails.
        """
        with tempfile.TemporaryFile("w+") as said:
            begin = time.perf_counter()
            process = subprocess.Popen(command, cwd=self.folder, env=self.environment(more), stdin=subprocess.DEVNULL,
                                       stdout=said, stderr=subprocess.STDOUT)  # fmt: skip
            _, code, used = os.wait4(process.pid, 0)
            wall = time.perf_counter() - begin
            process.returncode = os.waitstatus_to_exitcode(code)
            said.seek(0)
            output = said.read()
        if process.returncode:
            sys.exit(f"{' '.join(command)[-200:]} exited with {process.returncode}: {output[-3000:]}")
        self.settle()
        return Done(wall, used.ru_maxrss * 1024 / 1e6, output)

    def train(self, way: str, *, more: Mapping[str, str] | None = None, **given: Any) -> dict[str, Any]:
        """Runs `trainer.py` one of its ways: what it says of itself."""
        said = self.run(*training(way, **given), more=more).stdout
        if way == "mirrored" and "WANDB_SWAN_MIRROR" not in (more or {}):
            self.expect_mirrored(given.get("runs", 1))
        return dict(json.loads(said.splitlines()[-1]))

    def expect_mirrored(self, runs: int) -> None:
        """Raises SystemExit unless so many runs are whole in SwanLab: nothing is as fast as what is not done."""
        states = [json.loads(file.read_text("utf-8"))["state"] for file in self.folder.rglob("*.status.json")]
        if states != ["finished"] * runs:
            sys.exit(f"{states.count('finished')} of {runs} runs are whole in SwanLab: {states}")

    def processes(self) -> list[psutil.Process]:
        """All that were started here and live."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == self.mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def settle(self, seconds: float = 60) -> None:
        """Waits until nothing that was started here lives, so that it costs the next one nothing."""
        deadline = time.monotonic() + seconds
        while self.processes():
            if time.monotonic() > deadline:
                sys.exit(f"{self.processes()} have not ended after {seconds:.0f} s")
            time.sleep(0.05)


def training(way: str, **given: Any) -> list[str]:
    """The command of a training: `trainer.py` with what it takes."""
    return [sys.executable, "-c", TRAINER, json.dumps({"way": way, **given})]


@contextmanager
def desk() -> Iterator[Desk]:
    """A `Desk`, taken away with all that it holds."""
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name:
        made = Desk(Path(name).resolve())
        try:
            yield made
        finally:
            for process in made.processes():  # of a measurement that failed
                process.kill()


def train_once(way: str, *, more: Mapping[str, str] | None = None, **given: Any) -> dict[str, Any]:
    """`Desk.train` in a folder of its own."""
    with desk() as place:
        return place.train(way, more=more, **given)


def text(rows: Sequence[Row]) -> str:
    """The rows as lines: the figure, its goal, and each side's median and 99th percentile."""
    lines = []
    for row in rows:
        figure = BY_KEY[row.key]
        reached = "  " if figure.reached(row.value) else "! "
        goal = f"{figure.bound} {shown(figure.goal, figure.unit)}"
        lines.append(f"{reached}{row.key:14} {shown(row.value, figure.unit):>15}   {goal:24} {figure.title}")
        for name, spread in row.sides.items():
            middle, far = (shown(value, figure.samples) for value in (spread.median, spread.p99))
            lines.append(f"      {name:20} median {middle:>15}   99th percentile {far:>15}   of {spread.samples:,}")
    return "\n".join(lines)


def arguments(about: str | None) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rounds", type=int, default=Effort.rounds, help="how often each side is measured (%(default)s)"
    )
    parser.add_argument("--tiny", action="store_true", help="only whether it works; the figures mean nothing")
    return parser


def alone(about: str | None, measure: Measure) -> None:
    """The command line of one subject."""
    given = arguments(about).parse_args()
    print(text(measure(Effort(given.rounds, given.tiny))))


def in_order(rows: Sequence[Row]) -> list[Row]:
    """As the table of figures has them."""
    keys = [figure.key for figure in FIGURES]
    return sorted(rows, key=lambda row: keys.index(row.key))
