"""Plotly figures as HTML pages."""

from __future__ import annotations

import importlib
import json
import logging
from typing import Any

from ...stream.events import Tree

log = logging.getLogger("wandb_swan")

PLOTLY_JS = "3.0.1"
"""The plotly.js to load where plotly is not installed; it draws the figures of plotly 5 and 6."""

_PAGE = """<!DOCTYPE html>
<html><head><meta charset="utf-8">{script}
<style>html, body, #figure {{ margin: 0; width: 100%; height: 100%; }}</style></head>
<body><div id="figure"></div><script>
var figure = {figure};
Plotly.newPlot("figure", figure.data, figure.layout, {{responsive: true}}){frames};
</script></body></html>
"""


def figure_page(figure: Tree, *, inline: bool) -> str:
    """A page that draws the figure, with plotly.js from its CDN, or in the page itself (`inline`: about 5 MB)."""
    frames = ".then(function () { return Plotly.addFrames('figure', figure.frames); })" if figure.get("frames") else ""
    return _PAGE.format(script=_script(inline), figure=_in_script(figure), frames=frames)


def _script(inline: bool) -> str:
    try:
        offline: Any = importlib.import_module("plotly.offline")
        if inline:
            return f"<script>{offline.get_plotlyjs()}</script>"
        version = offline.get_plotlyjs_version()
    except (ImportError, AttributeError):
        if inline:
            log.warning("plotly is not installed, so its pages load plotly.js from the CDN")
        version = PLOTLY_JS
    return f'<script src="https://cdn.plot.ly/plotly-{version}.min.js" charset="utf-8"></script>'


def _in_script(figure: Tree) -> str:
    """JSON that no HTML parser takes for the end of its script; NaN, which plotly.js reads, stays."""
    text = json.dumps(figure, ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
