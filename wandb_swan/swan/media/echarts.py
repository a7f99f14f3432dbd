"""SwanLab's ECharts objects, with every text as it is."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import swanlab
from pyecharts.options.series_options import BasicOpts

_PLACEHOLDER = "--x_x--0_0--"
"""It marks JavaScript: pyecharts 2.1 cuts it out of what it dumps, with the quotes around it, whosever it is."""
_STAND_IN = uuid4().hex
_INDENT = re.compile(r"\n *")
"""No text of JSON holds a line break, and pyecharts spends half of a chart's bytes on them."""


def echarts(chart: Any, caption: str | None) -> Any:
    """SwanLab's object of a pyecharts chart, or of SwanLab's table."""
    chart.options = _replaced(chart.options)
    media = swanlab.ECharts(chart, caption=caption)
    content = _INDENT.sub("", media.json_content)
    media.json_content = content.replace(_STAND_IN, _PLACEHOLDER)
    return media


def _replaced(value: Any) -> Any:
    """The options of a chart with another text for the placeholder, in names as well."""
    if isinstance(value, str):
        return value.replace(_PLACEHOLDER, _STAND_IN)
    if isinstance(value, list | tuple):
        return [_replaced(part) for part in value]
    if isinstance(value, dict):
        return {_replaced(key): _replaced(part) for key, part in value.items()}
    if isinstance(value, BasicOpts):
        value.opts = _replaced(value.opts)
    return value
