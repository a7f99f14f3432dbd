"""Runs with everything in them, and the page that shows them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from compat_tests.browser import new_page
from compat_tests.conftest import Recorded, clean_environment, recorder

COMMAND = Path(sys.executable).with_name("wandb-swan")
PROGRAM = """
import sys, warnings
import numpy as np
import plotly.graph_objects as go
from PIL import Image
import wandb_swan as wandb

warnings.simplefilter("ignore")
random = np.random.default_rng(0)
photo = random.integers(0, 256, (40, 60, 3), dtype=np.uint8)
for name, rate in (("first", 0.1), ("second", 0.2)):
    run = wandb.init(
        project="seen", name=f"the {name} run", notes="all of it", tags=["a", name], group="pair",
        config={"lr": rate, "model": {"layers": [1, 2], "kind": "mlp"}, "same": "same"},
    )
    run.define_metric("val/*", step_metric="epoch")
    for step in range(40):
        run.log({"train/loss": 1 / (step + 1) * rate, "train/acc": step / 40, "epoch": step // 10})
        print(f"step {step} of {name}")
    print("a warning", file=sys.stderr)
    run.log({"val/loss": 0.5, "odd": float("nan"), "epoch": 4})
    frames = [Image.fromarray(frame) for frame in random.integers(0, 256, (4, 16, 24, 3), dtype=np.uint8)]
    frames[0].save("clip.gif", save_all=True, append_images=frames[1:], duration=100)
    for step in range(3):
        run.log({"weights": wandb.Histogram(random.normal(step, 1, 500), num_bins=16)})
        run.log({"pictures/photo": [wandb.Image(photo, caption=f"photo {step} 图"), wandb.Image(photo[:8, :8])]})
    run.log({
        "tone": wandb.Audio(np.sin(np.arange(4000) / 5) * 0.5, sample_rate=8000, caption="a tone"),
        "clip": wandb.Video("clip.gif", caption="it moves"),
        "words": "plain <b>words</b>",
        "page": wandb.Html("<p id=inside>a page</p><script>document.body.dataset.ran = 'yes'</script>"),
        "figure": go.Figure(go.Bar(x=["left", "right"], y=[1, 3])),
        "table": wandb.Table(columns=["name", "score"], data=[[f"row {row}", row / 7] for row in range(120)]),
        "confusion": wandb.plot.confusion_matrix(y_true=[0, 1, 1], preds=[0, 1, 0], class_names=["cat", "dog"]),
        "cloud": wandb.Object3D(random.normal(size=(300, 3))),
    })
    with open("notes.txt", "w") as notes:
        notes.write("kept")
    run.save("notes.txt")
    run.finish(exit_code=0 if name == "first" else 1)
"""


@pytest.fixture(scope="session")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Two runs of `PROGRAM`, offline on both sides."""
    return recorder(tmp_path_factory.mktemp("seen"))(PROGRAM, timeout=240, WANDB_SWAN_MODE="offline")


class Looked:
    """A page, what it asked for and what it complained of."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.asked: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        page.on("request", lambda request: self.asked.append(request.url))

    def tab(self, name: str) -> None:
        self.page.get_by_role("tab", name=name).click()
        self.page.wait_for_selector(f'#tabs [aria-selected="true"] >> text={name}')
        self.page.wait_for_selector('#content[aria-busy="false"]')

    def card(self, key: str) -> Any:
        """A card, scrolled to and drawn."""
        card = self.page.locator(f'[data-key="{key}"]')
        card.scroll_into_view_if_needed()
        return card

    def only(self, *names: str) -> None:
        """Selects these runs and no others, once all of them have been read."""
        expect(self.page.locator(".run", has_text="reading")).to_have_count(0)
        for box in self.page.locator(".run").all():
            wanted = any(name in box.inner_text() for name in names)
            if box.locator("input").is_checked() != wanted:
                box.locator("input").click()
        self.page.wait_for_selector('#content[aria-busy="false"]')


Look = Callable[..., Looked]


@contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[str]:
    """The address of `wandb-swan view` in a folder."""
    home = folder.parent / "home"
    home.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [COMMAND, "view", "--no-open", *arguments],
        cwd=folder,
        env=clean_environment(home, SSH_CONNECTION=None),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+/\?token=\S+", line)
        assert found, f"{line}{process.communicate()}"
        yield found[0]
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=30)
        assert not errors.strip(), errors


@pytest.fixture
def look(browser: Browser) -> Iterator[Look]:
    """`look(folder, *arguments)`: the page of `wandb-swan view` in a folder; `look(file)`: a page in one file."""
    with ExitStack() as stack:

        def open_it(place: Path, *arguments: str, width: int = 1280) -> Looked:
            address = place.as_uri() if place.is_file() else stack.enter_context(serving(place, *arguments))
            looked = Looked(stack.enter_context(new_page(browser)))
            looked.page.set_viewport_size({"width": width, "height": 900})
            looked.page.goto(address)
            looked.page.wait_for_selector("html[data-ready]")
            return looked

        yield open_it
