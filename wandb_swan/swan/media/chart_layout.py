"""Where the parts of a chart stand, so that each of its labels can be read, in a small card too."""

from __future__ import annotations

import math
from typing import Any

_LETTER = 6
"""Pixels: about the width of a letter of ECharts's 12 px labels; one of Chinese takes two."""
_WIDTH = 400
"""Pixels: a chart's inside in a card of usual width."""
_LONGEST = 110
"""Pixels of a label; what is longer ends in three dots, and is whole in the tooltip."""
_EVERY = 40
"""So many labels fit side by side; of more, ECharts chooses some."""
_EVERY_ROW = 24
"""So many below each other."""
LABELLED_CELLS = 16
"""So many cells in a row have room for their numbers."""


def arrange(options: dict[str, Any], *, legend: bool, scale: tuple[Any, Any] | None) -> None:
    """Gives the axes' labels, the legend and the colour scale from `scale[0]` to `scale[1]` a place of their own each.

    Source: ECharts 5 and 6. `containLabel` makes room for an axis's labels, not for its name.
    """
    x, y = options["xAxis"][0], options["yAxis"][0]
    height, left = _across(x)
    x["nameGap"] = 12 + height
    _down(y)
    y["nameTextStyle"] = {"align": "left"}  # a name that is centred above the axis leaves the chart
    options["grid"] = {
        "containLabel": True,
        "top": 64,
        "left": 12 + left,
        "right": 32 if scale is None else 44 + math.ceil(max(map(_pixels, map(_number, scale)))),
        "bottom": (36 if legend else 10) + (26 if x.get("name") else 0),
    }
    if scale is not None:
        options["visualMap"] = {
            "type": "continuous",
            "min": scale[0],
            "max": scale[1],
            "orient": "vertical",
            "right": 4,
            "top": "center",
            "itemWidth": 14,
            "itemHeight": 120,
            "text": [_number(scale[1]), _number(scale[0])],
            "inRange": {"color": ["#f7fbff", "#6baed6"]},
        }


def title(text: str) -> dict[str, Any]:
    """A title that takes two lines where it is long."""
    style = {
        "fontSize": 14,
        "lineHeight": 18,
        "overflow": "break",
        "width": 340,
        "height": 36,
        "lineOverflow": "truncate",
    }
    return {"text": text, "left": "center", "textStyle": style}


def _across(axis: dict[str, Any]) -> tuple[float, float]:
    """Has an X axis of categories show each of them, turned where they are long.

    Returns their height, and how far the first of them reaches to the left of the Y axis's labels, in pixels.
    """
    names = _categories(axis)
    if not names or len(names) > _EVERY:
        return 16, 0
    longest = min(_LONGEST - 16, max(map(_pixels, names)))
    room = _WIDTH / len(names)
    turned = 0 if longest + 8 <= room else 45 if room >= 16 else 90
    style = {"interval": 0, "rotate": turned, "width": _LONGEST, "overflow": "truncate"}
    axis["axisLabel"] = style if turned < 90 else {**style, "fontSize": 9}
    if not turned:
        return 16, 0
    along = math.radians(turned)
    first = min(_LONGEST, _pixels(names[0])) * math.cos(along)
    return 6 + 12 * math.cos(along) + longest * math.sin(along), max(0, round(first - 20 - room / 4))


def _down(axis: dict[str, Any]) -> None:
    names = _categories(axis)
    if names:
        style: dict[str, Any] = {"width": _LONGEST, "overflow": "truncate"}
        if len(names) <= _EVERY_ROW:
            style |= {"interval": 0, "fontSize": max(8, min(12, 120 // len(names)))}
        axis["axisLabel"] = style


def _categories(axis: dict[str, Any]) -> list[str]:
    return list(axis.get("data") or ()) if axis.get("type") == "category" else []


def _pixels(text: str) -> float:
    return _LETTER * sum(1 if ord(letter) < 0x1100 else 2 for letter in text)


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
