"""A journal's notes and its status file: one list of fields for who writes and who reads, and what wrong values cost."""

from __future__ import annotations

import json
import subprocess
import sys
import types
import typing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from wandb_swan.exceptions import UnknownFormatError
from wandb_swan.journal import fields, models
from wandb_swan.journal.fields import FORMAT, StatusFields, usable
from wandb_swan.journal.life import identity, lives
from wandb_swan.journal.models import BeginNote, CauseNote, EndNote, MirrorStatus
from wandb_swan.settings import SwanSettings

PAIRS = [
    (fields.BeginFields, BeginNote),
    (fields.VersionFields, models.VersionsNote),
    (fields.RunFields, models.RunNote),
    (fields.TrainerFields, models.TrainerNote),
    (fields.SettingsFields, models.SettingsNote),
    (fields.CauseFields, CauseNote),
    (fields.EndFields, EndNote),
    (fields.StatusFields, MirrorStatus),
    (fields.LossFields, models.Loss),
    (fields.SelfCheckFields, models.SelfCheck),
    (fields.PartFields, models.PartSteps),
]


def spelled(kind: Any) -> Any:
    """A type of either side in one form: models and typed dicts of a pair are the same; None is one of its options."""
    while typing.get_origin(kind) is typing.Annotated:
        kind = typing.get_args(kind)[0]
    for form, model in PAIRS:
        if kind in (form, model):
            return model.__name__
    if typing.get_origin(kind) is typing.Literal:
        return str if kind is models.SettingsNote.model_fields["mode"].annotation else kind
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        (kind,) = [item for item in arguments if item is not types.NoneType]
        return "optional", spelled(kind)
    return (origin, *map(spelled, arguments)) if origin else kind


def optional(kind: Any) -> Any:
    """A reader takes None for what a writer always writes."""
    return kind[1] if isinstance(kind, tuple) and kind[0] == "optional" else kind


@pytest.mark.parametrize(("form", "model"), PAIRS)
def test_both_sides_have_the_same_fields(form: Any, model: type[BaseModel]) -> None:
    written = {name: spelled(kind) for name, kind in typing.get_type_hints(form).items()}
    read = {name: spelled(kind) for name, kind in typing.get_type_hints(model, include_extras=True).items()}
    read = {name: kind for name, kind in read.items() if name in model.model_fields}
    if model is models.SettingsNote:
        read["mode"] = written["mode"]  # `SwanSettings` says which there are
    assert list(written) == list(model.model_fields) or form is fields.TrainerFields
    assert {name: optional(kind) for name, kind in written.items()} == {n: optional(kind) for n, kind in read.items()}
    for name, kind in written.items():
        assert optional(kind) == kind or optional(read[name]) != read[name], f"None is written as {name}, and not read"


def test_the_settings_of_a_note_are_all_settings_there_are() -> None:
    assert list(models.SettingsNote.model_fields) == list(SwanSettings.model_fields)
    for name, field in SwanSettings.model_fields.items():
        default = getattr(models.SettingsNote(), name)
        assert default == (str(field.default) if isinstance(field.default, Path) else field.default)
    written = SwanSettings(log_dir=Path("logs"), mode="local").model_dump(mode="json")
    note, wrong = models.SettingsNote.read(written)
    assert not wrong and note.model_dump() == written


def test_the_rooms_of_the_training_process_need_no_pydantic() -> None:
    """Without the package's own `__init__`, which imports wandb, and wandb pydantic."""
    code = f"""
import sys, types
sys.modules["pydantic"] = sys.modules["pydantic_core"] = None
package = types.ModuleType("wandb_swan")
package.__path__ = [{str(Path(fields.__file__).parent.parent)!r}]
sys.modules["wandb_swan"] = package
from wandb_swan.journal import claim, fields, framing, handlers, life, notes, paths, reader, status, writer
from pathlib import Path
journal = Path("r1-20260101_000000.journal")
writing = writer.JournalWriter(journal)
writing.note(type="begin", format=fields.FORMAT, trainer=life.identity())
writing.close()
assert status.write_status(journal, {{"state": "failed", "reason": "no room"}})
assert life.Trainer.of(journal).may_write()
assert status.unfinished(Path()) == 0 and not status.is_whole(journal)
print(status.outcome(journal, ended=True))
try:
    from wandb_swan.journal import models
except ImportError:
    print("models need it")
"""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "the run is not whole in SwanLab (no room); nothing is lost: "
        "type `wandb-swan resume r1-20260101_000000.journal`",
        "models need it",
    ]


BEGIN: dict[str, Any] = {
    "type": "begin",
    "format": FORMAT,
    "versions": {"wandb_swan": "0.1.0", "wandb": "0.31.0"},
    "run": {"files": "/w/files", "log": "/w/run.wandb", "log_written": True},
    "settings": {"mode": "offline", "log_dir": "/logs", "keep_journal": True},
}


@pytest.mark.parametrize(
    ("part", "wrong", "said"),
    [
        ("settings", {"finish_timeout": "soon"}, "settings.finish_timeout is 'soon', which cannot be used"),
        ("settings", {"finish_timeout": -1}, "settings.finish_timeout is -1, which cannot be used"),
        ("settings", {"mode": "nowhere"}, "settings.mode is 'nowhere', which cannot be used"),
        ("settings", {"log_dir": "a\0b"}, r"settings.log_dir is 'a\x00b', which cannot be used"),
        ("settings", {"project": 5}, "settings.project is 5, which cannot be used"),
        ("run", {"files": 5}, "run.files is 5, which cannot be used"),
        ("run", {"log": ["/w"]}, "run.log is ['/w'], which cannot be used"),
        ("trainer", {"pid": "1"}, "trainer.pid is '1', which cannot be used"),
        ("trainer", {"argv": "python"}, "trainer.argv is 'python', which cannot be used"),
    ],
)
def test_a_wrong_value_costs_its_field(part: str, wrong: dict[str, Any], said: str) -> None:
    note, complaints = BeginNote.read(BEGIN | {part: BEGIN.get(part, {}) | wrong})
    assert [complaint.split(" (")[0] for complaint in complaints] == [said]
    (name,) = wrong
    right, _ = BeginNote.read(BEGIN)
    default = type(getattr(right, part))()
    assert getattr(note, part) == getattr(right, part).model_copy(update={name: getattr(default, name)})


@pytest.mark.parametrize("part", ["settings", "run", "versions", "trainer"])
@pytest.mark.parametrize("wrong", [["a"], "text", 5, None])
def test_a_part_that_is_no_object_costs_that_part(part: str, wrong: object) -> None:
    note, (complaint,) = BeginNote.read(BEGIN | {part: wrong})
    assert complaint.startswith(f"{part} is ") and getattr(note, part) == type(getattr(BeginNote(), part))()
    assert note.settings.mode == (None if part == "settings" else "offline")


@pytest.mark.parametrize("unknown", [99, 0, "1", 1.0, True, None, [1]])
def test_an_unknown_format_costs_the_run(unknown: object) -> None:
    with pytest.raises(UnknownFormatError, match=r"written by wandb_swan 0\.1\.0.*pip install -U wandb-swan") as error:
        BeginNote.read(BEGIN | {"format": unknown})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("wrong", [{"pid": "1"}, {"pid": True}, {"started": "now"}, {"boot": 5}, [], "me"])
def test_half_of_a_process_is_none(wrong: Any) -> None:
    """A wrong start time must not make a process that lives a dead one."""
    own = identity()
    found = {**own, **wrong} if isinstance(wrong, dict) else wrong
    assert usable(fields.IdentityFields, own) == own
    assert lives(usable(fields.IdentityFields, found)) is None


def test_a_note_tells_its_journal_from_others() -> None:
    one, other = BeginNote.read(BEGIN)[0], BeginNote.read(BEGIN | {"trainer": {"pid": 7}})[0]
    assert one.fingerprint == BeginNote.read(BEGIN)[0].fingerprint != other.fingerprint


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def nearly(model: type[BaseModel]) -> st.SearchStrategy[dict[str, Any]]:
    """JSON objects with the fields of a model, each of its own type or of any other."""
    values: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        inner: Any = {"part": models.PartSteps, "self_check": models.SelfCheck}.get(name)
        if name == "not_mirrored":
            values[name] = JSON | st.lists(nearly(models.Loss), max_size=2)
        else:
            right = nearly(inner) if inner else st.from_type(typing.cast(Any, field.annotation))
            values[name] = JSON | right
    return st.fixed_dictionaries({}, optional=values)


def plain(found: object) -> dict[str, Any]:
    """What the training process reads, with the defaults of the model for what it leaves out."""
    read: dict[str, Any] = MirrorStatus().model_dump() | dict(usable(StatusFields, found))
    for name, model in (("part", models.PartSteps), ("self_check", models.SelfCheck)):
        if read[name] is not None:
            read[name] = model().model_dump() | read[name]
    read["not_mirrored"] = [models.Loss().model_dump() | loss for loss in read["not_mirrored"]]
    return read


@settings(max_examples=300, deadline=None)
@given(nearly(MirrorStatus) | JSON)
def test_both_sides_read_the_same_in_any_status(found: object) -> None:
    assume("\\u0000" not in json.dumps(found))  # no path has it: which field is a path, the training need not know
    found = json.loads(json.dumps(found))
    status, _ = MirrorStatus.read(found)
    assert json.loads(json.dumps(plain(found))) == status.model_dump(mode="json")


@settings(max_examples=200, deadline=None)
@given(JSON, JSON, JSON, JSON, JSON)
def test_any_note_is_read(versions: object, run: object, trainer: object, given: object, code: object) -> None:
    parts = {"versions": versions, "run": run, "trainer": trainer, "settings": given}
    note, wrong = BeginNote.read(json.loads(json.dumps(parts)))
    assert len(wrong) >= sum(not isinstance(part, dict) for part in parts.values())
    assert note.settings.log_dir and note.settings.finish_timeout >= 0
    EndNote.read({"exit_code": code})
    CauseNote.read({"exception": code, "traceback": run})


def test_a_status_is_written_whole_and_read_again(tmp_path: Path) -> None:
    journal = tmp_path / "r1-20260101_000000.journal"
    status = MirrorStatus(
        state="finished",
        part=models.PartSteps(last_step=3),
        not_mirrored=[models.Loss(key="\ud800", reason="no place", count=2)],
        refused={"why": 1},
    )
    assert status.write(journal)
    text = journal.with_suffix(".status.json").read_text("utf-8")
    assert text.startswith('{"state": "finished"')  # what `status.unfinished` looks for
    assert list(json.loads(text)) == list(MirrorStatus.model_fields)
    assert MirrorStatus.of(journal) == status and status.not_mirrored[0].key == "?"
