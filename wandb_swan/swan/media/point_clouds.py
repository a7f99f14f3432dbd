"""Point clouds with boxes, as SwanLab takes them."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from .. import limits
from ..files import UnusableError

if TYPE_CHECKING:
    from .item import Item

_WIDTHS = (3, 4, 6)
"""Numbers of a point: a place; with a category; with a colour."""
_POINT_BYTES = 140
"""Six numbers as JSON, at their longest."""


def scene(content: Any, item: Item) -> dict[str, Any]:
    """Points and boxes of wandb's `*.pts.json`, as many as SwanLab has room for.

    Raises:
        UnusableError: there are points, and none of them has a place.
    """
    told = content if isinstance(content, dict) else {"points": content}
    if told.get("vectors"):
        count = len(told["vectors"]) if isinstance(told["vectors"], list) else 1
        item.lose("SwanLab shows no vectors in a point cloud", f"{count} left out")
    boxes = _boxes(told, item)
    points = _points(told, item)
    room = max(1, (limits.MEDIA_BYTES - len(json.dumps(boxes)) - 1000) // _POINT_BYTES)
    if len(points) > room:
        stride = -(-len(points) // room)
        item.lose("a point cloud was thinned to SwanLab's 10 MB", f"every {stride}. of {len(points)} points kept")
        points = points[::stride]
    if not points:  # boxes alone: SwanLab wants a point
        if told.get("points") and not boxes:
            raise UnusableError("the file is broken", "no point has a place")
        points = [list(corner) for box in boxes for corner in box["corners"]] or [[0.0, 0.0, 0.0]]
    return {"points": points, "boxes": boxes}


def _boxes(told: dict[str, Any], item: Item) -> list[dict[str, Any]]:
    every = told.get("boxes") or []
    every = every if isinstance(every, list) else [every]
    boxes = [
        {"color": [255, 255, 255], "label": "", **box}
        for box in every
        if isinstance(box, dict) and isinstance(box.get("corners"), list)
    ]
    if len(boxes) < len(every):
        item.lose("boxes without corners were left out of a point cloud", f"{len(boxes)} of {len(every)} kept")
    return boxes


def _points(told: dict[str, Any], item: Item) -> list[list[float]]:
    """The points as wide as the first one that has a place."""
    every = told.get("points") or []
    every = every if isinstance(every, list) else [every]
    placed = [point for point in map(_numbers, every) if point]
    points = [point for point in placed if len(point) == len(placed[0])]
    if len(points) < len(every):
        item.lose("points without a place were left out of a point cloud", f"{len(points)} of {len(every)} kept")
    return points


def _numbers(point: Any) -> list[float]:
    try:
        numbers = [float(number) for number in point]
    except (TypeError, ValueError, OverflowError):
        return []
    return numbers if len(numbers) in _WIDTHS and all(map(math.isfinite, numbers)) else []
