"""Runs in wandb's format before 0.10, made by the real old version (`fixtures/make_json.py`), whole and damaged."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from compat_tests.convert.conftest import Cli
from compat_tests.stores import SwanStore

pytestmark = pytest.mark.live

FOLDER = "dryrun-20200102_030405-old08"


@pytest.fixture
def wandb(tmp_path: Path) -> Path:
    made = Path(__file__).parent / "fixtures" / "json-0.8.36"
    shutil.copytree(made, tmp_path / "wandb")
    return tmp_path / "wandb"


def only(cli: Cli) -> SwanStore:
    (store,) = cli.stores().values()
    return store


def test_a_whole_run(wandb: Path, cli: Cli) -> None:
    said = cli.local(wandb, "--strict", "--verify=full")
    assert "1 converted" in said and "yes (full)" in said
    store = only(cli)
    assert store.scalars["loss"] == {i: i / 4 for i in range(4)} and store.scalars["deep/er"][3] == 3
    assert {key: len(items) for key, steps in store.media.items() for items in steps.values()} == {
        **{key: 1 for key in ("word", "pictures", "one", "histogram", "table", "page")}
    }
    assert store.media["pictures"][20][0].caption == "c0 | c1 | c2"
    start = store.start
    described = (start.id, start.name, start.description, start.job_type)  # without W&B, the group is nowhere
    assert described == ("old08", "an old run", "note", "train")
    assert (store.state, store.config["lr"], store.config["text"], store.config["late"]) == ("finished", 0.5, "0.5", 3)
    assert store.console() == ["line 0", "line 1", "line 2", "to stderr", "line 3"]
    assert store.about["summary"]["best"] == 11
    assert (store.dir / "files" / "weights.bin").read_bytes() == b"w" * 100
    assert "1 of 1 runs identical" in cli("verify", wandb, cli.dir / "swanlog")
    assert "1 skipped" in cli.local(wandb)
    with (wandb / FOLDER / "wandb-history.jsonl").open("a") as history:
        history.write(json.dumps({"loss": 9.0, "_step": 21, "_timestamp": 1600000000.0}) + "\n")
    assert "1 converted" in cli.local(wandb)
    assert only(cli).scalars["loss"][21] == 9.0


def _cut(folder: Path) -> None:
    history = folder / "wandb-history.jsonl"
    history.write_bytes(history.read_bytes()[:-40])


def _broken_line(folder: Path) -> None:
    history = folder / "wandb-history.jsonl"
    history.write_text(history.read_text().replace('{"loss": 0.25', '{"loss": 0.25,,'))


def _gone(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def _text(name: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(text)


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut in its last row": (_cut, "wandb-history.jsonl is cut in line 5: converted up to there"),
    "a line that is no JSON": (_broken_line, "not carried over: 1 x cannot be read: no JSON"),
    "no metadata": (_gone("wandb-metadata.json"), "1 converted"),
    "no config": (_gone("config.yaml"), "1 converted"),
    "a config that is no YAML": (_text("config.yaml", "a: [1,"), "config.yaml cannot be read"),
    "a config that is a list": (_text("config.yaml", "- 1"), "1 converted"),
    "a summary that is no JSON": (_text("wandb-summary.json", "{"), "wandb-summary.json cannot be read"),
    "metadata of other types": (
        _text("wandb-metadata.json", '{"tags": 3, "startedAt": 7, "exitcode": "x", "name": ["a"]}'),
        "1 converted",
    ),
    "no output": (_gone("output.log"), "1 converted"),
    "rows that are no rows": (_text("wandb-history.jsonl", '[1]\n\n{"a": 1}\n'), "1 x cannot be read: no JSON"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_run(wandb: Path, cli: Cli, damage: str) -> None:
    act, told = DAMAGES[damage]
    act(wandb / FOLDER)
    said = cli.local(wandb)
    assert told in said and "1 converted" in said and "NO (" not in said
    assert (only(cli).state == "finished") == ("metadata" not in damage)


def test_a_file_whose_name_is_no_text(wandb: Path, cli: Cli) -> None:
    (wandb / FOLDER / os.fsdecode(b"odd-\xff.bin")).write_bytes(b"x")
    cli.local(wandb)
    (lost,) = only(cli).about["not_mirrored"]
    assert lost == {"key": r"odd-\xff.bin", "reason": "file left out: its name is no valid UTF-8", "count": 1}
