"""Pictures, sounds and pages in the cells of tables are items of their own, with their rows as captions."""

from __future__ import annotations

import inspect
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wandb as bare_wandb
from PIL import Image

from compat_tests.conftest import WAYS, Recorded, coming_by, recorder
from compat_tests.stores import SwanStore, WandbStore, assert_same_values

pytestmark = pytest.mark.live

HAS_MODES = "log_mode" in inspect.signature(bare_wandb.Table).parameters
PRELUDE = """
import inspect
import numpy as np, pandas as pd
import plotly.graph_objects as go
from PIL import Image
import wandb_swan as wandb

def picture(seed, **options):
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 10, 3), dtype=np.uint8)
    return wandb.Image(pixels, **options)

def table(*columns, rows, **options):
    return wandb.Table(columns=list(columns), data=rows, **options)
"""
SCRIPT = (
    PRELUDE
    + """
names = {0: "background", 1: "cat"}
mask = np.zeros((8, 10), dtype=np.uint8)
mask[4:] = 1
box = {"position": {"minX": 0.2, "maxX": 0.6, "minY": 0.5, "maxY": 0.8}, "class_id": 1}
frames = [Image.fromarray(np.full((8, 10, 3), shade, dtype=np.uint8)) for shade in (0, 90, 200)]
frames[0].save("clip.gif", save_all=True, append_images=frames[1:])
open("p.pdb", "w").write("ATOM      1  N   ALA A   1      11.104   6.134  -6.504  1.00  0.00           N\\nEND\\n")
open("m.gro", "w").write("no molecule\\n")

def kinds(run):
    sound = wandb.Audio(np.sin(np.arange(400) / 5) / 2, sample_rate=8000, caption="beep")
    cells = [sound, wandb.Video("clip.gif", caption="moves"), wandb.Html("<b>page</b>", inject=False),
             wandb.Plotly(go.Figure(go.Bar(y=[3]))), wandb.Object3D(np.arange(15.0).reshape(5, 3)), wandb.Molecule("p.pdb")]
    rows = [[0, picture(0, caption="first"), *cells], [1, picture(1), None, None, None, None, None, None]]
    run.log({"all": table("id", "image", "audio", "video", "html", "plotly", "cloud", "molecule", rows=rows), "loss": 0.5})

def drawn(run):
    layers = {"boxes": {"p": {"box_data": [box], "class_labels": names}}}
    try:
        image = picture(2, caption="seen", masks={"t": {"mask_data": mask, "class_labels": names}}, **layers)
    except ValueError:  # wandb 0.19 cannot make a mask with Pillow 12
        image = picture(2, caption="seen", **layers)
    run.log({"logged": image, "drawn": table("image", rows=[[image]])})

def shapes(run):
    frame = pd.DataFrame({"a": [1, 2], "im": [picture(3), picture(3, caption="again")]})
    run.log({"frame": wandb.Table(dataframe=frame), "raw": frame})
    run.log({"lists": table("ims", rows=[[[picture(4, caption="x"), picture(5)]], [[picture(6)]]])})
    run.log({"dicts": table("d", rows=[[{"a": picture(4), "n": 1}]])})
    run.log({"mixed": table("m", rows=[[picture(4)], ["Image"], [None]], allow_mixed_types=True)})
    run.log({"deep": {"t": table("a.b", "x/y", "x/y", rows=[[picture(1), picture(2), picture(3)]])}})
    run.log({"several": [table("im", rows=[[picture(1)]]), table("im", rows=[[picture(2)]])]})
    run.log({"plot": wandb.plot.line(table("x", "y", "im", rows=[[1, 2, picture(1)], [2, 3, picture(2)]]), "x", "y")})
    run.log({"shape": table("o", rows=[[wandb.Molecule("m.gro")]])})
    run.log({"inner": table("t", rows=[[table("a", rows=[[7]])]])})

def collisions(run):
    run.log({"t/im": 1.5, "t": table("im", "n", rows=[[picture(1), 3]])})
    run.log({"t/im": 2.5, "u": table("im", rows=[[picture(2)]])})
    run.log({"u/im": picture(3, caption="mine"), "u": table("im", rows=[[picture(4)]])})
    run.log({"v": table("im", rows=[[picture(5)]]), "v/im": 3.5, "w/im": picture(6), "w": table("im", rows=[[picture(7)]])})

def growing(run):
    if "log_mode" not in inspect.signature(wandb.Table).parameters:
        return
    tables = {mode.lower(): wandb.Table(columns=["i", "im"], log_mode=mode) for mode in ("INCREMENTAL", "MUTABLE")}
    for i in range(3):
        for one in tables.values():
            one.add_data(i, picture(i, caption=f"c{i}"))
        run.log(tables)
    same = table("im", rows=[[picture(9)]])
    run.log({"same": same})
    run.log({"same": same})

def joined(run):
    left = table("id", "im", rows=[["1", picture(1, caption="left")], ["2", picture(2)]])
    right = table("id", "page", rows=[["2", wandb.Html("<i>2</i>", inject=False)]])
    run.log({"joined": wandb.JoinedTable(left, right, "id")})

def artifacts(run):
    parts = wandb.Artifact("parts", "dataset")
    for i in range(2):
        parts.add(table("a", "im", rows=[[i, picture(i)]]), f"p/part{i}")
    whole = wandb.data_types.PartitionedTable(parts_path="p")
    parts.add(whole, "whole")
    run.log_artifact(parts)
    run.log({"partitioned": whole})
    own = wandb.Artifact("own", "dataset")
    shown = table("a", "im", rows=[[1, picture(7)]])
    own.add(shown, "shown")
    own.add(table("a", "im", rows=[[1, picture(8)]]), "only there")
    run.log_artifact(own)
    run.log({"both": shown})

for case in (kinds, drawn, shapes, collisions, growing, joined, artifacts):
    run = wandb.init(project="cells", id=case.__name__, name=case.__name__)
    case(run)
    run.finish()
"""
)


@pytest.fixture(scope="module", params=WAYS)
def recorded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    record = coming_by(request.param, recorder(tmp_path_factory.mktemp("cells")))
    return record(SCRIPT, WANDB_SWAN_FINISH_TIMEOUT="0.01")


@pytest.fixture(scope="module")
def stores(recorded: Recorded) -> dict[str, tuple[WandbStore, SwanStore]]:
    return {wandb.run.display_name: (wandb, swan) for wandb, swan in recorded.pairs().values()}


def picture(seed: int) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (8, 10, 3), dtype=np.uint8)


def pixels(content: bytes) -> Any:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def shown(swan: SwanStore, key: str, step: int) -> list[tuple[str, int | None]]:
    """Caption and seed of every picture of a metric at a step."""
    found = []
    for item, content in zip(swan.media[key][step], swan.content(key, step), strict=True):
        seeds = [seed for seed in range(10) if np.array_equal(pixels(content), picture(seed))]
        found.append((item.caption, seeds[0] if seeds else None))
    return found


def cells(swan: SwanStore, key: str, step: int) -> list[list[Any]]:
    return [list(row.values()) for row in json.loads(swan.content(key, step)[0])["rowData"]]


def lost(swan: SwanStore) -> dict[tuple[str, str], int]:
    return {(item["key"], item["reason"]): item["count"] for item in swan.about.get("not_mirrored", [])}


def test_every_kind_of_cell_is_an_item_with_its_row(stores: dict[str, tuple[WandbStore, SwanStore]]) -> None:
    wandb, swan = stores["kinds"]
    assert_same_values(wandb, swan)
    assert shown(swan, "all/image", 0) == [("row 0: first", 0), ("row 1", 1)]
    captions = {key: [item.caption for item in swan.media[key][0]] for key in swan.media}
    assert captions["all/audio"] == ["row 0: beep"] and captions["all/video"] == ["row 0: moves"]
    assert [captions[f"all/{name}"] for name in ("html", "plotly", "cloud", "molecule")] == [["row 0"]] * 4
    assert swan.content("all/html", 0) == [b"<b>page</b>"] and swan.content("all/audio", 0)[0][:4] == b"RIFF"
    assert swan.kinds["all/image"] == "IMAGE" and swan.kinds["all/molecule"] == "MOLECULE"
    first, second = cells(swan, "all", 0)
    assert first[:3] == [0, "all/image, row 0: first", "all/audio, row 0: beep"]
    assert second == [1, "all/image, row 1", None, None, None, None, None, None]
    assert abs(swan.times["all/image", 0] - wandb.timestamps[0]) < 1e-5
    assert not lost(swan) and "keys" not in swan.about


def test_boxes_and_masks_are_drawn_in_tables_as_elsewhere(stores: dict[str, tuple[WandbStore, SwanStore]]) -> None:
    _, swan = stores["drawn"]
    assert [item.caption for item in swan.media["drawn/image"][0]] == ["row 0: seen"]
    assert swan.content("drawn/image", 0) == swan.content("logged", 0), "with the names of the classes"
    assert not lost(swan)


def test_tables_of_every_shape(stores: dict[str, tuple[WandbStore, SwanStore]]) -> None:
    _, swan = stores["shapes"]
    for key in ("frame", "raw"):
        assert (
            shown(swan, f"{key}/im", 0) == [("row 0", 3), ("row 1" + ": again" * (key == "frame"), 3)] or key == "raw"
        )
        assert cells(swan, key, 0)[0] == [1, f"{key}/im, row 0"]
    assert shown(swan, "lists/ims", 1) == [("row 0, 1 of 2: x", 4), ("row 0, 2 of 2", 5), ("row 1", 6)]
    assert json.loads(cells(swan, "lists", 1)[0][0]) == ["lists/ims, row 0, 1 of 2: x", "lists/ims, row 0, 2 of 2"]
    assert json.loads(cells(swan, "dicts", 2)[0][0]) == {"a": "dicts/d, row 0", "n": 1}
    assert shown(swan, "dicts/d", 2) == [("row 0", 4)]
    assert cells(swan, "mixed", 3) == [["mixed/m, row 0"], ["Image"], [None]]
    assert shown(swan, "deep/t/a.b", 4) == [("row 0", 1)]
    assert shown(swan, "deep/t/x/y", 4) == [("row 0", 2)] and shown(swan, "deep/t/x/y (2)", 4) == [("row 0", 3)]
    assert shown(swan, "several/im", 5) == [("row 0", 1), ("row 0", 2)]
    assert shown(swan, "plot_table/im", 6) == [("row 0", 1), ("row 1", 2)]
    assert lost(swan) == {
        ("shape.o", "SwanLab cannot read this molecule: named in the table's cell alone"): 1,
        ("inner.t", "a table in a cell of a table is kept as the text of its JSON"): 1,
    }
    assert "molecule-file" in cells(swan, "shape", 7)[0][0] and '"data": [[7]]' in cells(swan, "inner", 8)[0][0]


def test_a_metric_of_the_users_keeps_its_values(stores: dict[str, tuple[WandbStore, SwanStore]]) -> None:
    _, swan = stores["collisions"]
    keys = swan.about["keys"]
    (table_key,) = (key for key in swan.media if key.startswith("t/im~"))
    late = {path: key for key, path in keys.items() if path in ("v.im", "w.im")}
    assert swan.scalars["v/im"] == {3: 3.5} and shown(swan, "w/im", 3) == [("", 6)], "in one row, whatever the order"
    assert shown(swan, late["v.im"], 3) == [("row 0", 5)] and shown(swan, late["w.im"], 3) == [("row 0", 7)]
    keys = {key: path for key, path in keys.items() if path not in late}
    assert keys == {table_key: "t.im", **{key: "u/im" for key in keys if key.startswith("u/im")}}
    assert swan.scalars["t/im"] == {0: 1.5, 1: 2.5}
    assert shown(swan, table_key, 0) == [("row 0", 1)] and cells(swan, "t", 0) == [[f"{table_key}, row 0", 3]]
    assert shown(swan, "u/im", 1) == [("row 0", 2)] and shown(swan, "u/im", 2) == [("row 0", 4)]
    (mine,) = (key for key in keys if key.startswith("u/im"))
    assert shown(swan, mine, 2) == [("mine", 3)]


def test_growing_tables_store_what_is_new(stores: dict[str, tuple[WandbStore, SwanStore]]) -> None:
    _, swan = stores["growing"]
    if not HAS_MODES:
        pytest.skip("this wandb has no growing tables")
    for step in range(3):
        every = [(f"row {i}: c{i}", i) for i in range(step + 1)]
        assert shown(swan, "mutable/im", step) == every, "each is a table of its own, as in wandb"
        assert shown(swan, "incremental/im", step) == every[-1:]
        for key in ("incremental", "mutable"):
            assert cells(swan, key, step) == [[i, f"{key}/im, row {i}: c{i}"] for i in range(step + 1)]
    assert shown(swan, "same/im", 3) == shown(swan, "same/im", 4) == [("row 0", 9)]
    assert not lost(swan)


def test_joined_tables(stores: dict[str, tuple[WandbStore, SwanStore]]) -> None:
    _, swan = stores["joined"]
    assert cells(swan, "joined", 0) == [
        ["1", "joined/im, row 0: left", None, None],
        ["2", "joined/im, row 1", "2", "joined/page, row 1"],
    ]
    assert shown(swan, "joined/im", 0) == [("row 0: left", 1), ("row 1", 2)]
    assert swan.content("joined/page", 0) == [b"<i>2</i>"] and not lost(swan)


def test_online_the_files_are_in_wandbs_cache_once_they_are_uploaded(tmp_path: Path) -> None:
    pytest.importorskip("graphql", reason="the loopback W&B parses GraphQL with graphql-core")
    from compat_tests.servers.wandb_cloud import WandbCloud

    script = (
        PRELUDE
        + """
run = wandb.init(project="cells", id="online")
for i in range(3):
    run.log({"t": table("im", rows=[[picture(i)]])})
run.finish()
"""
    )
    with WandbCloud() as cloud:
        recorded = recorder(tmp_path)(script, **cloud.env(tmp_path / "work", impatient=True), WANDB_MODE="online")
    (swan,) = map(SwanStore.read, recorded.swan_dirs())
    assert [shown(swan, "t/im", step) for step in range(3)] == [[("row 0", step)] for step in range(3)]
    assert not lost(swan)


def test_tables_in_artifacts(stores: dict[str, tuple[WandbStore, SwanStore]]) -> None:
    _, swan = stores["artifacts"]
    assert cells(swan, "partitioned", 0) == [[0, "partitioned/im, row 0"], [1, "partitioned/im, row 1"]]
    assert shown(swan, "partitioned/im", 0) == [("row 0", 0), ("row 1", 1)]
    assert cells(swan, "both", 1) == [[1, "both/im, row 0"]] and shown(swan, "both/im", 1) == [("row 0", 7)]
    assert {item["name"] for item in swan.about["artifacts"]} == {"parts", "own"}, "their tables are there"
    assert not lost(swan)
