"""Tables, histograms and `wandb.plot` charts are in SwanLab as ECharts with the numbers of W&B's own files."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from compat_tests.conftest import Recorded, recorder
from compat_tests.stores import SwanStore, WandbStore
from wandb_swan.stream.events import ChartDefined
from wandb_swan.swan.media import charts, tables

pytestmark = pytest.mark.live

SCRIPT = """
import datetime, inspect
import numpy as np, pandas as pd
import wandb_swan as wandb

random = np.random.default_rng(0)

def table(*columns, rows):
    return wandb.Table(columns=list(columns), data=rows)

def cells(run):
    image = wandb.Image(np.zeros((4, 4, 3), dtype=np.uint8), caption="dark")
    rows = [[1, "a", 0.1, True, None, float("nan"), [1, 2], {"k": 1}, image, datetime.datetime(2024, 1, 2)],
            [2, "\u4f60\u597d </script>", 1e300, False, 3, float("inf"), [], {}, image, datetime.datetime(2024, 1, 3)]]
    columns = ["i", "s", "f", "b", "n", "odd", "list", "dict", "image", "a.b"]
    run.log({"cells": wandb.Table(columns=columns, data=rows, allow_mixed_types=True)})
    run.log({"frame": pd.DataFrame({"x": [1, 2], "y": ["p", "q"]}), "x": 1, "n": {"t": table("a", rows=[[1]])}})
    run.log({"doubled": table("a", "a", rows=[[1, 2]]), "numbers": table(0, 1, rows=[[3, 4]]), "none": table("a", rows=[])})
    run.log({"long": table("text", "n", rows=[["x" * 1500, i] for i in range(8000)])})
    run.log({"longer": table("n", rows=[[i] for i in range(10_500)])})

def joined(run):
    left, right = table("id", "a", rows=[["1", 2], ["2", 3]]), table("id", "b", rows=[["2", 5], ["9", 7]])
    run.log({"joined": wandb.JoinedTable(left, right, "id"), "x": 1})

def growing(run):
    if "log_mode" not in inspect.signature(wandb.Table).parameters:
        return  # wandb 0.19
    added = wandb.Table(columns=["a"], log_mode="INCREMENTAL")
    changed = wandb.Table(columns=["a"], log_mode="MUTABLE")
    for i in range(3):
        added.add_data(i)
        changed.add_data(i)
        run.log({"added": added, "changed": changed, "i": i})

def again(run):
    for rows in (3, 10_200):
        kept = table("a", rows=[[i] for i in range(rows)])
        run.log({f"of {rows}": kept})
        kept.add_data(-1)
        kept.add_data(-2)
        run.log({f"of {rows}": kept})

def histograms(run):
    run.log({"values": wandb.Histogram(random.standard_normal(500), num_bins=8)})
    run.log({"uneven": wandb.Histogram(np_histogram=(np.array([1, 2, 3]), np.array([0.0, 0.1, 5.0, 7.5])))})
    run.log({"array": random.standard_normal(1000), "deep": {"er": wandb.Histogram([1, 2, 2])}, "x": 1})

def plots(run):
    xy = [[0, 1.5, "p"], [1, 0.25, "p"], [2, float("nan"), "q"]]
    run.log({"line": wandb.plot.line(table("x", "y", "z", rows=xy), "x", "y", title="A line")})
    run.log({"stroke": wandb.plot.line(table("x", "y", "z", rows=xy), "x", "y", stroke="z", split_table=True)})
    run.log({"series": wandb.plot.line_series([0, 1, 2], [[1, 2, 3], [4, 5, 6]], keys=["u", "v"], title="Series", xname="time")})
    run.log({"scatter": wandb.plot.scatter(table("x", "y", "z", rows=xy), "x", "y", title="Points")})
    run.log({"bar": wandb.plot.bar(table("label", "value", rows=[["a", 2], ["b", 0.125]]), "label", "value", title="Bars")})
    run.log({"histogram": wandb.plot.histogram(table("v", rows=[[i * i / 10] for i in range(30)]), "v", title="Squares")})
    run.log({"confusion": wandb.plot.confusion_matrix(y_true=[0, 1, 2, 2, 1], preds=[0, 2, 2, 2, 1], class_names=["a", "b", "c"])})
    scores = [[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.6, 0.4]]
    run.log({"roc": wandb.plot.roc_curve([0, 1, 1, 0], scores), "pr": wandb.plot.pr_curve([0, 1, 1, 0], scores), "loss": 1})
    run.log({"deep": {"bar": wandb.plot.bar(table("l", "v", rows=[["a", 2]]), "l", "v"), "x": 3}})
    run.log({"words": wandb.plot.line(table("x", "y", rows=[["mon", 1], ["tue", 2]]), "x", "y")})
    run.log({"own": wandb.plot_table("me/own-spec", table("x", "y", rows=[[1, 2]]), {"x": "x"}, {"title": "Own"})})
    run.log({"wrong": wandb.plot.line(table("x", "y", rows=[[1, 2]]), "no such column", "y")})
    run.log({"visualized": wandb.visualize("me/panel", table("x", rows=[[1]]))})

def integration(run):
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression
    x, y = load_iris(return_X_y=True)
    model = LogisticRegression(max_iter=500).fit(x, y)
    wandb.sklearn.plot_confusion_matrix(y, model.predict(x), ["setosa", "versicolor", "virginica"])
    wandb.sklearn.plot_roc(y, model.predict_proba(x), ["setosa", "versicolor", "virginica"])
    wandb.sklearn.plot_learning_curve(model, x, y)
    wandb.sklearn.plot_class_proportions(y, y, ["setosa", "versicolor", "virginica"])

def panels(run):
    shown = lambda panel, *columns, rows: wandb.visualize(f"wandb/{panel}/v1", table(*columns, rows=rows))
    cuts = [[0.5, 1.5, 0, None, None, 10, 0, 0.25, 0, 0.4], [0.6, 1.6, 1, None, None, 11, 0, 0.5, 1, 0.4]]
    names = "x y colors centerx centery y_sil x1 x2 color_sil silhouette_avg".split()
    squares = [["a", "p", 0.25], ["b", "p", -1.0], ["a", "q", 0.5]]
    run.log({
        "shares": shown("class_proportions", "class", "dataset", "count",
                        rows=[["a", "train", 3], ["a", "test", 1], ["b", "train", 5]]),
        "silhouette": shown("silhouette_", *names, rows=cuts),
        "roc": shown("roc", "class", "fpr", "tpr", rows=[["a", 0.0, 0.125], ["a", 1.0, 1.0], ["b", 0.0, 0.5]]),
        "pr": shown("pr_curve", "class", "precision", "recall", rows=[["a", 0.5, 0.125], ["b", 0.0, 0.5]]),
        "heat": shown("heatmap", "x_axis", "y_axis", "values", rows=squares),
        "plain": shown("heatmap_no_text", "x_axis", "y_axis", "values", rows=squares),
    })

for case in (cells, joined, growing, again, histograms, plots, integration, panels):
    run = wandb.init(project="charts", id=case.__name__, name=case.__name__)
    case(run)
    run.finish()
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return recorder(tmp_path_factory.mktemp("charts"))(SCRIPT, WANDB_SWAN_FINISH_TIMEOUT="0.01")


@pytest.fixture(scope="module")
def stores(recorded: Recorded) -> dict[str, tuple[WandbStore, SwanStore]]:
    return {wandb.run.display_name: (wandb, swan) for wandb, swan in recorded.pairs().values()}


def chart(swan: SwanStore, key: str, step: int | None = None) -> dict[str, Any]:
    """The JSON of the only chart of a metric (or of that at `step`)."""
    assert swan.kinds[key] == "ECHARTS"
    if step is None:
        (step,) = swan.media[key]
    (content,) = swan.content(key, step)
    parsed: dict[str, Any] = json.loads(content)
    return parsed


def wandb_table(wandb: WandbStore, key: str) -> list[list[Any]]:
    (row,) = (row[key] for row in wandb.rows.values() if key in row)
    data: list[list[Any]] = json.loads((wandb.dir / "files" / row["path"]).read_text())["data"]
    return data


def lost(swan: SwanStore) -> dict[tuple[str, str], int]:
    return {(item["key"], item["reason"]): item["count"] for item in swan.about.get("not_mirrored", [])}


def test_tables_keep_typed_cells(stores: dict[str, tuple[WandbStore, SwanStore]]) -> None:
    _, swan = stores["cells"]
    shown = chart(swan, "cells", 0)
    assert shown["_swanLab"] == "table"
    headers = [column["field"] for column in shown["colDefs"]]
    assert headers[:-1] == ["i", "s", "f", "b", "n", "odd", "list", "dict", "image"]
    first, second = shown["rowData"]
    assert [first[name] for name in headers[:8]] == [1, "a", 0.1, True, None, "nan", "[1, 2]", '{"k": 1}']
    assert [second[name] for name in headers[:8]] == [2, "你好 </script>", 1e300, False, 3, "inf", "[]", "{}"]
    assert first["image"] == "cells/image, row 0: dark"
    assert first["a․b"] == "2024-01-02T00:00:00", "a dot would be a path for the grid that SwanLab shows tables in"
    assert chart(swan, "frame")["rowData"] == [{"x": 1, "y": "p"}, {"x": 2, "y": "q"}]
    assert swan.scalars["x"] == {1: 1} and chart(swan, "n/t")["rowData"] == [{"a": 1}]
    assert chart(swan, "doubled")["rowData"] == [{"a": 1, "a (2)": 2}]
    assert chart(swan, "numbers")["rowData"] == [{"0": 3, "1": 4}]
    assert chart(swan, "none") == {"_swanLab": "table", "colDefs": [{"field": "a"}], "rowData": []}


def test_joined_tables(stores: dict[str, tuple[WandbStore, SwanStore]]) -> None:
    _, swan = stores["joined"]
    rows = [list(row.values()) for row in chart(swan, "joined")["rowData"]]
    assert rows == [["1", 2, None, None], ["2", 3, "2", 5], [None, None, "9", 7]]
    assert swan.scalars["x"] == {0: 1} and not lost(swan)


def test_long_tables_end_with_how_many_rows_are_left_out(stores: dict[str, tuple[WandbStore, SwanStore]]) -> None:
    _, swan = stores["cells"]
    (content,) = swan.content("long", 3)
    assert 10_000_000 < len(content) <= 10 << 20
    *rows, last = chart(swan, "long")["rowData"]
    assert [row["n"] for row in rows] == list(range(len(rows)))
    assert last["text"] == f"… {8000 - len(rows)} of 8000 rows are left out here"
    *rows, last = chart(swan, "longer")["rowData"]
    assert len(rows) == 10_000 and last["n"] == "… 500 of 10500 rows are left out here"
    assert lost(swan) == {
        ("long", "a table was cut to SwanLab's 10 MB"): 1,
        ("longer", "W&B itself left out rows of a long table"): 1,
    }


def test_a_table_that_is_logged_again_is_no_long_table(stores: dict[str, tuple[WandbStore, SwanStore]]) -> None:
    """W&B keeps the file of its first time, with the number of rows of the second."""
    wandb, swan = stores["again"]
    if wandb.rows[1]["of 3"]["nrows"] == 3:
        pytest.skip("this wandb does not count the later rows")
    later = 'rows that were added after the table was logged: W&B keeps them with log_mode="MUTABLE"'
    assert lost(swan) == {
        ("of 3", later): 1,
        ("of 10200", "W&B itself left out rows of a long table"): 2,
        ("of 10200", later): 1,
    }
    assert chart(swan, "of 3", 1)["rowData"] == [
        *({"a": i} for i in range(3)),
        {"a": "… 2 of 5 rows are left out here"},
    ]


def test_growing_tables_are_whole_at_each_step(stores: dict[str, tuple[WandbStore, SwanStore]]) -> None:
    _, swan = stores["growing"]
    if not swan.media:
        pytest.skip("this wandb has no growing tables")
    for key in ("added", "changed"):
        for step in range(3):
            assert chart(swan, key, step)["rowData"] == [{"a": i} for i in range(step + 1)], key
    assert swan.scalars["i"] == {0: 0, 1: 1, 2: 2}
    assert not lost(swan)
    assert "artifacts" not in swan.about, "wandb's own artifacts of these tables are not the user's"


def test_histograms_keep_counts_and_edges(stores: dict[str, tuple[WandbStore, SwanStore]]) -> None:
    wandb, swan = stores["histograms"]
    for step, key in ((0, "values"), (1, "uneven"), (2, "array"), (2, "deep/er")):
        value = wandb.rows[step]["deep"]["er"] if key == "deep/er" else wandb.rows[step][key]
        shown = chart(swan, key, step)
        bars = shown["series"][0]["data"]
        assert shown["series"][0]["type"] == "bar" and len(shown["xAxis"][0]["data"]) == len(bars)
        assert bars == value["values"]
        assert shown["dataset"]["source"]["edge"] == value["bins"]
    packed = {"_type": "histogram", "values": [4, 5], "packedBins": {"min": -1, "size": 0.5, "count": 2}}
    drawn = charts.histogram(packed).options
    assert drawn["series"][0]["data"] == [4, 5] and drawn["dataset"]["source"]["edge"] == [-1.0, -0.5, 0.0]
    assert drawn["xAxis"][0]["data"] == ["-1 … -0.5", "-0.5 … 0"]


def points(shown: dict[str, Any]) -> dict[str, list[Any]]:
    return {series["name"]: series["data"] for series in shown["series"]}


def test_plots_are_the_same_charts(stores: dict[str, tuple[WandbStore, SwanStore]]) -> None:
    wandb, swan = stores["plots"]
    shown = chart(swan, "line")
    assert shown["series"][0]["type"] == "line" and shown["title"][0]["text"] == "A line"
    assert (shown["xAxis"][0]["name"], shown["yAxis"][0]["name"]) == ("x", "y")
    assert points(shown) == {"y": [[0, 1.5], [1, 0.25], [2, None]]}, "JSON has no NaN: a gap"
    assert points(chart(swan, "stroke")) == {"p": [[0, 1.5], [1, 0.25]], "q": [[2, None]]}
    shown = chart(swan, "series")
    assert points(shown) == {"u": [[0, 1], [1, 2], [2, 3]], "v": [[0, 4], [1, 5], [2, 6]]}
    assert (shown["xAxis"][0]["name"], shown["title"][0]["text"]) == ("time", "Series")
    shown = chart(swan, "scatter")
    assert shown["series"][0]["type"] == "scatter"
    assert points(shown) == {"y": [[0, 1.5], [1, 0.25], [2, None]]}
    shown = chart(swan, "bar")
    assert shown["xAxis"][0]["data"] == ["a", "b"] and shown["series"][0]["data"] == [2, 0.125]
    shown = chart(swan, "histogram")
    assert sum(bar["value"] for bar in shown["series"][0]["data"]) == 30
    assert shown["dataset"]["source"][1:] == wandb_table(wandb, "histogram_table")
    shown = chart(swan, "confusion")
    classes = shown["xAxis"][0]["data"]
    assert shown["yAxis"][0]["data"] == classes == ["a", "b", "c"]
    cells = [[classes[down], classes[across], count] for across, down, count in shown["series"][0]["data"]]
    assert cells == wandb_table(wandb, "confusion_table")
    for key, axis in (("roc", "False positive rate"), ("pr", "Recall")):
        shown = chart(swan, key)
        assert shown["xAxis"][0]["name"] == axis
        index = [json.loads(line) for line in (json.dumps(row) for row in wandb_table(wandb, f"{key}_table"))]
        drawn = [[name, *point] for name, data in points(shown).items() for point in data]
        assert sorted(map(str, (row[0] for row in index))) == sorted(name for name, *_ in drawn)
        assert sorted(sorted(row[1:]) for row in index) == sorted(sorted(point) for _, *point in drawn)
    assert swan.scalars["loss"] == {7: 1} and swan.scalars["deep/x"] == {8: 3}
    assert chart(swan, "deep.bar")["series"][0]["data"] == [2]
    assert chart(swan, "words")["series"][0]["data"] == [["mon", 1], ["tue", 2]]


def test_unknown_specs_are_tables_and_helper_tables_do_not_appear_twice(
    stores: dict[str, tuple[WandbStore, SwanStore]],
) -> None:
    wandb, swan = stores["plots"]
    assert chart(swan, "own")["rowData"] == [{"x": 1, "y": 2}]
    assert chart(swan, "wrong")["rowData"] == [{"x": 1, "y": 2}]
    assert chart(swan, "visualized")["rowData"] == [{"x": 1}]
    shown = [key for key in swan.media if key.endswith("_table")]
    assert shown == ["line_table", "scatter_table"], "the charts of these do not show all of their columns"
    assert {key for row in wandb.rows.values() for key in row if key.endswith("_table")}
    reason = "a chart that is not known: its table is shown"
    assert lost(swan) == {(key, reason): 1 for key in ("own_table", "wrong_table", "visualized")}


def test_scikit_learn_integration(stores: dict[str, tuple[WandbStore, SwanStore]]) -> None:
    _, swan = stores["integration"]
    kinds = {key: chart(swan, key).get("series", [{}])[0].get("type") for key in swan.media}
    assert kinds == {"confusion_matrix": "heatmap", "roc": "line", "class_proportions": "bar", "learning_curve": "line"}


def test_panels_of_every_age(stores: dict[str, tuple[WandbStore, SwanStore]]) -> None:
    _, swan = stores["panels"]
    assert not lost(swan)
    drawn = {key: json.loads(swan.content(key, 0)[0]) for key in swan.media}
    numbers = {key: [(part.get("name", ""), part["data"]) for part in one["series"]] for key, one in drawn.items()}
    assert numbers == {
        "shares": [("train", [3, 5]), ("test", [1, None])],
        "silhouette": [("0", [[0.25, 10]]), ("1", [[0.5, 11]])],
        "roc": [("a", [[0.0, 0.125], [1.0, 1.0]]), ("b", [[0.0, 0.5]])],
        "pr": [("a", [[0.125, 0.5]]), ("b", [[0.5, 0.0]])],
        "heat": [("", [[0, 0, 0.25], [1, 0, -1.0], [0, 1, 0.5]])],
        "plain": [("", [[0, 0, 0.25], [1, 0, -1.0], [0, 1, 0.5]])],
    }
    assert len(swan.content("silhouette", 0)) == 2, "the chart does not show all columns"
    assert drawn["shares"]["xAxis"][0]["data"] == drawn["heat"]["xAxis"][0]["data"] == ["a", "b"]


def test_chart_of_many_values_in_a_round_number_of_bins() -> None:
    spec = ChartDefined(key="h", spec="wandb/histogram/v0", table_key="h_table", fields={"value": "v"}, strings={})
    for values in ([5, 5, 5], [0.1, 0.2], [-1e9, 1e9, 3], [float("nan"), 1.0], [1e-300, 2e-300]):
        drawn = charts.plot(spec, tables.Table(["v"], [[value] for value in values]))
        assert drawn is not None
        counts = [bar["value"] for bar in drawn.options["series"][0]["data"]]
        assert sum(counts) == sum(not math.isnan(value) for value in values) and len(counts) <= 21, (values, counts)
    assert charts.plot(spec, tables.Table(["v"], [["text"]])) is None
