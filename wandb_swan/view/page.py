"""The page as one file: everything in it, media as far as they fit."""

from __future__ import annotations

import base64
import mimetypes
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import STATIC, plotly
from .parity import Comparisons
from .points import curve
from .runs import JSON, ViewedRun

POINTS = 2_000
"""Points of a curve that the file has, spikes included."""
LINES = 20_000
"""Console lines of a run that the file has."""
MODULES = ("dom", "data", "charts", "tables", "points", "media", "details", "parity", "app")
"""The page's modules, each behind those that it imports."""


_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval' blob:; style-src 'unsafe-inline'; "
    "img-src data: blob:; media-src data: blob:; font-src data:; connect-src data:; worker-src blob:; frame-src 'self'"
)
"""Of the page and, since they inherit it, of the frames in it: nothing comes from elsewhere, nothing goes there."""


class _Budget:
    """The media that the file has room for."""

    def __init__(self, most: int) -> None:
        self._left = most
        self.left_out = 0

    def has_room(self, size: int) -> bool:
        """Takes so many bytes, if there is room for them."""
        if size > self._left:
            self.left_out += 1
            return False
        self._left -= size
        return True

    def take(self, file: Path | None) -> str | None:
        """The file as an address that holds it, or None where it is not there or there is no more room."""
        if file is None:
            return None
        if not self.has_room(file.stat().st_size * 4 // 3):
            return None
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        return f"data:{kind};base64,{base64.b64encode(file.read_bytes()).decode()}"


def page(runs: Mapping[str, ViewedRun], verdicts: Comparisons | None = None, media_mb: float = 50) -> str:
    """The HTML of the page with these runs in it, and a comparison.

    Args:
        runs: What is shown.
        verdicts: A comparison, whole.
        media_mb: Megabytes of media that the file may hold; the page says how many files were left out.

    Raises:
        WandbSwanError: a run cannot be read.
        OSError: a file of one cannot be read.
    """
    budget = _Budget(int(media_mb * 1e6))
    held: dict[str, Any] = {"run": {name: _run(run, budget) for name, run in runs.items()}}
    if verdicts is not None:
        held["parity"] = verdicts.overview()
        held["sides"], held["parityFiles"] = _sides(verdicts, held["parity"]["pairs"], budget)
    note = ""
    if budget.left_out:
        note = f"{budget.left_out} files are not in this page: together they are over {media_mb:g} MB"
    heads = [held["run"][name]["detail"] for name in runs]
    held["runs"] = {"runs": heads, "parity": verdicts is not None, "note": note}
    pages = any("page" in item for run in held["run"].values() for item in _items(run))
    return _html(held, with_plotly=pages)


def _items(run: dict[str, Any]) -> list[dict[str, Any]]:
    return [item for media in run["media"].values() for step in media["steps"] for item in step["items"]]


def _run(run: ViewedRun, budget: _Budget) -> dict[str, Any]:
    whole = run.whole()
    detail = run.detail()
    curves: dict[str, Any] = {}
    for key, series in {**whole.scalars, **whole.monitored}.items():
        shown = curve(series, most=POINTS)
        at = dict(zip(series.steps, series.times, strict=True))
        times = [at[int(step)] for step in shown.x]
        curves[key] = {"steps": shown.x, "y": shown.y, "times": times, "of": shown.of}
    files: dict[str, str] = {}
    media = {}
    for column in detail["columns"]:
        if column["kind"] != "scalar":
            media[column["key"]] = of_key = run.media(column["key"])
            for step in of_key["steps"]:
                for item in step["items"]:
                    _embed(run, of_key["kind"], item, files, budget)
    for file in detail["files"]:
        address = budget.take(run.file(file["path"]))
        if address is not None:
            files[file["path"]] = address
    return {"detail": detail, "curves": curves, "media": media, "files": files, "console": run.console(0, LINES)}


def _embed(run: ViewedRun, kind: str, item: dict[str, Any], files: dict[str, str], budget: _Budget) -> None:
    if item.get("missing") or ("text" in item and budget.has_room(len(item["text"]))):
        return
    if item.pop("text", None) is not None:
        item["missing"], item["why"] = True, "is not in this page: it would be too large"
        return
    address = budget.take(run.file(item["file"]))
    if address is None:
        item["missing"], item["why"] = True, "is not in this page: it would be too large"
    elif kind == "html":
        item["page"] = base64.b64decode(address.partition(",")[2]).decode("utf-8", "replace")
    else:
        files[item["file"]] = address


def _sides(verdicts: Comparisons, pairs: list[dict[str, Any]], budget: _Budget) -> tuple[Any, Any]:
    """Both sides of every metric, and the media files of wandb that they name, by pair."""
    sides: list[dict[str, Any]] = []
    files: list[dict[str, str]] = []
    for number, pair in enumerate(pairs):
        found = {str(at): verdicts.side_by_side(number, str(at)) for at in range(len(pair["metrics"]))}
        sides.append({**found, "console": verdicts.side_by_side(number, "console")})
        named = {
            item["file"]
            for side in found.values()
            for step in side.get("steps", ())
            for item in step["wandb"]
            if "file" in item
        }
        taken = {path: budget.take(verdicts.file(number, "wandb", path)) for path in sorted(named)}
        files.append({path: address for path, address in taken.items() if address is not None})
    return sides, files


def _html(held: Mapping[str, Any], *, with_plotly: bool) -> str:
    template = (STATIC / "index.html").read_text("utf-8")
    style = f"<style>{(STATIC / 'view.css').read_text('utf-8')}</style>"
    scripts = [_script('id="data" type="application/json"', _in_script(JSON.dump_json(held, fallback=str)))]
    if with_plotly:
        scripts.append(_script('id="plotly" type="text/plain"', _closed(plotly.script_file().read_text("utf-8"))))
    scripts.append(_script("", _closed((STATIC / "vendor" / "echarts.min.js").read_text("utf-8"))))
    scripts.append(_script('type="module"', _closed(_bundle())))
    template = template.replace("<title>", f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n<title>')
    body = re.sub(r'<script src="[^"]*"></script>\n', "", template)
    body = re.sub(r'<link rel="stylesheet"[^>]*>', lambda _: style, body)
    return re.sub(r'<script type="module"[^>]*></script>', lambda _: "\n".join(scripts), body)


def _script(attributes: str, text: str) -> str:
    return f"<script {attributes}>{text}</script>"


def _in_script(json: bytes) -> str:
    """JSON that no HTML parser takes for the end of its script."""
    return json.decode().replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _closed(script: str) -> str:
    """A script none of whose texts an HTML parser takes for its end."""
    return re.sub("</(?=script)", r"<\\/", script, flags=re.IGNORECASE)


def _bundle() -> str:
    """The modules as one, each a function that returns what it exports: a page in a file may load none."""
    whole = []
    for name in MODULES:
        text = (STATIC / f"{name}.js").read_text("utf-8")
        names = re.findall(r"^export (?:async )?(?:function|const|class) (\w+)", text, re.MULTILINE)
        text = re.sub(r"^export ", "", text, flags=re.MULTILINE)
        text = re.sub(r'^import ({[^}]*}) from "\./(\w+)\.js";', r"const \1 = of_\2;", text, flags=re.MULTILINE)
        whole.append(f"const of_{name} = (() => {{\n{text}\nreturn {{ {', '.join(names)} }};\n}})();")
    return "\n".join(whole)
