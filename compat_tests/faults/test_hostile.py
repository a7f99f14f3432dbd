"""Damaged and hostile journals: whole records before the damage count, and the damage is named."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wandb.proto import wandb_internal_pb2 as pb

from compat_tests.faults.conftest import Train, Training
from compat_tests.journals import fed, read, valued, written
from compat_tests.stores import SwanStore
from wandb_swan.exceptions import UnknownFormatError
from wandb_swan.journal.fields import FORMAT
from wandb_swan.journal.framing import FILE_HEADER
from wandb_swan.journal.models import BeginNote, RunNote
from wandb_swan.stream.records import Decoder

FAST = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


records = st.lists(st.one_of(st.binary(max_size=300), st.integers(32_700, 70_000).map(bytes)), max_size=5)


@FAST
@given(records)
def test_what_was_written_is_read(payloads: list[bytes]) -> None:
    assert read(written(payloads)) == (payloads, None)


@pytest.mark.fault(
    "A log cut anywhere (hypothesis)",
    "every whole record before the cut is read",
)
@FAST
@given(records, st.data())
def test_a_log_that_is_cut_anywhere(payloads: list[bytes], data: st.DataObject) -> None:
    whole = written(payloads)
    cut = data.draw(st.integers(0, len(whole)))
    got, _ = read(whole[:cut])
    assert got == payloads[: len(got)]
    assert len(got) == sum(len(written(payloads[: n + 1])) <= cut for n in range(len(payloads)))


@pytest.mark.fault(
    "Any bytes flipped, anywhere (hypothesis)",
    "only whole, right records are read",
)
@FAST
@given(records, st.lists(st.tuples(st.integers(0), st.integers(1, 255)), min_size=1, max_size=4))
def test_a_log_with_flipped_bytes(payloads: list[bytes], flips: list[tuple[int, int]]) -> None:
    whole = bytearray(written(payloads))
    for position, mask in flips:
        whole[position % len(whole)] ^= mask
    got, damage = read(bytes(whole))
    assert got == payloads[: len(got)]
    assert got == payloads or damage is None or "offset" in damage or "header" in damage


@FAST
@given(st.binary(max_size=2000))
def test_a_file_of_anything(content: bytes) -> None:
    read(content)
    read(FILE_HEADER + content)


@FAST
@given(st.binary(max_size=500))
def test_the_decoder_takes_any_bytes(payload: bytes) -> None:
    fed([payload])
    decoder = Decoder()
    list(decoder.feed(payload))
    list(decoder.finish())


JUNK = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["[" * 100_000, "9" * 10_000, '{"a":' * 3000 + "1" + "}" * 3000, "1e99999", "NaN", "nul", '"\\ud800"']
    ),
    st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=5), lambda x: st.lists(x, max_size=3)).map(
        json.dumps
    ),
)


@pytest.mark.fault(
    "Any bytes, values and notes in a record (hypothesis)",
    "the decoder counts what it cannot read and never raises",
)
@FAST
@given(st.integers(), st.lists(st.tuples(st.lists(st.text(max_size=5), max_size=3), JUNK), max_size=5))
def test_the_decoder_takes_any_value(kind: int, items: list[tuple[list[str], str]]) -> None:
    fed([valued(kind, items)])


ANY = st.recursive(st.none() | st.integers() | st.text(max_size=5), lambda x: st.lists(x, max_size=2), max_leaves=4)
NOTE = st.dictionaries(
    st.sampled_from(["run", "settings", "exit_code", "exception", "traceback", "format", "versions", "trainer"]), ANY
)


@FAST
@given(st.sampled_from(["begin", "exit", "end", 5, None]), NOTE)
def test_the_decoder_takes_any_note(kind: object, note: dict[str, object]) -> None:
    decoder = Decoder()
    known = note.get("format", FORMAT)
    refused = kind == "begin" and (type(known) is not int or known != FORMAT)
    with pytest.raises(UnknownFormatError) if refused else contextlib.nullcontext():
        list(decoder.feed(json.dumps({"type": kind, **note}).encode()))
    list(decoder.finish())
    assert isinstance(decoder.begin, BeginNote) and isinstance(decoder.begin.run, RunNote)


# ---------------------------------------------------------------------- whole journals through the mirror

SCRIPT = """
run = wandb.init(project="p", id="r1")
for i in range(400):
    run.log({"loss": i / 3})
run.finish()
"""


def partial(key: str, value: str, nested: list[str] | None = None) -> bytes:
    """A value that goes into the row of the next `log()` call."""
    record = pb.Record()
    history = record.request.partial_history
    history.action.flush = False
    item = history.item.add(value_json=value)
    if nested:
        item.nested_key.extend(nested)
    else:
        item.key = key
    return record.SerializeToString()


def bombs() -> list[bytes]:
    """Records that no run makes."""
    saved = pb.Record()
    saved.files.files.add(path="../../secret.txt")
    saved.files.files.add(path="/etc/passwd")
    image = json.dumps({"_type": "image-file", "path": "../../secret.txt", "format": "png"})
    broken = bytearray(partial("text", '"0123456789"'))
    broken[broken.index(b"0123456789")] = 0xFF
    return [
        partial("deep", "[" * 50_000),
        partial("deep", "[" * 900 + "]" * 900),
        partial("deep", '{"a":' * 900 + "1" + "}" * 900),
        partial("", "1", ["k"] * 5000),
        partial("huge", "9" * 20_000),
        partial("image", image),
        partial("../../etc", "1"),
        bytes(broken),
        saved.SerializeToString(),
        b"\xff" * 100,
        b'{"type": "begin", "run": [' + b"[" * 5000,
        b'{"type": 5, "run": 7}',
    ]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Training:
    from compat_tests.faults.conftest import launch

    folder = tmp_path_factory.mktemp("hostile")
    training = launch(folder, SCRIPT, "work", WANDB_SWAN_KEEP_JOURNAL="1").end().mirrored()
    assert len(training.journals) == 1
    return training


def damaged(kind: str, journal: bytes) -> bytes:
    if kind == "cut":
        return journal[: len(journal) // 2]
    if kind == "cut in the header":
        return journal[:3]
    if kind == "flipped byte":
        middle = len(journal) // 2
        return journal[:middle] + bytes([journal[middle] ^ 0x40]) + journal[middle + 1 :]
    if kind == "wrong header":
        return b"nope" + journal[4:]
    if kind == "huge length":
        at = len(written(payloads(journal)[:100]))
        return journal[: at + 4] + b"\xff\xff" + journal[at + 6 :]
    if kind == "zeros at the end":
        return journal[: len(journal) // 2] + bytes(5000)
    if kind in NOTES:
        begin, *records = payloads(journal)
        return written([NOTES[kind](json.loads(begin)), *records])
    if kind == "bombs":
        records = payloads(journal)
        return written([*records[:200], *bombs(), *records[200:]])
    raise AssertionError(kind)


def payloads(journal: bytes) -> list[bytes]:
    return read(journal)[0]


def encoded(note: dict[str, object]) -> bytes:
    return json.dumps(note).encode()


NOTES: dict[str, Callable[[dict[str, Any]], bytes]] = {
    "an unknown format": lambda note: encoded(note | {"format": 99, "versions": {"wandb_swan": "7.0.0"}}),
    "wrong settings": lambda note: encoded(
        note | {"settings": note["settings"] | {"finish_timeout": "soon", "keep_original": 7, "project": ["p"]}}
    ),
    "wrong parts": lambda note: encoded(note | {"settings": [1], "run": 5, "trainer": "me", "versions": None}),
    "half a note": lambda note: encoded(note)[:-100],
}

KINDS = ("cut", "cut in the header", "flipped byte", "wrong header", "huge length", "zeros at the end", "bombs")


@pytest.fixture(scope="module")
def resumed(kept: Training) -> dict[str, tuple[dict[str, object], str]]:
    """Every damage, resumed in one go without wandb's log: kind -> status and log."""
    (original,) = kept.journals
    whole = original.read_bytes()
    for path in kept.dir.glob("wandb"):
        shutil.rmtree(path)
    (kept.dir / "secret.txt").write_text("secret")
    for suffix in (".journal", ".log", ".status.json"):
        original.with_suffix(suffix).unlink()
    folder = original.parent
    for kind in (*KINDS, *NOTES):
        (folder / f"{kind.replace(' ', '_')}.journal").write_bytes(damaged(kind, whole))
    kept.command("resume", "swanlog", expect=1)
    return {
        kind: (
            json.loads((folder / f"{kind.replace(' ', '_')}.status.json").read_text()),
            (folder / f"{kind.replace(' ', '_')}.log").read_text(),
        )
        for kind in (*KINDS, *NOTES)
    }


@pytest.mark.fault(
    "A journal that is cut, has a flipped byte, a wrong header, a huge length, zeros, invalid UTF-8, JSON bombs, `../` paths",
    "whole records before the damage are in SwanLab; the damage is named with its offset; no traceback; no foreign file is read",
)
@pytest.mark.parametrize("kind", KINDS)
def test_whole_records_before_the_damage_are_mirrored(
    resumed: dict[str, tuple[dict[str, object], str]], kind: str
) -> None:
    status, log = resumed[kind]
    assert "Traceback" not in log
    if kind in ("wrong header", "cut in the header"):
        assert status["state"] == "failed"
        assert "header" in str(status["reason"])
        return
    assert status["state"] == "finished"
    swan = SwanStore.read(Path(str(status["run_dir"])))
    points = swan.scalars["loss"]
    assert points == {i: i / 3 for i in range(len(points))}
    if kind == "bombs":
        assert len(points) == 400
        assert status["unreadable"]
        copies = [path for path in swan.dir.rglob("*") if path.is_file() and path.read_bytes() == b"secret"]
        assert not copies
        assert swan.state == "finished"
    else:
        assert 50 < len(points) < 400
        assert swan.state == "crashed"
        assert "offset" in str(status["torn"])
    # What lies behind the damage is in the journal alone, which stays.
    assert bool(status["only_copy"]) == (kind in ("flipped byte", "huge length", "zeros at the end"))


@pytest.mark.fault(
    "The first note of a journal has wrong values, wrong parts, is cut, or is of a format that this version does not know",
    "all records are in SwanLab, with the defaults of what is wrong, which the log names; of an unknown format none, and "
    "one line says which version wrote it and what to install; no traceback",
)
@pytest.mark.parametrize("kind", NOTES)
def test_a_first_note_that_is_wrong(resumed: dict[str, tuple[dict[str, object], str]], kind: str) -> None:
    status, log = resumed[kind]
    assert "Traceback" not in log
    if kind == "an unknown format":
        assert status["state"] == "failed"
        assert "format 99, written by wandb_swan 7.0.0" in str(status["reason"])
        assert "pip install -U wandb-swan" in str(status["reason"])
        return
    assert status["state"] == "finished"
    swan = SwanStore.read(Path(str(status["run_dir"])))
    assert swan.scalars["loss"] == {i: i / 3 for i in range(400)}
    if kind != "half a note":
        assert ("settings.finish_timeout is 'soon'" if kind == "wrong settings" else "run is 5") in log


@pytest.mark.fault(
    "A torn journal beside a whole log of wandb's",
    "completed from that log; equal stores",
)
def test_a_torn_journal_is_completed_from_wandbs_log(train: Train, unharmed: Callable[..., None]) -> None:
    from compat_tests.faults.conftest import assert_whole

    training = train(SCRIPT, gates=False, WANDB_SWAN_KEEP_JOURNAL="1").end().mirrored()
    unharmed(training, SCRIPT)
    (journal,) = training.journals
    journal.write_bytes(journal.read_bytes()[:9000])
    status = journal.with_suffix(".status.json")
    told = json.loads(status.read_text())
    status.write_text(json.dumps(told | {"state": "running"}))
    training.command("resume")
    swan = assert_whole(training)
    assert swan.state == "finished"
    assert "Traceback" not in training.log()
