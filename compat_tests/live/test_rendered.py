"""The charts that are in SwanLab's store draw what they should, on a page in headless Chromium.

Needs chromium and npm (for echarts.js); skipped where one of them is missing. `WANDB_SWAN_SCREENSHOTS=<folder>` keeps
pictures of the pages.
"""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from compat_tests.conftest import recorder
from compat_tests.stores import SwanStore

pytestmark = pytest.mark.live

SCRIPT = """
import numpy as np
import plotly.graph_objects as go
import wandb_swan as wandb

truth = [0, 0, 0, 1, 1, 1, 2, 2, 2, 2]
seen = [0, 0, 1, 1, 1, 1, 2, 2, 0, 2]
names = ["zero", "one", "two"]
with wandb.init(project="rendered") as run:
    run.log({
        "confusion": wandb.plot.confusion_matrix(y_true=truth, preds=seen, class_names=names, title="Who is who"),
        "line": wandb.plot.line_series([0, 1, 2, 3], [[0.9, 0.5, 0.3, 0.2], [1.0, 0.7, 0.6, 0.6]],
                                       keys=["train", "val"], title="Loss curves", xname="epoch"),
        "table": wandb.Table(columns=["digit", "guess", "sure", "f.1"], data=[[3, "eight", 0.75, True], [5, "six", 0.5, None]]),
        "histogram": wandb.Histogram(np_histogram=(np.array([1, 4, 2]), np.array([0.0, 0.5, 1.0, 4.0]))),
        "figure": go.Figure(go.Bar(x=["left", "right"], y=[3, 5]), layout={"title": {"text": "Plotly </script> here"}}),
    })
"""

PAGE = """<!DOCTYPE html><meta charset="utf-8"><script>{echarts}</script>
<style>.chart {{ width: 560px; height: 380px; }} td {{ border: 1px solid; }}</style><body><script>
const charts = {charts};
for (const [key, chart] of Object.entries(charts)) {{
  const box = document.body.appendChild(document.createElement("div"));
  box.id = key;
  if (chart._swanLab === "table") {{  // the grid that SwanLab's page has for its tables: fields by name
    const table = box.appendChild(document.createElement("table"));
    const line = cells => {{ const row = table.insertRow(); cells.forEach(cell => row.insertCell().textContent = cell); }};
    line(chart.colDefs.map(column => column.field));
    chart.rowData.forEach(row => line(chart.colDefs.map(column => column.field.split(".").reduce((at, name) => at && at[name], row))));
  }} else {{
    box.className = "chart";
    echarts.init(box, null, {{renderer: "svg"}}).setOption({{...chart, animation: false}});
  }}
}}
document.body.dataset.done = "yes";
</script></body>
"""


@pytest.fixture(scope="module")
def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not found:
        pytest.skip("chromium is not installed")
    return found


@pytest.fixture(scope="module")
def echarts(tmp_path_factory: pytest.TempPathFactory) -> str:
    npm = shutil.which("npm")
    if not npm:
        pytest.skip("npm is not installed")
    folder = tmp_path_factory.mktemp("echarts")
    packed = subprocess.run([npm, "pack", "echarts@5"], cwd=folder, capture_output=True, text=True, timeout=120)
    if packed.returncode:
        pytest.skip(f"npm cannot fetch echarts: {packed.stderr[-300:]}")
    with tarfile.open(next(folder.glob("echarts-*.tgz"))) as archive:
        script = archive.extractfile("package/dist/echarts.min.js")
        assert script is not None
        return script.read().decode()


@pytest.fixture(scope="module")
def swan(tmp_path_factory: pytest.TempPathFactory) -> SwanStore:
    _, store = recorder(tmp_path_factory.mktemp("rendered"))(SCRIPT, WANDB_SWAN_PLOTLY_INLINE="1").pair()
    return store


def rendered(chromium: str, page: str, folder: Path, name: str) -> str:
    """The page's DOM after its scripts ran."""
    path = folder / f"{name}.html"
    path.write_text(page, "utf-8")
    command = [
        chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
        "--disable-background-networking", "--disable-component-update", f"--user-data-dir={folder / 'profile'}",
        "--window-size=1200,1800", "--virtual-time-budget=10000",
    ]  # fmt: skip
    done = subprocess.run([*command, "--dump-dom", path.as_uri()], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    screenshots = os.environ.get("WANDB_SWAN_SCREENSHOTS")
    if screenshots:
        picture = Path(screenshots).absolute() / f"{name}.png"
        subprocess.run(
            [*command, f"--screenshot={picture}", path.as_uri()], capture_output=True, timeout=120, check=True
        )
    return done.stdout


def test_charts_are_drawn(chromium: str, echarts: str, swan: SwanStore, tmp_path: Path) -> None:
    charts: dict[str, Any] = {
        key: json.loads(swan.content(key, 0)[0]) for key in ("confusion", "line", "table", "histogram")
    }
    data = json.dumps(charts).replace("<", "\\u003c")
    dom = rendered(chromium, PAGE.format(echarts=echarts, charts=data), tmp_path, "charts")
    assert 'data-done="yes"' in dom, "a chart was refused"
    parts = dict(re.findall(r'<div id="(\w+)"(.*?)(?=<div id="\w+"|</body>)', dom.split("<body", 1)[1], re.DOTALL))

    def texts(key: str) -> list[str]:
        return [html.unescape(text) for text in re.findall(r"<text[^>]*>([^<]*)</text>", parts[key])]

    confusion = texts("confusion")
    assert "Who is who" in confusion and {"Predicted", "Actual"} <= set(confusion)
    assert [confusion.count(name) for name in ("zero", "one", "two")] == [2, 2, 2], "both axes name the classes"
    cells = [text for text in confusion if text in {"0", "1", "2", "3"}]
    assert sorted(cells)[:9].count("0") >= 5 and cells.count("3") >= 2, "the cells show their counts"
    line = texts("line")
    assert {"Loss curves", "epoch", "train", "val"} <= set(line)
    curves = re.findall(r'<path d="([^"]*)" fill="none"[^>]*stroke-width="2" stroke-linejoin="bevel"', parts["line"])
    assert [curve.count("L") for curve in curves] == [3, 3], "two curves of four points"
    bars = re.findall(r'<path d="(M[^"]*Z)" fill="#5470c6"', parts["histogram"])
    assert len(bars) == 3, "a bar for each bin"
    assert {"0 … 0.5", "0.5 … 1", "1 … 4"} <= set(texts("histogram")), "bins have their edges"
    rows = [re.findall(r"<td>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", parts["table"])]
    assert rows == [["digit", "guess", "sure", "f․1"], ["3", "eight", "0.75", "true"], ["5", "six", "0.5", ""]]


def test_a_plotly_page_holds_plotly_js_on_request(swan: SwanStore) -> None:
    (page,) = swan.content("figure", 0)
    assert len(page) > 1 << 20 and b"cdn.plot.ly/plotly-" not in page


def test_a_plotly_page_is_drawn_without_a_network(chromium: str, swan: SwanStore, tmp_path: Path) -> None:
    (page,) = swan.content("figure", 0)
    dom = rendered(chromium, page.decode(), tmp_path, "figure")
    drawn = dom.split('<div id="figure"', 1)[1]
    assert len(re.findall(r'class="point"', drawn)) == 2, "two bars"
    assert {"left", "right"} <= set(re.findall(r">(\w+)</text>", drawn)) and "Plotly" in drawn
