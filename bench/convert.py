"""Conversions beside `swanlab convert`, from local folders: one run, eight runs on two workers, 300 small ones.

`swanlab convert` asks for a login even offline; here that question is left out, nothing else. A `million` of points is
not among the figures: `python -m bench.convert --million` says its speed and its peak memory.
"""

from __future__ import annotations

import sys
import uuid
from functools import partial

from .frame import COMMAND, Desk, Done, Effort, Row, arguments, compared, desk, interleaved, single, text, training

THEIRS = """
import sys, swanlab
swanlab.login = lambda **given: None
from swanlab.converter import WandbLocalConverter
WandbLocalConverter(project="bench", mode="offline", log_dir="theirs").run(sys.argv[1])
"""
SIDE, OURS = "swanlab convert", "wandb-swan convert"


def theirs(place: Desk) -> Done:
    """`swanlab convert` on a desk's runs."""
    return place.run(sys.executable, "-c", THEIRS, "wandb")


def ours(place: Desk, *more: str) -> Done:
    """`wandb-swan convert` on a desk's runs, into a log directory of its own: nothing is there to be replaced."""
    log_dir = f"ours-{uuid.uuid4().hex}"
    return place.run(COMMAND, "convert", "-t", "wandb-local", "--mode", "offline", "--log-dir", log_dir, *more)


def one(effort: Effort) -> list[Row]:
    """One run: all ways of checking it."""
    with desk() as place:
        place.run(*training("bare", rows=effort.size(20_000, 20), numbers=10))
        checks = {"--verify fast": ("--verify", "fast"), "--verify full": ("--verify", "full"),
                  "--no-verify": ("--no-verify",)}  # fmt: skip
        found = interleaved(effort.most(2), {
            SIDE: partial(theirs, place),
            **{name: partial(ours, place, *more) for name, more in checks.items()},
        })  # fmt: skip
    walls = {name: [[done.wall] for done in rounds] for name, rounds in found.items()}
    keys = dict(zip(checks, ("convert_fast", "convert_full", "convert_none"), strict=True))
    return [compared(key, {SIDE: walls[SIDE], name: walls[name]}, side=SIDE, to=name) for name, key in keys.items()]


def several(effort: Effort, runs: int, length: int, numbers: int, *more: str) -> dict[str, list[list[float]]]:
    """Seconds that several runs take, by side and round."""
    with desk() as place:
        place.run(*training("bare", runs=runs, rows=length, numbers=numbers))
        found = interleaved(effort.most(2), {SIDE: partial(theirs, place), OURS: partial(ours, place, *more)})
    return {name: [[done.wall] for done in rounds] for name, rounds in found.items()}


def measure(effort: Effort) -> list[Row]:
    found = one(effort)
    eight = several(effort, effort.size(8, 2), effort.size(10_000, 20), 10, "--workers", "2")
    count = effort.size(300, 3)
    many = several(effort, count, effort.size(200, 5), 5, "--workers", "2")
    each = {name: [[seconds / count for seconds in taken] for taken in rounds] for name, rounds in many.items()}
    return [
        *found,
        compared("convert_eight", eight, side=SIDE, to=OURS),
        compared("convert_many", many, side=SIDE, to=OURS),
        single("convert_each", each, OURS),
    ]


def million() -> None:
    """The speed and the memory of one run of a million points."""
    with desk() as place:
        place.run(*training("bare", rows=100_000, numbers=10))
        done = ours(place)
    print(f"a million points: {1e6 / done.wall:,.0f} points/s, {done.peak:.0f} MB at most")


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--million", action="store_true", help="one run of a million points alone")
    given = parser.parse_args()
    if given.million:
        million()
    else:
        print(text(measure(Effort(given.rounds, given.tiny))))


if __name__ == "__main__":
    main()
