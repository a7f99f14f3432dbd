"""The reader of pages runs what a page says, and is red where something else comes out."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from compat_tests.blocks import Reader, read_blocks
from compat_tests.conftest import clean_environment


def page(folder: Path, text: str) -> Path:
    written = folder / "page.md"
    written.write_text(text.replace("'''", "```"), "utf-8")
    return written


def read(folder: Path, text: str, *, slow: bool = False) -> None:
    run = Path(tempfile.mkdtemp(dir=folder))
    Reader(run, clean_environment(run)).run(page(folder, text), slow=slow)


STORY = """
<!-- block: file sub/train.py -->
'''python
import os

print("run abcd1234 at 20261126_120001 took 1.25 s", os.environ.get("COLOUR"))
'''

In a list:

- first

  '''console
  $ export COLOUR=blue
  $ cd sub && ls
  train.py
  $ python \\
      train.py
  run wxyz7890 at 20250101_000000 took 77 s blue
  '''
"""


def test_a_story_goes_on_from_block_to_block(tmp_path: Path) -> None:
    read(tmp_path, STORY)


@pytest.mark.parametrize(
    ("is_there", "instead"),
    [
        ("77 s blue", "77 s red"),
        ("COLOUR=blue", "COLOUR=red"),
        ("ls\ntrain.py", "ls\ntrain.py\nmore.py"),
        ("&& ls", "&& l"),
    ],
)
def test_another_output_is_red(tmp_path: Path, is_there: str, instead: str) -> None:
    story = STORY.replace("\n  ", "\n")
    assert is_there in story
    with pytest.raises(AssertionError, match=r"page\.md:"):
        read(tmp_path, story.replace(is_there, instead))


def test_dots_are_any_lines_and_not_one_more(tmp_path: Path) -> None:
    read(tmp_path, "'''console\n$ seq 1 5\n1\n...\n5\n'''")
    with pytest.raises(AssertionError):
        read(tmp_path, "'''console\n$ seq 1 5\n1\n...\n4\n'''")


def test_a_program_and_the_output_below_it(tmp_path: Path) -> None:
    read(tmp_path, "'''python\nprint('a  b')\n'''\n\n<!-- block: output -->\n'''text\na b\n'''")


def test_an_exit_code_is_expected(tmp_path: Path) -> None:
    text = "'''console\n$ echo no; false\nno\n'''"
    with pytest.raises(AssertionError, match="exit code 1"):
        read(tmp_path, text)
    read(tmp_path, "<!-- block: exit 1 -->\n" + text)


def test_slow_and_unrunnable_blocks_are_left(tmp_path: Path) -> None:
    text = "<!-- block: slow -->\n'''console\n$ false\n'''\n\n<!-- block: not run, no cluster -->\n'''console\n$ false\n'''"
    read(tmp_path, text)
    with pytest.raises(AssertionError):
        read(tmp_path, text, slow=True)


@pytest.mark.parametrize("block", ["yaml\na: [", "json\n{", "bash\nif", "python\nif"])
def test_what_is_not_run_is_read(tmp_path: Path, block: str) -> None:
    with pytest.raises(AssertionError, match=r"page\.md:"):
        read(tmp_path, f"<!-- block: file x -->\n'''{block}\n'''" if block.startswith("python") else f"'''{block}\n'''")


@pytest.mark.parametrize("text", ["'''python\n", "<!-- block: slow -->\n\nwords\n\n'''text\n'''"])
def test_a_page_that_is_not_whole_is_no_page(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match=r"page\.md"):
        read_blocks(page(tmp_path, text))
