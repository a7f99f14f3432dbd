"""`convert --follow` at the ends: runs that are killed, leave the list, wait for their turn; and how it is stopped.

The rounds are played: `look` is what lists the runs at each of them. The conversions are real where not said otherwise.
"""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from compat_tests.conftest import clean_environment
from compat_tests.convert.conftest import Cli
from compat_tests.stores import SwanStore
from compat_tests.unit.logs import END, begin, record, row
from wandb_swan.convert import follow, scheduler
from wandb_swan.convert.choice import Chosen
from wandb_swan.convert.follow import Following
from wandb_swan.convert.jobs import Job
from wandb_swan.convert.report import Report, RunReport
from wandb_swan.convert.scheduler import convert_all
from wandb_swan.convert.stop import Stopped
from wandb_swan.journal.writer import JournalWriter
from wandb_swan.sources.local_run import LocalRun
from wandb_swan.sources.reference import RunReference
from wandb_swan.sources.selection import Options

pytestmark = pytest.mark.live

CODE = 128 + signal.SIGINT


class Training:
    """A run that a program of plain wandb writes."""

    def __init__(self, place: Path, run_id: str) -> None:
        folder = place / "wandb" / f"run-20240101_000000-{run_id}"
        folder.mkdir(parents=True)
        self.rows = 0
        self._log = JournalWriter(folder / f"run-{run_id}.wandb")
        at = len(list((place / "wandb").iterdir()))
        self._log.append(record(lambda made: made.MergeFromString(begin(at)) and setattr(made.run, "run_id", run_id)))
        self.log(3)

    def log(self, rows: int) -> None:
        for _ in range(rows):
            self._log.append(row(self.rows, f"{self.rows}.5"))
            self.rows += 1

    def end(self) -> None:
        self._log.append(END)

    def is_silent(self) -> None:
        """For an hour."""
        then = time.time() - 3600
        os.utime(self._log.path, (then, then))

    @property
    def listed(self) -> RunReference:
        return LocalRun([self._log.path]).reference()


class Play:
    """`--follow` in this process, and what it says."""

    def __init__(self, place: Path, **options: Any) -> None:
        self.log_dir = place / "swanlog"
        self._options = Options(log_dir=self.log_dir, **options)
        self._out = io.StringIO()
        self.runs: dict[str, RunReport] = {}
        """Run id -> what the report says of it by now."""

    def on_report(self, report: Report) -> None:
        self.runs = {run.run_id: run for run in report.runs}

    def __call__(
        self, rounds: Iterator[Sequence[RunReference | Training]], *, workers: int = 2, every: float = 0.2
    ) -> str:
        """What it said. It is stopped when there are no more rounds."""

        def look() -> Chosen:
            for listed in rounds:
                return Chosen([run.listed if isinstance(run, Training) else run for run in listed])
            raise Stopped(CODE)

        console = Console(file=self._out, width=10_000)
        following = Following(
            look, self._options, every=every, workers=workers, console=console, on_report=self.on_report
        )
        assert following.run() == CODE
        return self._out.getvalue()

    def state(self, run_id: str) -> str:
        return self.runs[run_id].state if run_id in self.runs else ""

    @property
    def folders(self) -> list[str]:
        return sorted(path.name for path in self.log_dir.glob("run-*"))


def until(condition: Any, *listed: RunReference | Training) -> Iterator[Sequence[RunReference | Training]]:
    """The same list at each round until something has come to pass."""
    for _ in range(300):
        if condition():
            return
        yield listed
    pytest.fail("it did not come to that")


def test_a_killed_run_that_had_grown_is_converted_once(tmp_path: Path) -> None:
    one, play = Training(tmp_path, "one"), Play(tmp_path)

    def rounds() -> Iterator[Sequence[RunReference | Training]]:
        yield from until(lambda: play.state("one") == "following", one)
        one.log(4)
        yield from until(lambda: play.runs["one"].points == 7, one)
        one.is_silent()
        yield from until(lambda: play.state("one") == "converted", one)
        folders.extend(play.folders)
        for _ in range(5):
            yield [one]

    folders: list[str] = []
    said = play(rounds())
    assert play.folders == folders and said.count("converted") == 1
    assert play.runs["one"].identical and "1 done, 0 not yet" in said


def test_a_run_that_has_ended_and_is_listed_no_more_is_converted_whole(tmp_path: Path) -> None:
    """As with `--state running`."""
    one, play = Training(tmp_path, "one"), Play(tmp_path)

    def rounds() -> Iterator[Sequence[RunReference | Training]]:
        yield from until(lambda: play.state("one") == "following", one)
        one.log(4)
        one.end()
        yield from until(lambda: play.state("one") == "converted")

    play(rounds())
    run = play.runs["one"]
    assert (run.state, run.points, run.identical) == ("converted", 7, True)


def test_a_run_that_goes_on_and_is_listed_no_more_is_left_once(tmp_path: Path) -> None:
    one, play = Training(tmp_path, "one"), Play(tmp_path)

    def rounds() -> Iterator[Sequence[RunReference | Training]]:
        yield from until(lambda: play.state("one") == "following", one)
        for _ in range(20):
            yield []

    assert "0 done, 1 not yet" in play(rounds())
    (folder,) = play.log_dir.glob("run-*")
    assert SwanStore.read(folder).state == "aborted"


def test_runs_that_had_their_turn_and_are_listed_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "TURN", 0.0)
    pair, play = (Training(tmp_path, "one"), Training(tmp_path, "two")), Play(tmp_path)

    def rounds() -> Iterator[Sequence[RunReference | Training]]:
        yield from until(lambda: {play.state("one"), play.state("two")} == {"following"}, *pair)
        for training in pair:
            training.log(1)
            training.end()
        yield from until(lambda: {play.state("one"), play.state("two")} == {"converted"})

    play(rounds(), workers=1)
    assert [(run.points, run.identical) for run in play.runs.values()] == [(4, True)] * 2


def test_what_waits_when_it_is_stopped_is_told(tmp_path: Path) -> None:
    pair, play = (Training(tmp_path, "one"), Training(tmp_path, "two")), Play(tmp_path)
    said = play(until(lambda: play.state("one") == "following", *pair), workers=1)
    assert "stopped: 0 done, 2 not yet" in said
    assert play.state("two") == "interrupted" and play.runs["two"].reason


def test_what_waits_and_is_listed_no_more_is_forgotten(tmp_path: Path) -> None:
    (one, two), play = (Training(tmp_path, "one"), Training(tmp_path, "two")), Play(tmp_path)

    def rounds() -> Iterator[Sequence[RunReference | Training]]:
        yield from until(lambda: play.state("one") == "following", one, two)
        yield [one]
        one.end()
        yield from until(lambda: play.state("one") == "converted", one)
        for _ in range(5):
            yield [one]

    assert "stopped: 1 done, 0 not yet" in play(rounds(), workers=1)
    assert list(play.runs) == ["one"]


def converts(**facts: Any) -> Any:
    """In place of a conversion: it says this at once."""

    def convert(job: str, *_: Any, **__: Any) -> str:
        reference = Job.model_validate_json(job).reference
        named = {"source": reference.source, "run_id": reference.run_id, "state": "converted"}
        return RunReport(**(named | facts)).model_dump_json()

    return convert


def test_a_source_that_stays_short_is_asked_less_and_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, play = Training(tmp_path, "one"), Play(tmp_path)
    one.end()
    asked: list[float] = []
    convert = converts(short=True)

    def noted(job: str, **more: Any) -> str:
        asked.append(time.monotonic())
        return str(convert(job, **more))

    monkeypatch.setattr(follow, "convert_reference", noted)
    play(until(lambda: len(asked) == 4, one), every=0.1)
    assert asked[3] - asked[2] >= 0.1 * follow.BACKOFF**3


def test_ctrl_c_again_while_the_last_words_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, play = Training(tmp_path, "one"), Play(tmp_path)
    monkeypatch.setattr(follow, "convert_reference", converts(swanlab="folder"))
    said: Counter[str] = Counter()

    def again(report: Report) -> None:
        play.runs = {run.run_id: run for run in report.runs}
        said["reports"] += 1
        if said["rounds are over"]:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)

    def rounds() -> Iterator[Sequence[RunReference | Training]]:
        yield from until(lambda: play.state("one") == "converted", one)
        said["rounds are over"] = 1

    monkeypatch.setattr(play, "on_report", again)
    assert "stopped: 1 done, 0 not yet; type the same command again to go on" in play(rounds())
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("option", ["--dry-run", "--strict"])
def test_options_that_go_without_it(cli: Cli, option: str) -> None:
    said = cli("convert", "--follow", option, "--wb-project", "p", expect=2)
    assert "--follow goes without --dry-run, --strict, --force, --dask and --quiet" in said


MIRRORED = """
import wandb_swan as wandb
run = wandb.init(id="one", project="p")
for i in range(3):
    run.log({"a": i})
run.finish()
"""


def test_a_run_that_was_mirrored_offline_goes_online(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One whose mirror still sends it to SwanLab's cloud does not, followed or not."""
    (tmp_path / "home").mkdir()
    environment = clean_environment(tmp_path / "home", WANDB_X_DISABLE_STATS="true", WANDB_SWAN_MODE="offline")
    subprocess.run([sys.executable, "-c", MIRRORED], cwd=tmp_path, env=environment, check=True, timeout=120)
    (log,) = (tmp_path / "wandb").glob("*-one/run-one.wandb")
    (status,) = (tmp_path / "swanlog" / "journals").glob("*.status.json")
    reference = LocalRun([log]).reference()
    for module in (follow, scheduler):
        monkeypatch.setattr(module, "convert_reference", converts())

    def followed(mode: str) -> RunReport:
        play = Play(tmp_path, mode=mode)
        play(iter(until(lambda: play.runs, reference)))
        (tmp_path / "swanlog.convert.json").unlink()
        (once,) = convert_all([reference], Options(log_dir=play.log_dir, mode=mode)).runs
        (tmp_path / "swanlog.convert.json").unlink()
        assert (once.state, once.reason) == (play.runs["one"].state, play.runs["one"].reason)
        return once

    assert "it is mirrored already" in followed("offline").reason
    assert followed("online").state == "converted"
    said = json.loads(status.read_text())
    status.write_text(json.dumps(said | {"state": "running", "mode": "online"}))
    assert followed("online").state == "converted"  # nobody completes it: its journal is gone
    status.with_name(status.name.replace(".status.json", ".journal")).touch()
    assert "not whole yet: type `wandb-swan resume " in followed("online").reason
    status.write_text(json.dumps(said | {"state": "running"}))
    assert followed("online").state == "converted"
