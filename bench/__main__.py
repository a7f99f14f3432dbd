"""All benchmarks, or some: `python -m bench [SUBJECT ...] [--json FILE]`; `make bench` is all of them.

Everything that is compared runs in the same turns. Quiet the machine first: the figures are of all that runs on it.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from pathlib import Path

from . import results
from .figures import SUBJECTS
from .frame import Effort, Row, arguments, text


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=", ".join(SUBJECTS))
    parser.add_argument(
        "--json", type=Path, help="write the rows there; other subjects' rows of this machine and these versions stay"
    )
    given = parser.parse_args()
    if unknown := set(given.subjects) - set(SUBJECTS):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(SUBJECTS)}")
    if given.json and given.subjects and not results.fits(given.json):
        parser.error(f"{given.json} is of another machine or other versions: measure all, or give another file")
    load = round(os.getloadavg()[0], 2)
    if load > 1 and not given.tiny:
        print(f"the machine is busy (load {load}): the figures are of that, too", file=sys.stderr)
    begin = time.perf_counter()
    found: list[Row] = []
    for subject in given.subjects or SUBJECTS:
        start = time.perf_counter()
        rows = importlib.import_module(f"bench.{subject}").measure(Effort(given.rounds, given.tiny))
        print(text(rows), flush=True)
        print(f"{subject}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
        found += rows
        if given.json:  # each time: a later subject may fail
            results.write(given.json, found, load=load)
    print(f"{time.perf_counter() - begin:.0f} s in all; ! falls short of its goal", file=sys.stderr)


if __name__ == "__main__":
    main()
