"""Every mode and every default is spelled in one place, and means the same wherever it is given."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from inspect import signature
from pathlib import Path

import click
import pytest

import wandb_swan
from wandb_swan import defaults
from wandb_swan.commands.convert import convert
from wandb_swan.commands.run import run
from wandb_swan.convert.converter import Converter, WandbLocalConverter
from wandb_swan.settings import SwanSettings, read_settings
from wandb_swan.sources.selection import Options

PACKAGE = Path(wandb_swan.__file__).parent


def spelled_again(tree: ast.Module) -> Iterator[int]:
    """Lines on which the modes, or a default that is a word, are spelled."""
    prose = {
        id(inner)
        for node in ast.walk(tree)
        if (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        or (isinstance(node, ast.Assign) and "__doc__" in ast.unparse(node.targets[0]))
        for inner in ast.walk(node.value)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            words = {item.value for item in node.elts if isinstance(item, ast.Constant)}
            if {"local", "offline"} <= words:
                yield node.lineno
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            word = node.value
            if word in (defaults.LOG_DIR, defaults.WANDB_DIR) or "(or cloud)" in word or "local, offline" in word:
                yield node.lineno


def test_modes_and_default_folders_are_spelled_in_one_module() -> None:
    found = [
        f"{file.relative_to(PACKAGE)}:{line}"
        for file in sorted(PACKAGE.rglob("*.py*"))
        if file.suffix in (".py", ".pyi") and file.name != "defaults.py"
        for line in spelled_again(ast.parse(file.read_text("utf-8")))
    ]
    assert found == []
    assert len(list(spelled_again(ast.parse((PACKAGE / "defaults.py").read_text("utf-8"))))) >= 3


def option(command: click.Command, name: str) -> click.Parameter:
    return next(parameter for parameter in command.params if parameter.name == name)


@pytest.mark.parametrize("command", [run, convert])
def test_the_commands_take_every_mode(command: click.Command) -> None:
    choice = option(command, "mode").type
    assert isinstance(choice, click.Choice)
    assert list(choice.choices) == ["online", "cloud", "local", "offline", "disabled"]
    for mode in choice.choices:
        assert read_settings(mode=mode).mode == ("online" if mode == "cloud" else mode)


def test_the_command_and_the_python_interface_have_the_same_defaults() -> None:
    by_name = signature(Converter).parameters
    assert option(convert, "mode").default == by_name["mode"].default == "online"
    assert option(convert, "wb_dir").default == signature(WandbLocalConverter).parameters["root_wandb_dir"].default
    options = Options()
    assert option(convert, "max_file_mb").default == options.max_file_mb == 100
    assert option(convert, "log_dir").default == str(options.log_dir) == "swanlog"


def test_a_live_run_and_a_conversion_record_into_the_same_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("WANDB_SWAN_LOG_DIR", "SWANLAB_LOG_DIR", "WANDB_SWAN_FINISH_TIMEOUT"):
        monkeypatch.delenv(variable, raising=False)
    assert SwanSettings().log_dir == Options().log_dir
    assert SwanSettings().finish_timeout == 300
