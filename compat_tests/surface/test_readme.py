"""The README: every block of it runs, as it stands there, and the Chinese one is its equal."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from compat_tests.blocks import Reader, check_syntax, read_blocks
from compat_tests.conftest import clean_environment

ROOT = Path(__file__).parents[2]
ENGLISH, CHINESE = ROOT / "README.md", ROOT / "README.zh-CN.md"
PICTURES = ROOT / "docs" / "images"
"""Made of real runs by a script."""

pytestmark = pytest.mark.skipif(not ENGLISH.exists(), reason="not a source tree")


def text(page: Path) -> str:
    return page.read_text("utf-8")


def links(page: Path) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", text(page))


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(
        r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text(page), flags=re.DOTALL | re.MULTILINE), re.MULTILINE
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.live
def test_what_the_readme_shows_came_out(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """In an empty folder, without a login, and with none of the user's settings."""
    (tmp_path / "home").mkdir()
    environment = clean_environment(tmp_path / "home", WANDB_MODE=None, WANDB_CONSOLE=None)
    Reader(tmp_path, environment).run(ENGLISH, slow=bool(pytestconfig.getoption("--slow")))


@pytest.mark.parametrize("page", [ENGLISH, CHINESE], ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        if link.startswith("#"):
            assert link[1:] in anchors(page), link
        elif not link.startswith("https://") and (PICTURES.is_dir() or not link.startswith("docs/images/")):
            assert (ROOT / link.partition("#")[0]).exists(), link


def test_the_chinese_readme_is_its_equal() -> None:
    """The same blocks but for comments, headings of the same levels, tables of the same rows, links to the same places."""

    def code(page: Path) -> list[tuple[str, str]]:
        return [(block.language, re.sub(r"[ \t]+#\s.*", "", block.text)) for block in read_blocks(page)]

    assert code(CHINESE) == code(ENGLISH)
    for block in read_blocks(CHINESE):
        check_syntax(block)
    for pattern in (r"^#+(?= )", r"^\|(?= )", r"^- "):
        english, chinese = (re.findall(pattern, text(page), re.MULTILINE) for page in (ENGLISH, CHINESE))
        assert chinese == english, pattern

    def elsewhere(page: Path) -> list[str]:
        others = {"README.md", "README.zh-CN.md"}
        found = {link.replace(".zh.md", ".md") for link in links(page) if not link.startswith("#")}
        return sorted(found - others)

    assert elsewhere(CHINESE) == elsewhere(ENGLISH)
    translated = [link.removesuffix(".md") for link in links(CHINESE) if not link.endswith(".zh.md")]
    assert not [link for link in translated if (ROOT / f"{link}.zh.md").exists()], "there is a Chinese page"
    assert set(re.findall(r"WANDB_SWAN\w*", text(ENGLISH))) == set(re.findall(r"WANDB_SWAN\w*", text(CHINESE)))


def fidelity(page: Path) -> list[list[str]]:
    """The cells of the table of `bench/fidelity.py` without the names of its rows, by their numbers."""
    made = re.search(r"<!-- made by bench/fidelity.py -->\n(.*?)\n<!-- end -->", text(page), re.DOTALL)
    assert made is not None
    rows = [line.split(" | ")[1:] for line in made[1].splitlines() if line.startswith("|")][2:]
    return [[" ".join(re.findall(r"[\d,]+", cell)) for cell in row] for row in rows]


def test_the_comparison_is_the_same_in_both() -> None:
    assert fidelity(CHINESE) == fidelity(ENGLISH) and len(fidelity(ENGLISH)) > 20


@pytest.mark.slow
@pytest.mark.live
def test_the_comparison_comes_out_again(tmp_path: Path) -> None:
    """Side by side with SwanLab's own tools, as the README's table says."""
    page = tmp_path / "README.md"
    page.write_text("<!-- made by bench/fidelity.py -->\n<!-- end -->\n")
    command = [sys.executable, ROOT / "bench" / "fidelity.py", page]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=280)
    assert fidelity(page) == fidelity(ENGLISH)
