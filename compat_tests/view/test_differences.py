"""The page of a comparison: what differs first, and both sides of it beside each other."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect
from swanlab.sdk.internal.core_python.store import DataStoreWriter

from compat_tests.browser import keep_screenshot
from compat_tests.conftest import Recorded, clean_environment
from compat_tests.view.conftest import COMMAND, Look, Looked
from wandb_swan.swan.sdk.store import records

pytestmark = pytest.mark.live


def rewritten(run: Path, change: Callable[[Any], bool]) -> None:
    """The store of a run with its records as `change` leaves them, but for those of which it says False."""
    (log,) = run.glob("run-*.swanlab")
    kept = [record for record in records(run) if change(record)]
    log.unlink()
    writer = DataStoreWriter()
    writer.open(log)
    for record in kept:
        writer.write(record.SerializeToString())
    writer.close()


@pytest.fixture(scope="module")
def changed(seen: Recorded, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which SwanLab's record of the first run has been changed in five places."""
    work = tmp_path_factory.mktemp("changed") / "work"
    shutil.copytree(seen.dir, work, symlinks=True)
    run = next(
        path
        for path in (work / "swanlog").glob("run-*")
        if b"the first run" in next(path.glob("*.swanlab")).read_bytes()
    )

    def change(record: Any) -> bool:
        if record.HasField("scalar") and record.scalar.key == "train/loss" and record.scalar.step == 7:
            record.scalar.value.number += 0.25
        if record.HasField("scalar") and record.scalar.key == "train/acc" and record.scalar.step == 9:
            return False
        if record.HasField("log") and record.log.line == "step 11 of first":
            record.log.line = "another line"
        if record.HasField("media"):
            file = run / "media" / kinds.get(record.media.key, "") / record.media.value.items[0].filename
            if record.media.key == "table":
                held = json.loads(file.read_text())
                held["rowData"][3]["score"] = 99
                file.write_text(json.dumps(held))
            elif record.media.key == "words":
                file.write_text("other words")
            elif record.media.key == "pictures/photo" and record.media.step == max(photos):
                Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(file)
        return True

    every = list(records(run))
    kinds = {"table": "echarts", "words": "text", "pictures/photo": "image"}
    photos = [
        record.media.step for record in every if record.HasField("media") and record.media.key == "pictures/photo"
    ]
    rewritten(run, change)
    return work


@pytest.fixture(params=["served", "one file", "verify --html"])
def page(request: pytest.FixtureRequest, changed: Path, look: Look, tmp_path: Path) -> Looked:
    made = tmp_path / "page.html"
    if request.param == "served":
        return look(changed, "swanlog", "--wandb", "wandb")
    command = ("view", "swanlog", "--wandb", "wandb") if request.param == "one file" else ("verify", "wandb", "swanlog")
    done = subprocess.run(
        [COMMAND, *command, "--html", made], cwd=changed, env=clean_environment(tmp_path), capture_output=True
    )
    assert done.returncode == (request.param == "verify --html"), done.stderr
    return look(made)


def test_what_differs_comes_first_with_both_sides(page: Looked, tmp_path: Path) -> None:
    expect(page.page.locator("#tabs [aria-selected=true]")).to_have_text("Differences")
    expect(page.page.get_by_text("1 of 2 runs identical")).to_be_visible(timeout=30_000)
    run = page.page.locator(".list > details[open]")
    expect(run).to_contain_text("DIFFERENT the first run")
    names = [row.split("\t")[0] for row in run.locator("tbody tr").all_inner_texts()]
    assert set(names[:6]) == {"train/loss", "train/acc", "table", "words", "pictures/photo", "console"}
    page.page.get_by_label("only differences").check()
    expect(run.locator("tbody tr")).to_have_count(6)
    page.page.get_by_placeholder("Find runs and metrics").fill("train/l")
    expect(run.locator("tbody tr")).to_have_count(1)
    page.page.get_by_placeholder("Find runs and metrics").fill("")

    dialog = page.page.get_by_role("dialog")

    def open_sides(name: str) -> Any:
        page.page.get_by_role("button", name=f"Both sides of {name}", exact=True).click()
        return dialog

    expect(open_sides("train/loss").locator("canvas").first).to_be_visible()
    drawn = dialog.locator(".plot").evaluate(
        "plot => echarts.getInstanceByDom(plot).getOption().series.map(one => [one.name, one.data])"
    )
    series = {name: dict(map(tuple, data)) for name, data in drawn}
    assert series["SwanLab less wandb"][7] == pytest.approx(0.25) and sum(
        series["SwanLab less wandb"].values()
    ) == pytest.approx(0.25)
    assert series["SwanLab"][7] - series["wandb"][7] == pytest.approx(0.25) and len(series["wandb"]) == 40
    keep_screenshot(page.page, tmp_path, "difference")
    page.page.keyboard.press("Escape")

    open_sides("train/acc")
    drawn = dialog.locator(".plot").evaluate(
        "plot => echarts.getInstanceByDom(plot).getOption().series.map(one => one.data.length)"
    )
    assert drawn == [40, 39, 39]
    page.page.keyboard.press("Escape")

    cells = open_sides("table").locator("td.differs")
    expect(cells).to_have_count(2)
    assert {text.strip() for text in cells.all_inner_texts()} == {"0.428571", "99"}
    page.page.keyboard.press("Escape")

    expect(open_sides("words").locator("pre.differs")).to_have_text(["plain <b>words</b>", "other words"])
    page.page.keyboard.press("Escape")

    pictures = open_sides("pictures/photo").locator("h3.problem + .pair img")
    expect(pictures).to_have_count(4)
    sizes = pictures.evaluate_all(
        "images => Promise.all(images.map(image => image.decode().then(() => image.naturalWidth)))"
    )
    assert sizes == [60, 8, 60, 8]
    page.page.keyboard.press("Escape")

    lines = open_sides("the console").locator(".differs")
    expect(lines).to_have_text(["--- wandb", "+++ SwanLab", "-step 11 of first", "+another line"])
    assert not [text for text in page.complaints if "normalize.css" not in text]
