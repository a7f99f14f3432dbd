"""Makes the picture of the README: `python -m compat_tests.tools.picture` runs the demo and looks at it in Chromium."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from compat_tests.browser import chromium, new_page
from compat_tests.conftest import clean_environment

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "view.png"
WIDTH, HEIGHT = 1720, 1180
COLOURS = 96
"""Enough for charts and text, and a third of the bytes."""


def main() -> None:
    command = Path(sys.executable).with_name("wandb-swan")
    with tempfile.TemporaryDirectory() as made:
        home = Path(made)
        environment = clean_environment(home)
        subprocess.run([command, "demo", "demo"], cwd=home, env=environment, check=True)
        with subprocess.Popen(
            [command, "view", "demo/swanlog", "--no-open"], cwd=home, env=environment, stdout=subprocess.PIPE, text=True
        ) as server:
            try:
                assert server.stdout is not None
                found = re.search(r"http\S+", server.stdout.readline())
                assert found is not None
                shot = looked_at(found[0])
            finally:
                server.terminate()
    picture = Image.open(io.BytesIO(shot)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    picture.save(PICTURE, optimize=True)
    print(f"{PICTURE}: {PICTURE.stat().st_size / 1000:.0f} kB")


def looked_at(address: str) -> bytes:
    """The first screen, all of it drawn."""
    with chromium() as browser, new_page(browser) as page:
        page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
        page.goto(address)
        page.wait_for_selector("html[data-ready]")
        for card in page.locator("[data-key]").all():
            card.scroll_into_view_if_needed()
            card.locator("canvas, img, pre, table, iframe").first.wait_for()
        page.frame_locator("iframe").locator(".point").first.wait_for(state="attached")
        page.evaluate("document.querySelector('main').scrollIntoView()")
        page.evaluate("window.scrollTo(0, 0)")
        page.wait_for_timeout(500)  # ms; for the canvas
        return page.screenshot()


if __name__ == "__main__":
    main()
