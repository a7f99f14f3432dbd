"""A page in headless Chromium: the one that is installed, with no way out of this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ALONE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser for the tests of a module; skips them where there is none."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed (Debian: apt install chromium)")
    with sync_playwright() as playwright:
        # No sandbox: there is none for root, and in most containers. Nothing but our own pages is opened.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", ALONE])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def new_page(browser: Browser) -> Iterator[Page]:
    """An empty page with a profile of its own, 1280 x 800."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(20_000)  # ms
    try:
        yield context.new_page()
    finally:
        context.close()


def keep_screenshot(page: Page, folder: Path, name: str) -> Path:
    """Writes `name`.png, the whole page, into the folder that SCREENSHOTS names, else into `folder`; returns its path."""
    kept = Path(os.environ.get("SCREENSHOTS") or folder)
    kept.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=kept / f"{name}.png", full_page=True)
    return kept / f"{name}.png"
