"""Runs the blocks of a page in a temporary folder and shows what each command prints: for whoever writes one.

python -m compat_tests.tools.show_page docs/tutorial.md
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from compat_tests.blocks import Reader
from compat_tests.conftest import clean_environment


def main(page: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        Reader(folder, clean_environment(folder), show=True).run(page, slow=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
