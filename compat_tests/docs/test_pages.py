"""The commands and programs of docs/ are run, top to bottom, and print what the pages show."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from compat_tests.blocks import Reader, check_syntax, read_blocks
from compat_tests.conftest import clean_environment
from compat_tests.docs.conftest import PAGES, ROOT, TRANSLATED, name_of, original

QUICK = ("tutorial.md", "reference/api.md", "reference/switches.md")
"""Of the pages whose blocks start trainings, those that are run without `--slow`: the tutorial has each way once."""


def _runs_nothing(page: Path) -> bool:
    return all(
        block.says("not run") is not None or block.language not in ("console", "python") for block in read_blocks(page)
    )


@pytest.mark.live
@pytest.mark.parametrize(
    "page",
    [
        page if name_of(page) in QUICK or _runs_nothing(page) else pytest.param(page, marks=pytest.mark.slow)
        for page in PAGES
    ],
    ids=name_of,
)
def test_the_blocks_of_a_page(page: Path, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    environment = clean_environment(tmp_path, WANDB_MODE=None)
    Reader(tmp_path, environment).run(page, slow=bool(pytestconfig.getoption("--slow")))


def test_what_a_run_says_of_itself_is_listed() -> None:
    """Every key that the source puts under config `wandb_run` by its name."""
    source = "".join(path.read_text("utf-8") for path in sorted((ROOT / "wandb_swan").rglob("*.py")))
    calls = re.findall(r"(?:add|amend)_metadata\(([^\n]*)\)\n", source)
    keys = {key for call in calls for key in re.findall(r"\b([a-z_]+)=", call)} - {"identical", "how", "exclude_none"}
    assert len(keys) > 10
    page = (ROOT / "docs/reference/what-goes-where.md").read_text("utf-8")
    assert not [key for key in keys if f"`{key}`" not in page]


def test_the_pod_of_the_page_is_that_of_contrib() -> None:
    (shown,) = (block.text for block in read_blocks(ROOT / "docs/how-to/kubernetes.md") if block.language == "yaml")
    assert yaml.safe_load(shown) == yaml.safe_load((ROOT / "contrib/kubernetes-pod.yaml").read_text("utf-8"))


@pytest.mark.parametrize("page", TRANSLATED, ids=name_of)
def test_a_translation_says_the_same(page: Path) -> None:
    """The same blocks, so that these need not run a second time, headings of the same levels, and the same links."""
    theirs, ours = read_blocks(original(page)), read_blocks(page)
    assert [block.text for block in ours if block.language] == [block.text for block in theirs if block.language]
    for block in ours:
        check_syntax(block)
    chinese, english = (path.read_text("utf-8") for path in (page, original(page)))
    assert re.findall(r"^#+(?= )", chinese, re.MULTILINE) == re.findall(r"^#+(?= )", english, re.MULTILINE)
    links = [sorted(re.findall(r"\]\(([^)#]+)", text)) for text in (chinese, english)]
    assert links[0] == links[1]


def test_tutorial_and_how_to_pages_are_in_chinese_too() -> None:
    expected = {original(page) for page in TRANSLATED}
    missing = [name_of(page) for page in PAGES if "how-to" in page.parts or page.name == "tutorial.md"]
    assert not [name for name in missing if ROOT / "docs" / name not in expected]
