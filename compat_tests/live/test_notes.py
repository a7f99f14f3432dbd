"""What a real run writes beside its records: every field that is read, and none that is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from compat_tests.conftest import Record
from wandb_swan.journal.models import BeginNote, CauseNote, EndNote, MirrorStatus
from wandb_swan.journal.notes import parse_note
from wandb_swan.journal.reader import LogReader

pytestmark = pytest.mark.live

SCRIPT = """
import wandb_swan as wandb
with wandb.init(project="notes", id="r1") as run:
    run.log({"loss": 1.0})
    raise KeyError("why")
"""


def notes_of(folder: Path) -> list[dict[str, Any]]:
    (journal,) = (folder / "swanlog" / "journals").glob("*.journal")
    with LogReader(journal) as reader:
        return [note for payload in reader if (note := parse_note(payload)) is not None]


def assert_same_fields(written: dict[str, Any], read: BaseModel) -> None:
    assert set(written) == set(type(read).model_fields)
    for name, value in written.items():
        model = getattr(read, name)
        if isinstance(model, BaseModel):
            assert_same_fields(value, model)
        else:
            assert value == (model if not isinstance(model, list) else [*map(plain, model)]), name


def plain(item: Any) -> Any:
    return item.model_dump() if isinstance(item, BaseModel) else item


def test_all_fields_are_written_and_read(record: Record) -> None:
    result = record(SCRIPT, expect=1, WANDB_SWAN_KEEP_JOURNAL="1")
    begin, cause, end = notes_of(result.dir)
    for written, model in ((begin, BeginNote), (cause, CauseNote), (end, EndNote)):
        read, wrong = model.read(written)
        assert not wrong
        assert_same_fields(written, read)
    assert begin["settings"]["keep_journal"] and begin["run"]["log_written"] and begin["trainer"]["argv"]
    assert cause["exception"] == "KeyError" and "why" in cause["traceback"]
    (path,) = (result.dir / "swanlog" / "journals").glob("*.status.json")
    written = json.loads(path.read_text("utf-8"))
    status, wrong = MirrorStatus.read(written)
    assert not wrong
    assert_same_fields(written, status)
    assert status.state == "finished" and status.result == "crashed"
    assert status.part is not None and status.part.last_row == 0
    assert status.self_check is not None and status.self_check.rows_compared == 1
    assert status.size == path.with_name(path.name.replace(".status.json", ".journal")).stat().st_size
