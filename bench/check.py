"""Which figures of a file of results fall short of their goals: `python -m bench.check [FILE]`, `make bench-check`.

Exit code 1 if one does, or was not measured.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from . import results
from .figures import FIGURES, shown


def shortcomings(path: Path) -> list[str]:
    """A line for each figure that does not reach its goal."""
    values = {row.key: row.value for row in results.read(path)[1]}
    found = []
    for figure in FIGURES:
        goal = f"{figure.bound} {shown(figure.goal, figure.unit)}"
        if figure.key not in values:
            found.append(f"{figure.key}: not measured; {figure.title}: {goal}")
        elif not figure.reached(values[figure.key]):
            found.append(f"{figure.key}: {shown(values[figure.key], figure.unit)}, {goal}; {figure.title}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=results.PATH)
    path = parser.parse_args().file
    if not path.exists():
        sys.exit(f"{path} is not there: type `make bench`")
    short = shortcomings(path)
    print("\n".join([*short, f"{len(FIGURES) - len(short)} of {len(FIGURES)} goals are reached"]))
    sys.exit(bool(short))


if __name__ == "__main__":
    main()
