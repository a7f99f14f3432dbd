"""`wandb.plot` charts and histograms as ECharts. The numbers are the table's own."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from pyecharts import options as opts
from pyecharts.charts import Bar, HeatMap, Line, Scatter

from ...stream.events import ChartDefined, Tree
from .. import limits
from ..files import UnusableError
from . import chart_layout
from .tables import Lose, Table


def plot(chart: ChartDefined, table: Table) -> Any | None:
    """The pyecharts chart of a `wandb.plot` spec; None for a user's own spec, or if the table lacks its columns."""
    chart = _resolved(chart)
    draw = SPECS.get(chart.spec)
    return draw(chart, table) if draw else None


def _resolved(chart: ChartDefined) -> ChartDefined:
    if chart.fields or chart.spec not in PANELS:
        return chart
    spec, fields = PANELS[chart.spec]
    return chart.changed(spec=spec, fields=fields, strings={"title": chart.key})


def tell(chart: ChartDefined, table: Table, drawn: Any, lose: Lose) -> None:
    """Counts what a table has and its chart, `drawn`, does not show. NaN is a gap in both."""
    table.tell(lose)
    chart = _resolved(chart)
    if chart.spec != "wandb/histogram/v0":
        tell_infinities(drawn, lose)
        return
    cells = [cell for cell in table.column(chart.fields.get("value")) or () if cell is not None]
    odd = [cell for cell in cells if not isinstance(cell, int | float)]
    _tell_infinities(cells, lose)
    if odd:
        lose("a histogram has no place for what is no number", f"{len(odd)} cells")


def shows_all(chart: ChartDefined, table: Table) -> bool:
    """Whether every column of the table is in the chart."""
    return {*table.columns} <= {str(name) for name in _resolved(chart).fields.values()}


def tell_infinities(drawn: Any, lose: Lose) -> None:
    """Counts the infinite numbers of a chart, which JSON has not."""
    points = [point for series in drawn.options["series"] for point in series["data"]]
    points = [point["value"] if isinstance(point, dict) else point for point in points]
    _tell_infinities([cell for point in points for cell in (point if isinstance(point, list) else [point])], lose)


def _tell_infinities(cells: list[Any], lose: Lose) -> None:
    count = sum(isinstance(cell, float) and math.isinf(cell) for cell in cells)
    if count:
        lose("a chart has no place for infinite numbers", f"{count} numbers are gaps")


class Bars:
    """A chart of bars, with the few options that it needs: a `watch` logs thousands of them."""

    def __init__(self, counts: list[Any], edges: list[Any]) -> None:
        """The exact edges are a dataset, which ECharts does not draw: labels that have them could not be read."""
        self.options: dict[str, Any] = {
            "dataset": {"source": {"edge": edges}},
            "grid": {"containLabel": True},
            "tooltip": {"formatter": "{b}: {c}"},
            "xAxis": [{"type": "category", "data": _labels(edges)}],
            "yAxis": [{"type": "value", "name": "count"}],
            "series": [{"type": "bar", "barCategoryGap": "2%", "data": counts}],
        }

    def dump_options(self) -> str:
        """The chart as JSON, which has no NaN and no infinities: such a count is a gap, such an edge its name."""
        try:
            return _compact(self.options)
        except ValueError:
            (series,) = self.options["series"]
            counts = [None if _odd(count) else count for count in series["data"]]
            edges = [str(edge) if _odd(edge) else edge for edge in self.options["dataset"]["source"]["edge"]]
            changed = {"dataset": {"source": {"edge": edges}}, "series": [{**series, "data": counts}]}
            return _compact({**self.options, **changed})


def _compact(options: dict[str, Any]) -> str:
    return json.dumps(options, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _odd(number: Any) -> bool:
    return isinstance(number, float) and not math.isfinite(number)


def histogram(value: Tree) -> Bars:
    """A bar for each bin of a `wandb.Histogram`, and the exact edges of the bins.

    Raises:
        UnusableError: counts and edges do not fit together.
    """
    counts, edges = value.get("values"), value.get("bins")
    packed = value.get("packedBins")
    if not isinstance(edges, list) and isinstance(packed, dict):
        try:
            edges = [packed["min"] + index * packed["size"] for index in range(int(packed["count"]) + 1)]
        except (KeyError, TypeError, ValueError) as error:
            raise UnusableError("the histogram is broken", repr(error)) from error
    if not isinstance(counts, list) or not isinstance(edges, list) or len(edges) != len(counts) + 1:
        raise UnusableError("the histogram is broken", "the counts do not fit the bins")
    return Bars(counts, edges)


# -- specs -------------------------------------------------------------------------------------------------------------


def _line(chart: ChartDefined, table: Table) -> Any | None:
    return _curves(chart, table, Line, ("x", "y", "stroke"))


def _line_series(chart: ChartDefined, table: Table) -> Any | None:
    return _curves(chart, table, Line, ("step", "lineVal", "lineKey"), x_name=chart.strings.get("xname"), y_name="")


def _area_under_curve(chart: ChartDefined, table: Table) -> Any | None:
    """`pr_curve` and `roc_curve`."""
    names = (chart.strings.get("x-axis-title"), chart.strings.get("y-axis-title"))
    return _curves(chart, table, Line, ("x", "y", "class"), x_name=names[0], y_name=names[1])


def _scatter(chart: ChartDefined, table: Table) -> Any | None:
    return _curves(chart, table, Scatter, ("x", "y", "series"))


def _bar(chart: ChartDefined, table: Table) -> Any | None:
    label, value = chart.fields.get("label"), chart.fields.get("value")
    labels, values = table.column(label), table.column(value)
    if labels is None or values is None:
        return None
    drawn = Bar().add_xaxis([_text(cell) for cell in labels]).add_yaxis(str(value), values, label_opts=_no_label())
    return _finish(drawn, chart, x=_axis(label, "category"), y=_upright(value, "value"))


def _grouped_bars(chart: ChartDefined, table: Table) -> Any | None:
    """A group of bars for each label, in it one for each series that has it."""
    names = [chart.fields.get(role) for role in ("label", "value", "series")]
    labels, values, series = (table.column(name) for name in names)
    if labels is None or values is None or series is None:
        return None
    bars = {(_text(by), _text(label)): value for label, value, by in zip(labels, values, series, strict=True)}
    if len(bars) < len(values):
        return None
    places = list(dict.fromkeys(map(_text, labels)))
    drawn = Bar().add_xaxis(places)
    for by in dict.fromkeys(map(_text, series)):
        drawn.add_yaxis(by, [bars.get((by, label)) for label in places], label_opts=_no_label())
    return _finish(drawn, chart, x=_axis(names[0], "category"), y=_upright(names[1], "value"), legend=True)


def _histogram(chart: ChartDefined, table: Table) -> Any | None:
    name = chart.fields.get("value")
    values = table.column(name)
    if values is None:
        return None
    numbers = [value for value in values if isinstance(value, int | float) and math.isfinite(value)]
    if not numbers:
        return None
    edges = _round_edges(min(numbers), max(numbers))
    counts = [0] * (len(edges) - 1)
    for number in numbers:
        index = sum(number >= edge for edge in edges) - 1
        counts[min(max(index, 0), len(counts) - 1)] += 1
    drawn = _bins(counts, edges)
    drawn.options["dataset"] = {"source": [[name], *([number] for number in numbers)]}  # the values themselves
    return _finish(drawn, chart, x=_axis(name, "category"), y=_upright("count", "value"))


def _confusion_matrix(chart: ChartDefined, table: Table) -> Any | None:
    """Square: every class is on both axes."""
    return _cells(chart, table, ("Predicted", "Actual", "nPredictions"), square=True)


def _heat_map(chart: ChartDefined, table: Table) -> Any | None:
    return _cells(chart, table, ("x", "y", "value"), square=False)


def _cells(chart: ChartDefined, table: Table, roles: tuple[str, str, str], *, square: bool) -> Any | None:
    """A square for each row of the table. `roles`: across, down, number."""
    x, y = (chart.fields.get(role) if not square else role for role in roles[:2])
    across, down, counts = (table.column(chart.fields.get(role)) for role in roles)
    if across is None or down is None or counts is None:
        return None
    if square:
        columns = rows = list(dict.fromkeys([_text(cell) for cell in [*down, *across]]))
    else:
        columns, rows = (list(dict.fromkeys(map(_text, cells))) for cells in (across, down))
    x_place, y_place = ({name: index for index, name in enumerate(names)} for names in (columns, rows))
    cells = [
        [x_place[_text(column)], y_place[_text(row)], count]
        for row, column, count in zip(down, across, counts, strict=True)
    ]
    numbers = [cell[2] for cell in cells if isinstance(cell[2], int | float) and math.isfinite(cell[2])]
    low, most = min((*numbers, 0)), max(numbers, default=1)
    drawn = HeatMap().add_xaxis(columns)
    shown = max(len(columns), len(rows)) <= chart_layout.LABELLED_CELLS  # of more, the tooltip has the numbers
    drawn.add_yaxis("", rows, cells, label_opts=opts.LabelOpts(is_show=shown, position="inside"))
    drawn.options["series"][0]["labelLayout"] = {"hideOverlap": True}
    x_axis, y_axis = _axis(x, "category"), _upright(y, "category", is_inverse=True)
    return _finish(drawn, chart, x=x_axis, y=y_axis, scale=(low, most or 1))


SPECS: dict[str, Callable[[ChartDefined, Table], Any | None]] = {
    "wandb/line/v0": _line,
    "wandb/lineseries/v0": _line_series,
    "wandb/area-under-curve/v0": _area_under_curve,
    "wandb/scatter/v0": _scatter,
    "wandb/bar/v0": _bar,
    "wandb/histogram/v0": _histogram,
    "wandb/confusion_matrix/v1": _confusion_matrix,
    "wandb/heatmap/v1": _heat_map,
    "wandb/class_proportions/v1": _grouped_bars,
}
"""The Vega spec of each `wandb.plot` function and panel -> the same chart."""
_HEAT_MAP = ("wandb/heatmap/v1", {"x": "x_axis", "y": "y_axis", "value": "values"})


PANELS: dict[str, tuple[str, dict[str, Any]]] = {
    "wandb/confusion_matrix/v1": (
        "wandb/confusion_matrix/v1",
        {"Actual": "Actual", "Predicted": "Predicted", "nPredictions": "Count"},
    ),
    "wandb/learning_curve/v1": ("wandb/line/v0", {"x": "train_size", "y": "score", "stroke": "dataset"}),
    "wandb/calibration/v1": (
        "wandb/line/v0",
        {"x": "mean_predicted_value", "y": "fraction_of_positives", "stroke": "model"},
    ),
    "wandb/elbow/v1": ("wandb/line/v0", {"x": "cluster_ranges", "y": "errors"}),
    "wandb/residuals_plot/v1": ("wandb/scatter/v0", {"x": "y_pred", "y": "residuals", "series": "dataset"}),
    "wandb/decision_boundaries/v1": ("wandb/scatter/v0", {"x": "x", "y": "y", "series": "color"}),
    "wandb/outliers/v1": ("wandb/scatter/v0", {"x": "instance_indicies", "y": "distance"}),
    "wandb/feature_importances/v1": ("wandb/bar/v0", {"label": "feature_names", "value": "importances"}),
    "wandb/metrics/v1": ("wandb/bar/v0", {"label": "metric_name", "value": "metric_value"}),
    "wandb/class_proportions/v1": (
        "wandb/class_proportions/v1",
        {"label": "class", "value": "count", "series": "dataset"},
    ),
    "wandb/silhouette_/v1": ("wandb/scatter/v0", {"x": "x2", "y": "y_sil", "series": "color_sil"}),
    # wandb 0.9 to 0.10: `wandb.plots`, `wandb.plot.roc_curve`
    "wandb/roc/v1": ("wandb/area-under-curve/v0", {"x": "fpr", "y": "tpr", "class": "class"}),
    "wandb/pr_curve/v1": ("wandb/area-under-curve/v0", {"x": "recall", "y": "precision", "class": "class"}),
    "wandb/heatmap/v1": _HEAT_MAP,
    "wandb/heatmap_no_text/v1": _HEAT_MAP,
}
"""A panel of `wandb.visualize`, as `wandb.sklearn` uses it -> the spec that draws it, and the columns of its table for
the fields of the spec."""


# -- parts -------------------------------------------------------------------------------------------------------------


def _curves(
    chart: ChartDefined,
    table: Table,
    kind: Any,
    roles: tuple[str, str, str],
    *,
    x_name: Any = None,
    y_name: Any = None,
) -> Any | None:
    """One curve for each value of the series column, its points in the table's order. `roles`: X, Y, series."""
    x, y, series = roles
    x_column, y_column = chart.fields.get(x), chart.fields.get(y)
    xs, ys = table.column(x_column), table.column(y_column)
    if xs is None or ys is None:
        return None
    by = chart.fields.get(series)
    names = table.column(by) if by is not None else None
    curves: dict[str, tuple[list[Any], list[Any]]] = {}
    for index, (across, up) in enumerate(zip(xs, ys, strict=True)):
        points = curves.setdefault(_text(names[index]) if names else str(y_column), ([], []))
        points[0].append(across)
        points[1].append(up)
    numeric = all(isinstance(cell, int | float) for cell in xs)
    drawn = kind()
    for name, (across, up) in curves.items():
        drawn.add_xaxis(across if numeric else [_text(cell) for cell in across])
        options = {"is_symbol_show": len(across) <= 50, "is_connect_nones": False} if kind is Line else {}
        drawn.add_yaxis(name, up, label_opts=_no_label(), **options)
    if numeric:
        drawn.options["xAxis"][0].pop("data", None)  # a value axis has none
    elif len(curves) > 1:
        drawn.options["xAxis"][0]["data"] = list(dict.fromkeys(_text(cell) for cell in xs))
    for data in drawn.options["series"]:  # pyecharts leaves out the X of some kinds of chart
        across, up = curves[data["name"]]
        data["data"] = [[cell if numeric else _text(cell), value] for cell, value in zip(across, up, strict=True)]
    x_axis = _axis(x_column if x_name is None else x_name, "value" if numeric else "category", is_scale=True)
    y_axis = _upright(y_column if y_name is None else y_name, "value", is_scale=True)
    return _finish(drawn, chart, x=x_axis, y=y_axis, legend=len(curves) > 1)


def _bins(counts: list[Any], edges: list[Any]) -> Any:
    pairs = list(pairwise(edges))
    bars = [{"name": f"{low!r} … {high!r}", "value": count} for (low, high), count in zip(pairs, counts, strict=True)]
    drawn = Bar().add_xaxis(_labels(edges))
    drawn.add_yaxis("count", [], category_gap="2%", label_opts=_no_label())
    drawn.options["series"][0]["data"] = bars
    return drawn.set_global_opts(
        legend_opts=opts.LegendOpts(is_show=False),
        tooltip_opts=opts.TooltipOpts(trigger="item", formatter="{b}: {c}"),
        yaxis_opts=_upright("count", "value"),
    )


def _labels(edges: list[Any]) -> list[str]:
    short = [f"{edge:.4g}" if isinstance(edge, int | float) else _text(edge) for edge in edges]
    return [f"{low} … {high}" for low, high in pairwise(short)]


def _round_edges(low: float, high: float) -> list[float]:
    """At most 20 bins of a round width (1, 2 or 5 times a power of ten) that hold `low` to `high`."""
    if low == high:
        return [low - 0.5, low + 0.5]
    rough = (high - low) / 20
    power = 10.0 ** math.floor(math.log10(rough))
    width = next(power * step for step in (1, 2, 5, 10) if power * step >= rough)
    first, last = math.floor(low / width), math.ceil(high / width)
    return [float(f"{index * width:.12g}") for index in range(first, max(last, first + 1) + 1)]


def _finish(
    drawn: Any, chart: ChartDefined, *, x: Any, y: Any, legend: bool = False, scale: tuple[Any, Any] | None = None
) -> Any:
    """`scale`: the numbers that its palest and its darkest cell have."""
    drawn.set_global_opts(
        xaxis_opts=x,
        yaxis_opts=y,
        legend_opts=opts.LegendOpts(is_show=legend, type_="scroll", pos_bottom="0"),
        tooltip_opts=opts.TooltipOpts(trigger="item"),
    )
    drawn.options["title"] = [chart_layout.title(_text(chart.strings.get("title") or ""))]
    chart_layout.arrange(drawn.options, legend=legend, scale=scale)
    return drawn


def _axis(name: Any, kind: str, **more: Any) -> Any:
    return opts.AxisOpts(name=_text(name), type_=kind, name_location="middle", **more)


def _upright(name: Any, kind: str, **more: Any) -> Any:
    """A Y axis: its name is above it, where long labels leave room."""
    top = "start" if more.get("is_inverse") else "end"
    return opts.AxisOpts(name=_text(name), type_=kind, name_location=top, **more)


def _no_label() -> Any:
    return opts.LabelOpts(is_show=False)


def _text(value: Any) -> str:
    return limits.clean_text(str(value))
