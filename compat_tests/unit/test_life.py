"""Who is alive is told by more than a pid, and never by silence alone where it can be seen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from wandb_swan.journal import claim, life
from wandb_swan.journal.claim import Claim, mirror_at
from wandb_swan.journal.life import SILENCE, Trainer, identity, lives, mark_ended, mark_live

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="Linux shows processes in /proc")


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "r1.5-20260101_000000.journal"
    path.write_bytes(b":W&B")
    return path


def of_a_child(then: str) -> dict[str, Any]:
    """The identity of a child process that has done something since."""
    code = f"import json, os, time; from wandb_swan.journal.life import identity; print(json.dumps(identity())); {then}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def age(path: Path, seconds: float) -> None:
    at = time.time() - seconds
    os.utime(path, (at, at))


def test_this_process_lives_and_an_ended_one_does_not() -> None:
    assert lives(identity()) is True
    assert lives(of_a_child("pass")) is False


def test_a_zombie_is_dead() -> None:
    code = "from wandb_swan.journal.life import identity; import json; print(json.dumps(identity()), flush=True)"
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    who = json.loads(child.stdout.readline())
    deadline = time.monotonic() + 30
    while lives(who) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert lives(who) is False
    assert Path(f"/proc/{child.pid}").exists(), "nobody has waited for it yet"
    child.communicate()


def test_a_pid_that_another_process_has_now() -> None:
    assert lives({**identity(), "started": 1}) is False


@pytest.mark.parametrize(
    "elsewhere", [{"boot": "another kernel"}, {"namespace": "pid:[1]"}, {"boot": "", "host": "another"}, {"pid": None}]
)
def test_elsewhere_nobody_is_seen(elsewhere: dict[str, Any]) -> None:
    assert lives({**identity(), **elsewhere}) is None


@pytest.mark.parametrize("who", [{}, {"pid": -1}, {"pid": "1"}, {"pid": True, "boot": 5}, {"pid": 2**80}])
def test_a_note_of_anything(who: dict[str, Any], journal: Path) -> None:
    assert lives(who) in (None, False)
    assert not Trainer(journal, who).may_write()


def test_the_end_is_told_by_a_name(journal: Path) -> None:
    mark_live(journal)
    trainer = Trainer(journal, identity())
    assert trainer.may_write() and trainer.runs()
    assert mark_ended(journal)
    assert not trainer.may_write() and trainer.certain and trainer.runs()
    assert not journal.with_suffix(".live").exists()


def test_a_process_elsewhere_lives_as_long_as_its_journal_grows(journal: Path) -> None:
    elsewhere = {**identity(), "boot": "another kernel"}
    assert not Trainer(journal, elsewhere).may_write(), "no mark: a copy, which nobody writes"
    mark_live(journal)
    assert Trainer(journal, elsewhere).may_write()
    age(journal, SILENCE + 5)
    trainer = Trainer(journal, elsewhere)
    assert not trainer.may_write() and not trainer.certain
    with journal.open("ab") as file:  # it was suspended
        file.write(b"more")
    age(journal, SILENCE + 5)  # whatever its clock says
    assert trainer.may_write()


def test_a_mirror_elsewhere_keeps_its_claim_by_signs_of_life(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim, "identity", lambda: {**identity(), "boot": "another kernel"})
    there, here = Claim.of(journal), Claim.of(journal)
    assert there.take() and not here.take()
    age(journal.with_suffix(".mirror"), SILENCE + 5)
    there.check()
    assert not there.lost and not here.take()
    age(journal.with_suffix(".mirror"), SILENCE + 5)
    monkeypatch.undo()
    assert mirror_at(journal) is None and here.take()
    there.check()
    assert there.lost
    there.release()
    assert mirror_at(journal) is not None, "who has lost it takes nothing away"
    here.release()
    assert sorted(path.name for path in journal.parent.iterdir()) == [journal.name]


def test_a_dead_mirrors_claim_is_free_at_once(journal: Path) -> None:
    journal.with_suffix(".mirror").write_text(json.dumps(of_a_child("pass")))
    assert mirror_at(journal) is None
    mine = Claim.of(journal)
    assert mine.take()
    mine.release()


@pytest.mark.parametrize("content", [b"", b"no JSON", b"[1]", b'{"pid": "x"}'])
def test_a_claim_that_says_nothing_is_one_until_it_is_old(journal: Path, content: bytes) -> None:
    path = journal.with_suffix(".mirror")
    path.write_bytes(content)
    assert mirror_at(journal) is not None and not Claim.of(journal).take()
    age(path, SILENCE + 5)
    mine = Claim.of(journal)
    assert mine.take()
    mine.release()


def test_a_file_system_without_links(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", refuse)
    mine, other = Claim.of(journal), Claim.of(journal)
    assert mine.take() and not other.take()
    mine.release()
    assert other.take()
    other.release()


def test_a_claim_whose_file_is_taken_away_is_made_again(journal: Path) -> None:
    mine = Claim.of(journal)
    assert mine.take()
    journal.with_suffix(".mirror").unlink()
    mine.check()
    assert not mine.lost and mirror_at(journal) is not None
    mine.release()


def test_many_at_once_one_takes_it(journal: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from wandb_swan.journal.claim import Claim; sys.stdin.readline(); "
        "print(int(Claim.of(Path(sys.argv[1])).take()), flush=True); sys.stdin.readline()"
    )
    journal.with_suffix(".mirror").write_text(json.dumps(of_a_child("pass")))  # and all find a dead one's
    there = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(journal)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(6)
    ]
    for one in there:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    took = [int(one.stdout.readline()) for one in there if one.stdout is not None]
    for one in there:
        one.communicate("end\n")
    assert sum(took) == 1


def test_the_begin_note_names_the_process(journal: Path) -> None:
    from wandb_swan.journal.writer import JournalWriter

    journal.unlink()
    writer = JournalWriter(journal)
    writer.note(type="begin", format=1, trainer=identity())
    assert Trainer.of(journal).may_write()
    writer.close()
    assert life.lives(identity())
