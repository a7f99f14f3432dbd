"""plotly.js for the figures of runs: that of the installed plotly, which draws all of them, else the one shipped here.

The one shipped here (plotly.js-cartesian) has the charts with two axes, pies, and images; no 3D, maps or sankeys.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

from . import STATIC

_FROM_CDN = re.compile(r'<script[^>]*\ssrc="https://cdn\.plot\.ly/plotly-[^"]*"[^>]*>\s*</script>')


def script_file() -> Path:
    """The file of plotly.js."""
    spec = find_spec("plotly")  # not imported: that takes a second
    for folder in (spec.submodule_search_locations or []) if spec else []:
        installed = Path(folder) / "package_data" / "plotly.min.js"
        if installed.is_file():
            return installed
    return STATIC / "vendor" / "plotly-cartesian.min.js"


def localized(page: str, address: str) -> str:
    """The page with plotly.js from `address` where it would load it from plotly's CDN."""
    return _FROM_CDN.sub(lambda _: f'<script src="{address}"></script>', page)
