"""What a user sees of a run: every metric of every kind, in a page that needs nobody else."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from compat_tests.browser import keep_screenshot
from compat_tests.conftest import Recorded, clean_environment
from compat_tests.view.conftest import COMMAND, Look, Looked, serving

pytestmark = pytest.mark.live
LAST = 1 / 40 * 0.1
"""The last loss of the first run."""


@pytest.fixture(params=["served", "one file"])
def page(request: pytest.FixtureRequest, seen: Recorded, look: Look, tmp_path: Path) -> Looked:
    """The page of both runs, as it is served, and in one file."""
    if request.param == "served":
        return look(seen.dir, "swanlog")
    made = tmp_path / "page.html"
    subprocess.run([COMMAND, "view", "swanlog", "--html", made], cwd=seen.dir, env=environment(tmp_path), check=True)
    return look(made)


def environment(home: Path) -> dict[str, str]:
    return clean_environment(home)


def test_everything_of_a_run_is_shown(page: Looked, tmp_path: Path) -> None:
    page.only("the first run")
    expect(page.page.locator(".run")).to_have_count(2)
    for key in ("train/loss", "train/acc", "val/loss", "epoch", "odd"):
        expect(page.card(key).locator("canvas")).to_be_visible()
    assert "40 points, from 0.0025 to 0.1, last 0.0025" in label(page, "train/loss")
    assert "over epoch" in page.card("val/loss").inner_text()
    assert "1 values are NaN or infinite" in page.card("odd").inner_text()

    pictures = page.card("pictures/photo").locator("img")
    expect(pictures).to_have_count(2)
    assert pictures.first.evaluate("image => image.decode().then(() => image.naturalWidth)") == 60
    expect(page.card("pictures/photo").locator("figcaption")).to_have_text("photo 2 图")
    page.card("pictures/photo").locator("input[type=range]").press("ArrowLeft")
    expect(page.card("pictures/photo").locator("figcaption")).to_have_text("photo 1 图")

    tone = page.card("tone").locator("audio")
    assert (
        tone.evaluate(
            "audio => new Promise(done => { audio.onloadedmetadata = () => done(audio.duration); audio.load(); })"
        )
        == 0.5
    )
    assert page.card("clip").locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)") == 24
    expect(page.card("words").locator("pre")).to_have_text("plain <b>words</b>")

    rows = page.card("table").locator("tbody tr")
    expect(rows).to_have_count(50)
    page.card("table").get_by_role("button", name="score").click()
    page.card("table").get_by_role("button", name="score").click()
    assert rows.first.inner_text().split("\t")[0].strip() == "row 119"
    page.card("table").get_by_placeholder("Find in the table").fill("row 77")
    expect(rows).to_have_count(1)

    for key in ("confusion", "weights", "cloud"):
        expect(page.card(key).locator("canvas").first).to_be_visible()
    assert "300 points in space" in page.card("cloud").locator("canvas").get_attribute("aria-label")
    page.card("weights").get_by_text("Histograms over steps").click()
    expect(page.card("weights").locator(".plot")).to_have_count(2)

    inside = page.card("page").frame_locator("iframe")
    expect(inside.locator("#inside")).to_have_text("a page")
    expect(inside.locator("body")).to_have_attribute("data-ran", "yes")
    figure = page.card("figure").frame_locator("iframe")
    expect(figure.locator(".point").first).to_be_attached()
    assert len(figure.locator(".point").all()) == 2
    keep_screenshot(page.page, tmp_path, "everything")
    # wandb.Html asks for a stylesheet of W&B's: what a frame may not reach, the browser says
    assert not [text for text in page.complaints if "normalize.css" not in text]
    asked = [url for url in page.asked if "normalize.css" not in url]
    assert all(url.startswith(("http://127.0.0.1:", "file:", "data:", "about:", "blob:")) for url in asked)


def label(page: Looked, key: str) -> str:
    plot = page.card(key).locator(".plot[aria-label]")
    expect(plot).to_be_visible()
    return str(plot.get_attribute("aria-label"))


def test_runs_lie_over_each_other_and_their_configs_side_by_side(page: Looked) -> None:
    page.only("the first run", "the second run")
    assert "the first run: 40 points" in label(page, "train/loss")
    assert "the second run: 40 points, from 0.005 to 0.2" in label(page, "train/loss")
    page.tab("Config")
    expect(page.page.get_by_role("row", name="lr")).to_have_text(re.compile("lr.*0.[12].*0.[12]"))
    expect(page.page.get_by_role("row", name="same")).to_be_visible()
    page.page.get_by_label("only what differs (1)").check()
    expect(page.page.get_by_role("row", name="same")).to_have_count(0)
    expect(page.page.get_by_role("row", name="lr")).to_have_class("differs")
    page.tab("Summary")
    expect(page.page.get_by_role("row", name="train/loss")).to_contain_text("0.0025")


def test_what_is_no_metric_is_there(page: Looked) -> None:
    page.only("the second run")
    page.tab("Console")
    expect(page.page.locator(".console span", has_text="of second")).to_have_count(40)
    expect(page.page.locator(".console .err").first).to_have_text("a warning")
    page.page.get_by_placeholder("Find lines").fill("step 17")
    expect(page.page.locator(".console span:visible")).to_have_text(re.compile("step 17 of second"))
    page.tab("Files")
    expect(page.page.get_by_role("link", name="notes.txt")).to_be_visible()
    with page.page.expect_download() as download:
        page.page.get_by_role("link", name="notes.txt").click()
    assert download.value.path().read_text() == "kept"
    page.tab("Run")
    for text in ("all of it", "a, second", "pair", "crashed", "seen"):
        expect(page.page.locator("main dl")).to_contain_text(text)
    page.tab("System")
    expect(page.page.locator("main")).not_to_be_empty()


def test_curves_are_smoothed_scaled_and_laid_over_another_metric(page: Looked) -> None:
    page.only("the first run")
    expect(page.card("train/loss").locator("canvas")).to_be_visible()
    page.page.get_by_label("X axis").select_option("train/acc")
    page.page.get_by_label("log scale").check()
    page.page.get_by_label("Smoothing").fill("0.9")
    option = page.page.locator('[data-key="train/loss"] .plot').evaluate_handle(
        "async plot => { await new Promise(done => setTimeout(done, 600)); return echarts.getInstanceByDom(plot).getOption(); }"
    )
    drawn = json.loads(
        option.evaluate(
            "option => JSON.stringify({y: option.yAxis[0].type, series: option.series.map(one => one.data)})"
        )
    )
    assert drawn["y"] == "log" and len(drawn["series"]) == 2
    raw, smooth = drawn["series"]
    assert raw[-1] == [39 / 40, LAST] and raw[0][0] == 0
    last = seen = 0.0
    for place, (_, value) in enumerate(raw):  # W&B's and TensorBoard's: an average without the bias of its begin
        last = last * 0.9 + 0.1 * value
        seen = last / (1 - 0.9 ** (place + 1))
    assert smooth[-1][1] == pytest.approx(seen)


def test_values_are_there_for_who_cannot_see_a_chart(page: Looked) -> None:
    page.only("the first run")
    page.page.get_by_role("button", name="Values of train/loss").press("Enter")
    rows = page.page.get_by_role("dialog").locator("tr")
    expect(rows).to_have_count(41)
    assert rows.nth(40).inner_text().split("\t") == ["the first run", "39", str(LAST)]
    page.page.keyboard.press("Escape")
    expect(page.page.get_by_role("dialog")).to_have_count(0)
    chart = page.card("train/loss").locator(".plot")
    chart.press("+")
    expect(chart).to_have_attribute("aria-label", re.compile(r"train/loss, a part\. the first run: 2\d points"))
    chart.press("0")
    expect(chart).to_have_attribute("aria-label", re.compile(r"train/loss\. the first run: 40 points"))
    unnamed = page.page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, a, canvas[tabindex], iframe, img")]
            .filter(one => one.offsetParent && !(one.ariaLabel || one.alt || one.title || one.labels?.length || one.innerText?.trim() || one.id))
            .map(one => one.outerHTML.slice(0, 120))"""
    )
    assert not unnamed
    page.page.locator("#tabs [aria-selected=true]").focus()
    page.page.keyboard.press("ArrowRight")
    expect(page.page.locator("#tabs [aria-selected=true]")).to_be_focused()
    expect(page.page.locator("#tabs [aria-selected=true]")).to_have_text("System")


def test_a_phone_and_the_dark_show_all_of_it(seen: Recorded, look: Look, tmp_path: Path) -> None:
    page = look(seen.dir, "swanlog", width=390)
    page.page.get_by_role("button", name="Theme").click()
    shown = page.page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.page.get_by_role("button", name="Theme").click()
    assert page.page.evaluate("getComputedStyle(document.body).backgroundColor") != shown
    for tab in page.page.locator("#tabs button").all_inner_texts():
        page.tab(tab)
        assert page.page.evaluate("document.documentElement.scrollWidth") <= 390, tab
    page.tab("Charts")
    expect(page.card("train/loss").locator("canvas")).to_be_visible()
    keep_screenshot(page.page, tmp_path, "phone")
    assert not page.complaints


def test_only_who_has_the_token_is_answered(seen: Recorded) -> None:
    def ask(address: str, **headers: str) -> tuple[int, Any]:
        try:
            with urllib.request.urlopen(urllib.request.Request(address, headers=headers)) as answer:
                return answer.status, answer.headers
        except urllib.error.HTTPError as error:
            return error.code, error.headers

    with serving(seen.dir, "swanlog") as address:
        base, token = address.split("?token=")
        cookie = f"wandb_swan_{base.split(':')[2].strip('/')}={token}"
        assert ask(base)[0] == ask(f"{base}api/runs")[0] == ask(f"{base}static/app.js")[0] == 403
        assert ask(f"{base}?token=wrong")[0] == 403
        assert ask(f"{base}api/runs", Cookie=cookie)[0] == 200
        assert ask(f"{base}api/runs", Cookie=cookie, Host="rebound.example")[0] == 400
        for path in (
            "../../work/train.py",
            "%2e%2e/%2e%2e/%2e%2e/train.py",
            "..%2f..%2f..%2ftrain.py",
            "files/../../../train.py",
        ):
            assert ask(f"{base}file/r0/{path}", Cookie=cookie)[0] == 404, path
        status, headers = ask(f"{base}file/r0/files/notes.txt", Cookie=cookie)
        assert status == 200 and "sandbox" in headers["Content-Security-Policy"]
        assert headers["Content-Disposition"].startswith("attachment")
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_a_wrong_place_and_a_taken_port_are_said(seen: Recorded, tmp_path: Path) -> None:
    def said(*arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [COMMAND, "view", *arguments],
            cwd=seen.dir,
            env=environment(tmp_path),
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.returncode, done.stderr + done.stdout

    code, text = said("wandb")
    assert (
        code == 2
        and text.strip()
        == "wandb-swan: wandb holds no SwanLab run; give SwanLab's log directory (swanlog) or a run folder"
    )
    with serving(seen.dir, "swanlog") as address:
        port = address.split(":")[2].split("/")[0]
        code, text = said("swanlog", "--port", port)
    assert code == 2 and f"port {port} cannot be had" in text and "Traceback" not in text
