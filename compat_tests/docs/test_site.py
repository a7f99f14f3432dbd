"""The site: built without a warning, from the source where that has the truth, and nothing in it from another host."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import click
import wandb

import wandb_swan
from compat_tests.docs.conftest import ROOT
from wandb_swan.__main__ import main
from wandb_swan.switches import TABLE, variables


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 50
    for page in pages:
        text = page.read_text("utf-8")
        loaded = re.findall(r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"']?([^\"' >]+)", text)
        loaded += re.findall(r"<link\b[^>]*\bhref=[\"']?([^\"' >]+)", text)
        assert loaded
        assert [link for link in loaded if re.match(r"(https?:)?//", link)] == [], page
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(https?:)?//|@import", sheet.read_text("utf-8")), sheet


def test_every_switch_and_every_command_has_its_place(site: Path) -> None:
    switches = (site / "reference" / "switches.html").read_text("utf-8")
    for name in TABLE:
        for variable in variables(name):
            assert f"<code>{variable}</code>" in switches
    commands = (site / "reference" / "command-line.html").read_text("utf-8")
    assert isinstance(main, click.Group)
    for name, command in main.commands.items():
        for option in command.params:
            if isinstance(option, click.Option) and not option.hidden:
                assert max(option.opts, key=len) in commands, f"{name} {option.opts}"


def test_the_chinese_site_has_the_pages(site: Path) -> None:
    assert 'lang="zh"' in (site / "zh" / "tutorial.html").read_text("utf-8")


def test_links_to_the_repository_lead_to_files() -> None:
    for page in (ROOT / "docs").rglob("*.md"):
        for path in re.findall(
            r"github\.com/wandb-swan/wandb-swan/(?:blob|tree)/main/([^)#\s]+)", page.read_text("utf-8")
        ):
            assert (ROOT / path).exists(), f"{page.name}: {path}"


def test_the_arguments_of_init_are_in_the_table(site: Path) -> None:
    signature = inspect.signature(wandb_swan.init)
    ours = set(signature.parameters) - set(inspect.signature(wandb.init).parameters)
    page = (site / "reference" / "switches.html").read_text("utf-8")
    assert {name for name in ours if f"<code>{name}=</code>" in page} == ours
