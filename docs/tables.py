"""A hook of mkdocs: writes tables into pages from what the package itself has, where one says `<!-- table: NAME -->`.

So that no page holds a copy: the switches (`wandb_swan/switches.py`) and the capabilities of SwanLab that are looked
for (`wandb_swan/swan/sdk/capabilities.py`).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from wandb_swan.commands.run import run
from wandb_swan.swan.sdk.capabilities import ALL
from wandb_swan.switches import TABLE, allowed, variables

_REPOSITORY = "https://github.com/wandb-swan/wandb-swan/blob/main"
_ARGUMENTS = {
    "wandb_run": "`wandb_run=`",
    "mode": "`swanlab_mode=`",
    "project": "`swanlab_project=`",
    "workspace": "`swanlab_workspace=`",
    "log_dir": "`swanlab_log_dir=`",
    "python": "`swanlab_python=`",
    "keep_wandb": "`keep_wandb=`",
}
"""The arguments of `wandb_swan.init()`; a test holds that it has them."""


def _rows(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def switches() -> str:
    """Every switch: variables, option of `wandb-swan run`, argument of `wandb_swan.init()`, default, meaning."""
    options = {option.name: max(option.opts, key=len) for option in run.params}

    def rows() -> Iterator[tuple[str, ...]]:
        for name, field in TABLE.items():
            default = "not set" if field.default is None else f"`{str(field.default).lower()}`"
            yield (
                "<br>".join(f"`{variable}`" for variable in variables(name)),
                f"`{options[name]}`" if name in options else "",
                _ARGUMENTS.get(name, ""),
                default,
                f"{field.metadata['means']} May be: {allowed(name).words}.",
            )

    return _rows(
        ("variable", "option of `run`", "argument of `init`", "default", "meaning, and what it may be"), rows()
    )


def capabilities() -> str:
    """What of SwanLab's inside is used, and what is so without it."""
    return _rows(("capability", "without it"), ((one.name, one.without) for one in ALL))


def examples() -> str:
    """The programs of examples/ that know wandb alone: what each shows, and how it is started, by its docstring."""

    def rows() -> Iterator[tuple[str, ...]]:
        for path in sorted((Path(__file__).parents[1] / "examples").glob("*.py")):
            first, *rest = (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").splitlines()
            start = next((line.strip() for line in rest if line.strip().startswith("WANDB_SWAN=1")), None)
            if start is not None:
                yield f"[{path.name}]({_REPOSITORY}/examples/{path.name})", first, f"`{start}`"

    return _rows(("program", "what it shows", "how it is started"), rows())


TABLES: dict[str, Callable[[], str]] = {
    "switches": switches,
    "capabilities": capabilities,
    "examples": examples,
}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by mkdocs for each page. Raises KeyError for a table that is not known."""
    return re.sub(r"<!-- table: (\S+) -->", lambda match: TABLES[match[1]](), markdown)
