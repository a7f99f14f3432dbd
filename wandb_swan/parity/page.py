"""A comparison as an HTML page, with both curves of every metric laid over each other."""

from __future__ import annotations

import math

from ..stream.series import Series
from ..swan import limits
from .pairing import Pair
from .report import verdict

CURVE_POINTS = 2_000
"""At most so many points of a curve are drawn: an even choice of them."""


def report_page(found: list[Pair]) -> str:
    """An HTML page with the verdict of every run, and both curves of every metric laid over each other."""
    from pyecharts import options
    from pyecharts.charts import Line
    from pyecharts.charts import Page as Charts

    charts = Charts(page_title="wandb | SwanLab", layout=Charts.SimplePageLayout)
    for recorded, stored, parity in found:
        by_metric = {limits.clean_text(".".join(path)): series for path, series in recorded.scalars.items()}
        for metric in sorted(parity.metrics, key=lambda metric: metric.identical):
            if metric.kind != "scalar":
                continue
            verdict_text = "identical" if metric.identical else verdict(metric)
            line = Line(init_opts=options.InitOpts(width="900px", height="320px"))
            line.set_global_opts(
                title_opts=options.TitleOpts(title=metric.metric, subtitle=f"{parity.name}: {verdict_text}"),
                xaxis_opts=options.AxisOpts(type_="value", name="step", min_="dataMin", max_="dataMax"),
                yaxis_opts=options.AxisOpts(is_scale=True),
                tooltip_opts=options.TooltipOpts(trigger="axis"),
                datazoom_opts=[options.DataZoomOpts(type_="inside", range_start=0, range_end=100)],
            )
            sides = (
                ("wandb", by_metric.get(metric.metric), 5, 0.35),
                ("SwanLab", stored.scalars.get(metric.swanlab_key), 1, 1.0),
            )
            for name, series, width, opacity in sides:
                if series is not None:
                    line.add_yaxis(
                        name,
                        [],
                        is_symbol_show=False,
                        linestyle_opts=options.LineStyleOpts(width=width, opacity=opacity),
                    )
                    # Set here: add_yaxis makes pairs with the categories of an X axis, and this one has none.
                    line.options["series"][-1]["data"] = _curve(series)
            charts.add(line)
    return str(charts.render_embed())


def _curve(series: Series) -> list[list[float | None]]:
    every = max(1, len(series) // CURVE_POINTS)
    points = zip(series.steps[::every], series.values[::every], strict=True)
    return [[step, value if math.isfinite(value) else None] for step, value in points]
