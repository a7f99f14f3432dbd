"""The one table of what is measured, and the goal that each figure has to reach."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

Unit = Literal["x", "s", "MB", "points/s", "%"]
"""Of a figure: a ratio, seconds, megabytes (10^6 bytes), points a second, per cent of a core."""


class Figure(NamedTuple):
    """One figure: what it says, and its goal."""

    key: str
    subject: str
    """The module of `bench` that measures it."""
    title: str
    unit: Unit
    bound: Literal["at most", "at least"]
    goal: float

    @property
    def samples(self) -> Unit:
        """The unit of what each side showed: a ratio is one of seconds."""
        return "s" if self.unit == "x" else self.unit

    def reached(self, value: float) -> bool:
        """Whether a value is on the right side of the goal."""
        return value <= self.goal if self.bound == "at most" else value >= self.goal


FIGURES: Final = (
    Figure("log_median", "training", "a `log()` of 10 numbers, median", "x", "at most", 1.05),
    Figure("log_p99", "training", "a `log()` of 10 numbers, 99th percentile", "x", "at most", 1.25),
    Figure("log_cpu", "training", "a `log()` of 10 numbers, CPU of the training process", "x", "at most", 1.10),
    Figure("import", "training", "the import", "x", "at most", 1.10),
    Figure("init", "training", "`wandb.init()`", "x", "at most", 1.15),
    Figure("finish", "training", "`finish()` of a run of 2,000 steps", "s", "at most", 0.12),
    Figure("log_added", "log_call", "added to a `log()` of 10 numbers, in one process", "s", "at most", 20e-6),
    Figure("delay", "delay", "from `log()` to SwanLab's store", "s", "at most", 0.1),
    Figure("short_first", "short_runs", "a short run, the first of a program: added", "s", "at most", 0.4),
    Figure("short_next", "short_runs", "a short run, each further one: added", "s", "at most", 0.15),
    Figure("loop_5ms", "loops", "a loop in pure Python with a `log()` every 5 ms", "x", "at most", 1.02),
    Figure("hundred", "loops", "100 numbers a call, as fast as it goes, time a row", "x", "at most", 1.10),
    Figure("full_speed", "loops", "10 numbers a call, as fast as it goes, rows a second", "x", "at least", 0.9),
    Figure("memory_first", "memory", "memory (PSS) that the first run's mirror adds", "MB", "at most", 40),
    Figure("memory_next", "memory", "memory (PSS) that each further run's mirror adds", "MB", "at most", 12),
    Figure("trainers", "trainers", "40 short trainings at once, all of them", "x", "at most", 1.25),
    Figure("slow_disk", "slow_disk", "a `log()`, journal writes of 50 ms (simulated): added", "s", "at most", 1e-4),
    Figure("convert_fast", "convert", "convert one run, `--verify fast`, points a second", "x", "at least", 3),
    Figure("convert_full", "convert", "convert one run, `--verify full`, points a second", "x", "at least", 2),
    Figure("convert_none", "convert", "convert one run, `--no-verify`, points a second", "x", "at least", 4),
    Figure("convert_eight", "convert", "convert eight runs on 2 workers, points a second", "x", "at least", 6),
    Figure("convert_many", "convert", "convert 300 runs of 200 rows, runs a second", "x", "at least", 8),
    Figure("convert_each", "convert", "convert 300 runs of 200 rows, time a run", "s", "at most", 0.06),
    Figure("mirror_rate", "mirror", "a mirror's throughput", "points/s", "at least", 80_000),
    Figure("mirror_memory", "mirror", "a mirror's peak memory: what four times the rows add", "MB", "at most", 5),
    Figure("pth", "startup", "the start of a Python that uses nothing of it", "s", "at most", 100e-6),
    Figure("help", "startup", "`wandb-swan --help`", "s", "at most", 0.25),
    Figure("status", "startup", "`wandb-swan status`", "s", "at most", 0.25),
    Figure("relay_idle", "relay", "a relay without work, over 1,000 finished journals", "%", "at most", 1),
    Figure("view_open", "view", "`wandb-swan view`, 300 metrics of 10,000 points: first screen", "s", "at most", 2),
)  # fmt: skip
"""In the order in which they are measured and shown. A ratio, and what is added, is against bare wandb; the ratio of a
conversion against `swanlab convert`. A goal that was met when this table was made is what was measured then, with room
for noise."""
BY_KEY: Final = {figure.key: figure for figure in FIGURES}
SUBJECTS: Final = tuple(dict.fromkeys(figure.subject for figure in FIGURES))


def shown(value: float, unit: Unit) -> str:
    """A value with its unit, in a size that is read at once.

    >>> shown(0.0532, "s"), shown(9.7e-6, "s"), shown(1.044, "x"), shown(81234.5, "points/s")
    ('53 ms', '9.7 us', '1.04 x', '81,234 points/s')
    """
    if unit == "x":
        return f"{value:.2f} x"
    if unit == "%":
        return f"{value:.2g} %"
    if unit != "s":
        return f"{value:,.0f} {unit}"
    size, name = next((one for one in ((1, "s"), (1e-3, "ms")) if abs(value) >= one[0]), (1e-6, "us"))
    number = value / size
    digits = 0 if abs(number) >= 20 else 2 if size == 1 else 1
    return f"{number:.{digits}f} {name}"
