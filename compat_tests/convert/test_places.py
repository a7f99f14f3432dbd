"""Where local runs are looked for, and what is said of all that lies there."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
from pathlib import Path

import pytest

from compat_tests.convert.conftest import Cli
from compat_tests.unit.logs import END, begin, record, row
from wandb_swan.journal.writer import JournalWriter
from wandb_swan.sources.local_discovery import discover

pytestmark = pytest.mark.live


def run_in(wandb: Path, run_id: str, *, at: int = 1, prefix: str = "run") -> Path:
    """A run folder with a log of three rows."""
    folder = wandb / f"{prefix}-20240101_000000-{run_id}"
    folder.mkdir(parents=True)
    writer = JournalWriter(folder / f"run-{run_id}.wandb")
    named = record(lambda made: made.MergeFromString(begin(at)) and setattr(made.run, "run_id", run_id))
    for payload in (named, row(0, "1.5"), row(1, "2.5"), row(2, "3.5"), END):
        writer.append(payload)
    writer.close()
    return folder


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A folder as a project has it after some months."""
    root = tmp_path / "project"
    one, two = root / "wandb", root / "experiments" / "vision (old)" / "wandb"
    first = run_in(one, "a1")
    run_in(one, "a2", at=2, prefix="offline-run")
    run_in(two, "b1", at=3)
    run_in(root / "sub" / ".wandb", "c1", at=4)
    run_in(first / "files" / "copied" / "wandb", "inner", at=5)  # saved with the code of a run
    (one / "latest-run").symlink_to(first.name)
    (one / "run-20240102_000000-empty").mkdir()
    (one / "run-20240102_000000-zero").mkdir()
    (one / "run-20240102_000000-zero" / "run-zero.wandb").write_bytes(b"")
    writer = JournalWriter(run_in(one, "none", at=6).with_name("x.wandb"))
    writer.close()
    (one / "x.wandb").rename(one / "run-20240101_000000-none" / "run-none.wandb")
    run_in(tmp_path / "scratch", "far", at=7)
    (one / "moved").symlink_to(tmp_path / "scratch")
    (one / "run-20240103_000000-gone").symlink_to(tmp_path / "nowhere")
    swan = root / "swanlog" / "run-20240101_000000-a1"
    swan.mkdir(parents=True)
    (swan / "run-a1.swanlab").write_bytes(b"")
    return root


def test_everything_below_a_folder(repository: Path, cli: Cli) -> None:
    report = cli.dir / "report.json"
    said = cli.local(repository, "--report", report)
    assert sorted(cli.stores()) == ["a1", "a2", "b1", "c1"]
    assert "4 converted, 5 without a run" in said
    assert "3 wandb folders:" in said and str(repository / "experiments" / "vision (old)" / "wandb") in said
    told = {Path(none["path"]).name: none["reason"] for none in json.loads(report.read_text())["place"]["no_runs"]}
    assert told == {
        "run-20240102_000000-empty": "holds no .wandb file",
        "run-zero.wandb": "is empty",
        "run-none.wandb": "is empty",
        "moved": f"a link, which is not followed; give {repository.parent / 'scratch'} by itself",
        "run-20240103_000000-gone": "a link that leads nowhere",
    }
    assert "4 of 4 runs identical, 5 not compared" in cli("verify", repository, cli.dir / "swanlog", expect=3)


def test_one_folder_of_many(repository: Path, cli: Cli) -> None:
    cli.local(repository / "wandb", "--no-recursive")
    assert sorted(cli.stores()) == ["a1", "a2"]


@pytest.mark.parametrize("place", ["wandb/run-20240101_000000-a1", "wandb/run-20240101_000000-a1/run-a1.wandb"])
def test_one_run(repository: Path, cli: Cli, place: str) -> None:
    cli.local(repository / place)
    assert sorted(cli.stores()) == ["a1"]
    assert "1 of 1 runs identical" in cli("verify", repository / place, cli.dir / "swanlog")


def test_nothing_but_empty_logs_is_no_failure(tmp_path: Path, cli: Cli) -> None:
    folder = tmp_path / "wandb" / "run-20240102_000000-zero"
    folder.mkdir(parents=True)
    (folder / "run-zero.wandb").write_bytes(b"")
    said = cli.local(tmp_path / "wandb")
    assert "no runs, 1 without a run" in said and "run-zero.wandb: is empty" in said


def test_a_folder_that_cannot_be_read(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (repository / "locked").mkdir()
    (repository / "wandb" / "offline-run-20240101_000000-a2" / "run-a2.wandb").unlink()
    scandir = os.scandir

    def refusing(folder: Path) -> object:  # root may read everything
        if folder == repository / "locked":
            raise PermissionError(errno.EACCES, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refusing)
    found = discover(repository)
    assert sorted(run.run_id for run in found.runs) == ["a1", "b1", "c1"]
    told = {none.path: none.reason for none in found.place.no_runs}
    assert told[repository / "locked"] == "cannot be read: Permission denied"


def strange_folders(wandb: Path) -> tuple[dict[str, str], dict[str, str]]:
    """What lies about on other people's disks: file or folder -> why it is no run, run id -> why it fails."""

    def folder(name: str) -> Path:
        made = wandb / f"run-20240101_000000-{name}"
        made.mkdir(parents=True)
        return made

    def a_log(name: str, content: bytes) -> None:
        (folder(name) / f"run-{name}.wandb").write_bytes(content)

    run_in(wandb, "good")
    os.mkfifo(folder("fifo") / "run-fifo.wandb")
    (folder("folder") / "run-folder.wandb").mkdir()
    (folder("circle") / "run-circle.wandb").symlink_to("run-circle.wandb")
    (wandb / "circle").symlink_to(wandb)
    (folder("named") / "wandb").write_bytes(b"no folder")
    (wandb / "wandb").write_bytes(b"no folder")
    annexed = run_in(wandb / ".git" / "annex", "annexed", at=2) / "run-annexed.wandb"
    (folder("annexed") / "run-annexed.wandb").symlink_to(annexed)
    two = run_in(wandb, "two", at=3) / "run-two.wandb"
    shutil.copy(two, two.with_name("run-other.wandb"))
    a_log("one", b":")
    a_log("header", b":W&B\xe1\xbe\x00")
    a_log("pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    a_log("random", random.Random(1).randbytes(100_000))
    a_log("zeros", b":W&B\xe1\xbe\x00" + bytes(40_000))
    a_log("two\nlines", b"")
    a_log("\x1b[31mred", b"")
    (wandb / os.fsdecode(b"run-20240101_000000-\xff\xfe")).mkdir()
    deep = wandb / "/".join(["deep"] * 300)
    deep.mkdir(parents=True)
    run_in(deep, "deep", at=4)
    no_run = {
        "run-fifo.wandb": "is no file that can be read",
        "run-folder.wandb": "is no file that can be read",
        "run-circle.wandb": "a link that leads nowhere",
        "run-20240101_000000-named": "holds no .wandb file",
        "run-annexed.wandb": f"a link, which is not followed; give {annexed} by itself",
        "run-two.wandb": f"a copy of {two.with_name('run-other.wandb')}",
        "run-one.wandb": "is empty",
        "run-header.wandb": "is empty",
        "run-pointer.wandb": "is a Git LFS pointer in place of the log; `git lfs pull` brings it",
        "run-two\\nlines.wandb": "is empty",
        "run-\x1b[31mred.wandb": "is empty",
        "run-20240101_000000-\\xff\\xfe": "its name is no valid UTF-8; rename it",
    }
    failed = {
        "random": "run-random.wandb is not a wandb transaction log (wrong header at offset 0)",
        "zeros": "run-zeros.wandb ends in zeros from offset 7",
    }
    return no_run, failed


def test_strange_folders_get_one_true_line_each(tmp_path: Path, cli: Cli) -> None:
    wandb = tmp_path / "wandb"
    no_run, failed = strange_folders(wandb)
    report = cli.dir / "report.json"
    said = cli.local(wandb, "--report", report, expect=1)
    told = json.loads(report.read_text())
    assert {Path(none["path"]).name: none["reason"] for none in told["place"]["no_runs"]} == no_run
    assert {run["run_id"]: run["reason"] for run in told["runs"] if run["state"] == "failed"} == failed
    assert sorted(cli.stores()) == ["deep", "good", "two"]
    assert "\x1b" not in said and r"run-\x1b[31mred.wandb: is empty" in said
    assert len([line for line in said.splitlines() if line.startswith("no run: ")]) == len(no_run)
    assert "3 skipped, 2 failed" in cli.local(wandb, expect=1)


@pytest.mark.parametrize("place", ["wandb", "run-20240101_000000-fifo/run-fifo.wandb"])
def test_what_is_no_folder_is_not_called_missing(tmp_path: Path, cli: Cli, place: str) -> None:
    strange_folders(tmp_path / "wandb")
    said = cli.local(tmp_path / "wandb" / place, expect=2)
    assert f"{place} is neither a folder nor a .wandb file" in said


WORDS = ["plain", "with space", "naïve", "实验", "quote's", "a+b", "~tilde", "dot.ted", "-dash", "#hash"]


def mixed_tree(root: Path) -> tuple[dict[str, int], dict[str, str]]:
    """200 folders of ten kinds, in many places: run id -> its rows, and folder or file -> why it is no run."""
    runs: dict[str, int] = {}
    none: dict[str, str] = {}
    old = Path(__file__).parent / "fixtures" / "json-0.8.36" / "dryrun-20200102_030405-old08"
    resumed = record(lambda made: setattr(made.telemetry.feature, "resumed", True))

    def add(folder: Path, run_id: str, at: int, *, step: int = 0, said: tuple[bytes, ...] = (), cut: int = 0) -> None:
        folder.mkdir(parents=True)
        writer = JournalWriter(folder / f"run-{run_id}.wandb")
        named = record(lambda made: made.MergeFromString(begin(at)) and setattr(made.run, "run_id", run_id))
        for payload in (named, *said, *(row(step + n, f"{n}.5") for n in range(3)), END):
            writer.append(payload)
        writer.close()
        if cut:
            writer.path.write_bytes(writer.path.read_bytes()[:-cut])

    for n in range(200):
        wandb = root / WORDS[n // 10 % 10] / ("wandb" if n % 3 else ".wandb")
        run_id = f"r{n}"
        folder = wandb / f"{'offline-' if n % 2 else ''}run-20240101_{n:06}-{run_id}"
        match n % 10:
            case 0 | 1:
                add(folder, run_id, n + 1)
                runs[run_id] = 3
            case 2:  # goes on, from before the last row of the part before it
                for part in range(3):
                    name = folder.with_name(f"run-20240102_{n:04}{part:02}-{run_id}")
                    add(name, run_id, 1000 + n * 10 + part, step=part * 2, said=(resumed,) if part else ())
                runs[run_id] = 7
            case 3:  # the same id again, which counts from 0
                for part in range(2):
                    add(folder.with_name(f"run-20240103_{n:04}{part:02}-{run_id}"), run_id, 5000 + n * 10 + part)
                runs |= {run_id: 3, f"{run_id}-2": 3}
            case 4:
                folder.mkdir(parents=True)
                (folder / f"run-{run_id}.wandb").write_bytes(b"" if n % 20 == 4 else b":W&B\xe1\xbe\x00")
                none[f"run-{run_id}.wandb"] = "is empty"
            case 5:
                (folder / "files").mkdir(parents=True)
                none[folder.name] = "holds no .wandb file"
            case 6:  # torn in its exit record
                add(folder, run_id, n + 1, cut=2)
                runs[run_id] = 3
            case 7:
                shutil.copytree(old, wandb / f"dryrun-20200102_{n:06}-{run_id}")
                runs[run_id] = 5
            case 8:
                add(root.with_name("elsewhere") / folder.name, run_id, n + 1)
                wandb.mkdir(parents=True, exist_ok=True)
                folder.symlink_to(root.with_name("elsewhere") / folder.name)
                none[folder.name] = "a link, which is not followed"
            case 9:  # with a copy of another run in its files, and a log without a run
                add(folder, run_id, n + 1)
                add(folder / "files" / "wandb" / "run-20240101_000000-inner", "inner", n + 1)
                runs[run_id] = 3
                lone = folder.with_name(f"run-20240104_{n:06}-lone{n}")
                lone.mkdir()
                writer = JournalWriter(lone / f"run-lone{n}.wandb")
                writer.append(row(0, "1.5"))
                writer.close()
                none[f"run-lone{n}.wandb"] = "holds no run (1 records)"
    return runs, none


def test_a_tree_of_two_hundred_folders(tmp_path: Path, cli: Cli) -> None:
    runs, none = mixed_tree(tmp_path / "tree")
    report = cli.dir / "report.json"
    said = cli.local(tmp_path / "tree", "--report", report, "--verify=full")
    told = json.loads(report.read_text())
    assert f"{len(runs)} converted, {len(none)} without a run" in said
    assert {run["run_id"]: run["counts"]["rows"] for run in told["runs"]} == runs
    assert all(run["identical"] for run in told["runs"])
    assert {Path(one["path"]).name: one["reason"].partition(";")[0] for one in told["place"]["no_runs"]} == none
    torn = {run["run_id"] for run in told["runs"] if any("cut in" in notice for notice in run["notices"])}
    assert torn == {f"r{n}" for n in range(6, 200, 10)}
    joined = {run["run_id"] for run in told["runs"] if run["source"].count(",") == 2}
    assert joined == {f"r{n}" for n in range(2, 200, 10)}
