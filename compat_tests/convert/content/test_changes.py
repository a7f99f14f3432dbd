"""Items of every kind of media are converted, and compared by content: unchanged they are the same, changed they are not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from compat_tests.convert.content.changes import CHANGES
from compat_tests.convert.content.held import SAME, Held
from wandb_swan.parity.content import TableSoFar

pytestmark = pytest.mark.live


def test_what_was_not_changed_is_the_same(held: dict[str, list[Held]]) -> None:
    so_far = TableSoFar()
    said = {key: [item.compare(table=so_far) for item in of] for key, of in held.items()}
    assert all(verdict.same for verdicts in said.values() for verdict in verdicts), said
    assert {key: verdicts[-1].how for key, verdicts in said.items()} == SAME


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_named(held: dict[str, list[Held]], tmp_path: Path, name: str) -> None:
    key, change, said = CHANGES[name]
    *before, last = held[key]
    changed = tmp_path / last.stored.name
    changed.write_bytes(change(last.stored.read_bytes()))
    assert changed.read_bytes() != last.stored.read_bytes()
    so_far = TableSoFar()
    for item in before:
        item.compare(table=so_far)
    found = last.compare(changed, table=so_far)
    assert found.same is False, found
    assert re.search(said, found.how), found.how
    assert len(found.how) < 200


def test_every_kind_is_changed() -> None:
    assert {key for key, _, _ in CHANGES.values()} == set(SAME)
