"""What would be published: metadata that the index takes, all that belongs in it, nothing else, and not too large."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
from email.message import Message
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
LARGEST_WHEEL = 1_500_000
"""Bytes."""


BESIDE = {"wandb_swan.pth", "_wandb_swan_command.py", "_wandb_swan_digits.py"}
"""What lies beside the package in site-packages."""


def tracked() -> set[str]:
    """The files that git has, by their path; skips the test where there is no git or no repository."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a git repository")
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    return {name for name in done.stdout.split("\0") if name and (ROOT / name).exists()}


def inside(distributions: Path) -> dict[str, int]:
    """What the wheel holds: path -> bytes."""
    (wheel,) = distributions.glob("*.whl")
    return {entry.filename: entry.file_size for entry in ZipFile(wheel).infolist()}


def metadata(distributions: Path) -> Message:
    (wheel,) = distributions.glob("*.whl")
    with ZipFile(wheel) as opened:
        (name,) = [name for name in opened.namelist() if name.endswith(".dist-info/METADATA")]
        return Parser().parsestr(opened.read(name).decode("utf-8"))


def test_the_index_takes_both(distributions: Path) -> None:
    files = sorted(distributions.iterdir())
    assert {file.name.rpartition("-")[2].rpartition(".")[2] for file in files} == {"whl", "gz"}
    command = [sys.executable, "-m", "twine", "check", "--strict", *files]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_wheel_holds_the_package_and_no_more(distributions: Path) -> None:
    (wheel,) = distributions.glob("*.whl")
    assert wheel.stat().st_size < LARGEST_WHEEL
    ours = {name for name in inside(distributions) if ".dist-info/" not in name}
    package = {name for name in tracked() if name.startswith("wandb_swan/")}
    assert package <= ours
    assert {name for name in ours if not name.startswith("wandb_swan/")} == BESIDE
    assert not [name for name in ours if "__pycache__" in name or name.endswith((".pyc", ".map"))]


def test_the_source_distribution_holds_all_that_git_has(distributions: Path) -> None:
    """Whoever has it can run the tests, read the documentation, and build the very wheel."""
    (sdist,) = distributions.glob("*.tar.gz")
    with tarfile.open(sdist) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    assert tracked() <= names


def test_every_link_of_the_index_page_leads_somewhere(distributions: Path) -> None:
    """The README is shown there without its neighbours: its links name the host, at this version's tag."""
    told = metadata(distributions)
    page = str(told.get_payload())
    links = re.findall(r"\]\(([^)\s]+)\)", page)
    assert len(links) > 3
    assert not [link for link in links if not link.startswith(("https://", "#"))]
    home = "https://github.com/wandb-swan/wandb-swan/blob/"
    for link in links:
        if link.startswith(home):
            tag, _, path = link.removeprefix(home).partition("#")[0].partition("/")
            assert tag == f"v{told['Version']}" and (ROOT / path).exists(), link


def test_the_changelog_has_this_version(distributions: Path) -> None:
    version = re.escape(metadata(distributions)["Version"])
    assert re.search(
        rf"^## \[{version}\] - \d{{4}}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE
    )


def test_what_installers_and_people_are_told(distributions: Path) -> None:
    told = metadata(distributions)
    assert told["Requires-Python"] == ">=3.8" and told["License-Expression"] == "Apache-2.0"
    pythons = [line for line in told.get_all("Classifier", []) if re.search(r":: 3\.\d+$", line)]
    assert [line.rpartition(".")[2] for line in pythons] == [str(minor) for minor in range(8, 15)]
    urls = dict(line.split(", ", 1) for line in told.get_all("Project-URL", []))
    assert {"Homepage", "Documentation", "Changelog", "Issues", "Source"} <= set(urls)
