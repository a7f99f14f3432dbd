"""The pages of docs/, and the site that is built of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(page for page in DOCS.rglob("*.md") if not page.name.endswith(".zh.md"))
TRANSLATED = sorted(DOCS.rglob("*.zh.md"))


def name_of(page: Path) -> str:
    """As a test is called."""
    return page.relative_to(DOCS).as_posix()


def original(page: Path) -> Path:
    """The English page of a Chinese one."""
    return page.with_name(page.name.replace(".zh.md", ".md"))


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built strictly: a broken link, a missing page or anchor is a failure."""
    pytest.importorskip("mkdocs")
    folder = tmp_path_factory.mktemp("docs") / "site"
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder
