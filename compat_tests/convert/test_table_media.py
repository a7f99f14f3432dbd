"""Of the media in the cells of tables, what is not stored is counted by column, and `verify` knows it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from compat_tests.convert.conftest import Cli, run_dirs, train
from compat_tests.stores import SwanStore

pytestmark = pytest.mark.live

TRAIN = """
import numpy
def picture(n):
    return wandb.Image(numpy.full((4, 4, 3), n, dtype=numpy.uint8), caption=f"shade {n}")
run = wandb.init(project="p", id="run1")
run.log({"t": wandb.Table(columns=["word", "im"], data=[["Image", picture(n)] for n in range(3)])})
run.log({"lists": wandb.Table(columns=["ims"], data=[[[picture(8), picture(9)]]])})
run.log({"many": wandb.Table(columns=["n", "im"], data=[[n, picture(n)] for n in range(110)])})
run.log({"joined": wandb.JoinedTable(wandb.Table(columns=["id", "im"], data=[["1", picture(20)]]),
                                     wandb.Table(columns=["id", "n"], data=[["1", 2]]), "id")})
run.finish()
"""
MANY = ("many.im", "SwanLab takes 108 items a step: the others are left out")

GONE = "the artifact of a table is not on this machine: its cells name media that are left out"
JOINED = ("joined", "the data of a joined table is not on this machine: kept as text")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return train(tmp_path / "source", TRAIN)


def staged(source: Path) -> Path:
    return source.parent / "home" / ".local" / "share" / "wandb" / "artifacts" / "staging"


def lost(swan: SwanStore) -> dict[tuple[str, str], int]:
    return {(item["key"], item["reason"]): item["count"] for item in swan.about.get("not_mirrored", [])}


def test_more_than_swanlab_takes_is_counted(source: Path, cli: Cli) -> None:
    cli.local(source)
    (swan,) = cli.stores().values()
    assert [item.caption for item in swan.media["t/im"][0]] == ["row 0: shade 0", "row 1: shade 1", "row 2: shade 2"]
    assert [item.caption for item in swan.media["many/im"][2]] == [f"row {n}: shade {n}" for n in range(108)]
    assert lost(swan) == {MANY: 2}
    rows = json.loads(swan.content("many", 2)[0])["rowData"]
    assert rows[107]["im"] == "many/im, row 107: shade 107" and rows[108]["im"].startswith("image-file media/images/")
    said = cli("verify", source, "swanlog")
    assert "1 of 1 runs identical, 1 of them but for what its SwanLab run itself says" in said
    shutil.rmtree(staged(source))
    said = cli("verify", source, "swanlog", expect=3)
    assert "1 of 1 runs identical" in said and "not on this machine" in said


def test_without_the_artifacts_every_item_is_counted(source: Path, cli: Cli) -> None:
    shutil.rmtree(staged(source))
    cli.local(source)
    (swan,) = cli.stores().values()
    words = {("t.word", GONE): 3}  # a text that reads as wandb's name of a picture: nobody can tell
    pictures = {("t.im", GONE): 3, ("lists.ims", GONE): 2, ("many.im", GONE): 110}
    assert lost(swan) == words | pictures | {JOINED: 1}
    assert json.loads(swan.content("t", 0)[0])["rowData"][0] == {"word": "Image", "im": "Image"}
    said = cli("verify", source, "swanlog", expect=3)
    assert "1 of 1 runs identical" in said


def test_a_picture_that_is_gone_costs_itself(source: Path, cli: Cli) -> None:
    for file in staged(source).iterdir():
        if file.read_bytes()[1:4] == b"PNG":
            file.unlink()
            break
    cli.local(source)
    (swan,) = cli.stores().values()
    (gone,) = lost(swan).keys() - {MANY}
    assert gone[1] == "the file is missing" and lost(swan)[gone] == 1
    assert len(swan.media["lists/ims"][1]) + len(swan.media["t/im"][0]) + len(swan.media["many/im"][2]) >= 112
    assert "1 of 1 runs identical, 1 of them but for" in cli("verify", source, "swanlog", expect=None)


def test_from_wandbs_cloud_every_item_is_counted(source: Path, cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("graphql", reason="the loopback W&B parses GraphQL with graphql-core")
    from compat_tests.servers.wandb_cloud import WandbCloud

    with WandbCloud() as server:
        cli.env |= server.env(tmp_path / "home", impatient=True)
        server.load(run_dirs(source)["run1"], project="p")
        said = cli.cloud("--wb-project", "p")
    (swan,) = cli.stores().values()
    assert lost(swan).keys() == {("t.word", GONE), ("t.im", GONE), ("lists.ims", GONE), ("many.im", GONE), JOINED}
    assert "not carried over" in said and set(swan.media) == {"t", "lists", "many", "joined"}
