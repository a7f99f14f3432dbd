"""wandb's own unit tests as a user of ours: `python compat_tests/tools/wandb_own_tests.py CHECKOUT [PYTEST_ARGUMENT...]`.

CHECKOUT is a clone of wandb's repository at the installed version. The tests run twice, against bare wandb and with
wandb_swan in its place, each in a copy of the tests in a temporary folder (beside the sources, Python would import those
instead of the installed wandb). What differs is printed; the exit code is 1 if a test passes with bare wandb alone. Two differ by design, those that hold the
public names and the parameters of `init` against a list: ours are there as well (`sync_wandb`, `swanlab_mode`, ...).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree

_IMPORTS = (
    (re.compile(r"^(\s*)import wandb$", re.M), r"\1import wandb_swan as wandb"),
    (re.compile(r"^(\s*)(import wandb\.[\w.]+)$", re.M), r"\1\2; import wandb_swan as wandb"),
    (re.compile(r"^(\s*)from wandb import", re.M), r"\1from wandb_swan import"),
)
"""The edit that a user makes, in every file of the tests."""

_ALL = ("tests/unit_tests",)
"""What is run if nothing is named: all that needs no server (some 2,800 tests at 0.28.2, ten minutes a time)."""


def run(checkout: Path, arguments: list[str], folder: Path, *, in_place: bool) -> dict[str, str]:
    """Test id -> passed, failed or skipped."""
    work = folder / ("wandb_swan" if in_place else "wandb")
    shutil.copytree(checkout / "tests", work / "tests")
    for name in ("pytest.ini", "pyproject.toml", "conftest.py"):
        if (checkout / name).exists():
            shutil.copy(checkout / name, work / name)
    if in_place:
        for file in (work / "tests").rglob("*.py"):
            text = file.read_text("utf-8")
            for pattern, replacement in _IMPORTS:
                text = pattern.sub(replacement, text)
            file.write_text(text, "utf-8")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("WANDB", "SWANLAB"))} | {
        "HOME": str(work),
        "PYTHONPATH": str(work),
        "WANDB_SWAN": "1" if in_place else "0",
        "WANDB_SWAN_MODE": "offline",
        "WANDB_SWAN_FINISH_TIMEOUT": "0",
    }
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "addopts="),
            *("--junitxml=results.xml", "--continue-on-collection-errors", *arguments),
        ],
        cwd=work,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    report = work / "results.xml"
    if not report.exists():
        sys.exit(f"wandb's tests did not run:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    results = {}
    for case in ElementTree.parse(report).iter("testcase"):
        states = {child.tag for child in case}
        state = "failed" if states & {"failure", "error"} else "skipped" if "skipped" in states else "passed"
        results[f"{case.get('classname')}::{case.get('name')}"] = state
    return results


def main() -> int:
    checkout, arguments = Path(sys.argv[1]).absolute(), sys.argv[2:] or list(_ALL)
    with tempfile.TemporaryDirectory() as name:
        bare = run(checkout, arguments, Path(name), in_place=False)
        ours = run(checkout, arguments, Path(name), in_place=True)
    for title, results in (("bare wandb", bare), ("wandb_swan in its place", ours)):
        counts = {state: list(results.values()).count(state) for state in ("passed", "failed", "skipped")}
        print(f"{title} {version('wandb')}: " + ", ".join(f"{count} {state}" for state, count in counts.items()))
    different = sorted(test for test in bare.keys() | ours.keys() if bare.get(test) != ours.get(test))
    for test in different:
        print(f"{test}: {bare.get(test, 'absent')} with wandb, {ours.get(test, 'absent')} with wandb_swan")
    print(f"{len(different)} differ")
    return int(any(bare.get(test) == "passed" for test in different))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main())
