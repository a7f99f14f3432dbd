"""What a process beside the worker compares is compared as the worker itself does, also when it dies or the run grows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from compat_tests.conftest import clean_environment
from compat_tests.unit.logs import END, begin, log, row

SCRIPT = """
import json, os, sys, time
os.cpu_count = lambda: 2
import psutil
from pathlib import Path
from wandb_swan.convert.checker import Checker
from wandb_swan.convert.jobs import Job
from wandb_swan.convert.worker import convert
from wandb_swan.sources.local_discovery import discover
from wandb_swan.sources.selection import Options
from wandb_swan.swan.sdk.bulk import BulkWriter

checker = Checker.forked()
(child,) = psutil.Process().children()
begin, write, answers = checker.begin, BulkWriter.rows, []

def begun(source):
    assert begin(source)
    time.sleep(0.5)  # it has read what there is
    if "grows" in sys.argv:
        with source.logs[0].open("ab") as file:
            file.write(Path("rest").read_bytes())
    if "dies" in sys.argv:
        child.kill()
    return True

def other(self, keys, steps, timestamps, columns):
    write(self, keys, steps, timestamps, [[*column[:2], column[2] + 1, *column[3:]] for column in columns])

def noted(*what, finish=checker.finish):
    answers.append(finish(*what))
    return answers[-1]

checker.begin, checker.finish = begun, noted
if "differs" in sys.argv:
    BulkWriter.rows = other
(run,) = discover(Path("wandb")).runs
options = Options(log_dir=Path("swanlog").absolute())
job = Job(reference=run.reference(), run_id="r1", options=options, run_dir="run-again", beside=True)
report = convert(job, lambda points: None, checker=checker)
print(json.dumps([report.state, report.identical, report.points, answers[0] is not None, list(report.differences)]))
"""


@pytest.mark.parametrize("case", ["", "grows", "dies", "differs"])
def test_compared_beside(case: str, tmp_path: Path) -> None:
    (tmp_path / "wandb").mkdir()
    whole = log(
        tmp_path / "wandb" / "run-20240102_030405-r1", begin(1704164645), *(row(at, f"0.{at}") for at in range(4)), END
    )
    if case == "grows":
        size = whole.stat().st_size
        log(tmp_path / "more", begin(1704164645), *(row(at, f"0.{at}") for at in range(4)))
        cut = (tmp_path / "more" / "run-r1.wandb").stat().st_size
        content = whole.read_bytes()
        assert cut < size and content.startswith((tmp_path / "more" / "run-r1.wandb").read_bytes())
        whole.write_bytes(content[: cut - 30])
        (tmp_path / "rest").write_bytes(content[cut - 30 :])
    done = subprocess.run([sys.executable, "-c", SCRIPT, case], cwd=tmp_path, env=clean_environment(tmp_path),
                          capture_output=True, text=True, timeout=120)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    state, identical, points, beside, differences = json.loads(done.stdout.splitlines()[-1])
    assert (state, points, beside) == ("converted", 4, case != "dies")
    assert identical is (case != "differs"), differences
    assert bool(differences) is (case == "differs")
