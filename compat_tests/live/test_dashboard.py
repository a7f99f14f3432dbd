"""What SwanLab's own dashboard, `swanlab watch`, shows of a run in mode local."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from compat_tests.conftest import Record, clean_environment, recorder

pytestmark = pytest.mark.live

SCRIPT = """
import wave
import wandb_swan as wandb
from PIL import Image

run = wandb.init(project="digits", name="a run", notes="what it is about")
colour = [Image.new("RGB", (8, 8), name) for name in ("red", "green", "blue")]
colour[0].save("moving.gif", save_all=True, append_images=colour[1:])
with wave.open("sound.wav", "wb") as sound:
    sound.setparams((1, 2, 8000, 0, "NONE", ""))
    sound.writeframes(bytes(16000))
for step in range(3):
    run.log({
        "table": wandb.Table(columns=["digit"], data=[[step]]),  # which the dashboard does not draw: first, and named
        "train/loss": 0.5 ** step,
        "note": f"words of step {step}",
        "page": wandb.Html("<p>a page</p>"),
        "acc": step,
    })
    print("line", step)
run.log({
    "named": wandb.Image(colour[0], caption="a red square"),
    "bare": [wandb.Image(image) for image in colour],
    "moving": wandb.Video("moving.gif", format="gif"),
    "sound": wandb.Audio("sound.wav", caption="silence"),
    "last": 7,
})
wandb.alert("low accuracy", "it is low")
run.finish()
"""


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a dashboard with one run."""
    pytest.importorskip("swanboard")
    folder = tmp_path_factory.mktemp("dashboard")
    result = recorder(folder)(SCRIPT, WANDB_SWAN_MODE="local")
    result.pairs()  # the stores are the same, captions and all
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = Path(sys.executable).with_name("swanlab")
    environment = clean_environment(folder / "home")
    served = subprocess.Popen(
        [command, "watch", "swanlog", "--host", "127.0.0.1", "--port", str(port)], cwd=result.dir, env=environment
    )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while not _answers(address):
            assert served.poll() is None and time.monotonic() < deadline, "swanlab watch does not answer"
            time.sleep(0.1)
        yield address
    finally:
        served.terminate()
        served.wait(30)


def _answers(address: str) -> bool:
    try:
        with urlopen(address, timeout=5):
            return True
    except (URLError, OSError):
        return False


def test_the_table_of_runs_has_each_value_in_its_own_column(watched: str, page: Any) -> None:
    page.goto(watched)
    page.locator(".dashboard-table").get_by_text("words of step 2").wait_for()
    cells = [text.strip() for text in page.locator(".dashboard-table .cell").all_inner_texts()]
    heads = page.locator(".dashboard-table .table-header-item").count()
    row = dict(zip(cells[:heads], cells[heads:], strict=True))
    assert row["Name"] == "a run" and row["State"] == "Finished"
    assert (row["train/loss"], row["acc"], row["last"]) == ("0.25", "2", "7")
    assert "words of step 2" in row["note"]
    assert not {"table", "page"} & row.keys(), "it draws neither"


def test_charts_pictures_texts_and_sounds_of_a_run(watched: str, page: Any, tmp_path: Path) -> None:
    from compat_tests.browser import keep_screenshot

    page.set_viewport_size({"width": 1280, "height": 3000})  # it draws what is in sight
    page.goto(f"{watched}/experiment/1/chart")

    def card(name: str) -> Any:
        return page.locator(".chart-container").filter(has=page.get_by_text(name, exact=True))

    for name in ("note", "alerts"):
        card(name).locator(".line").wait_for()
    assert "words of step 2" in card("note").inner_text()
    assert "low accuracy: it is low" in card("alerts").inner_text()
    for name in ("train/loss", "acc", "last"):
        card(name).locator("svg, canvas").first.wait_for()
    for name, count in (("named", 1), ("bare", 3), ("moving", 1)):
        pictures = card(name).locator("img")
        pictures.first.wait_for()
        assert pictures.evaluate_all("all => all.map(img => img.complete && img.naturalWidth)") == [8] * count
    assert "a red square" in card("named").inner_text()
    card("sound").get_by_text("0:01").wait_for()
    assert page.locator(".chart-container").count() == 9
    assert keep_screenshot(page, tmp_path, "swanlab-watch").stat().st_size > 10_000


def test_the_console_of_a_run(watched: str, page: Any) -> None:
    page.goto(f"{watched}/experiment/1/log")
    for step in range(3):
        page.get_by_text(f"line {step}", exact=True).first.wait_for()


def test_a_run_of_swanlabs_own(record: Record) -> None:
    """`swanlab.init()` came first: wandb's texts in it are shown as well, and what it had stays where it is."""
    pytest.importorskip("swanboard")
    result = record("""
    import swanlab
    swanlab.init(mode="local", project="mine", log_dir="swanlog")
    swanlab.log({"own": 3}, step=0)
    import wandb_swan as wandb
    with wandb.init(project="p") as run:
        run.log({"note": "a word", "loss": 0.5})
    swanlab.finish()
    """)
    told = [json.loads(file.read_text().splitlines()[-1]) for file in result.dir.glob("swanlog/run-*/logs/*/1000.log")]
    assert sorted(str(point["data"]) for point in told) == ["0.5", "3.0", "['a word']"]
    assert [point["more"] for point in told if "more" in point] == [[{"caption": " "}]]
