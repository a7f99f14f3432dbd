"""A mirror's throughput and its memory: journals of finished trainings, and `wandb-swan resume`.

Throughput is that of the rows which a journal of four times the length has more, without the start of the process.
Beside it, `swanlab convert` on wandb's folder of the same run, with its start.
"""

from __future__ import annotations

import operator
import shutil
from functools import partial

from .convert import theirs
from .frame import COMMAND, Desk, Done, Effort, Row, Samples, alone, compared, desk, interleaved, single


def trained(place: Desk, rows: int) -> None:
    """Leaves a journal of so many rows of 10 numbers."""
    place.train("mirrored", more={"WANDB_SWAN_MIRROR": "relay"}, rows=rows, numbers=10)
    (place.folder / "swanlog").rename(place.folder / "kept")


def resumed(place: Desk) -> Done:
    """Mirrors the journal, once more."""
    shutil.rmtree(place.folder / "swanlog", ignore_errors=True)
    shutil.copytree(place.folder / "kept", place.folder / "swanlog")
    return place.run(COMMAND, "resume", "swanlog")


def measure(effort: Effort) -> list[Row]:
    rows = effort.size(8000, 20)
    with desk() as short, desk() as long:
        trained(short, rows)
        trained(long, 4 * rows)
        found = interleaved(effort.most(2), {
            "short": partial(resumed, short),
            "long": partial(resumed, long),
            "swanlab convert": partial(theirs, short),
        })  # fmt: skip
    points = 10 * rows
    rate: Samples = {
        "mirror": [[3 * points / max(more.wall - less.wall, 1e-3)] for less, more in
                   zip(found["short"], found["long"], strict=True)],
        "swanlab convert, with its start": [[points / done.wall] for done in found["swanlab convert"]],
    }  # fmt: skip
    peak = {
        f"{count:,} rows": [[done.peak] for done in found[name]]
        for name, count in (("short", rows), ("long", 4 * rows))
    }
    less, more = peak
    return [
        single("mirror_rate", rate, "mirror"),
        compared("mirror_memory", peak, side=more, to=less, by=operator.sub),
    ]


if __name__ == "__main__":
    alone(__doc__, measure)
