"""Non-public names of SwanLab are in `swan/sdk/` alone, told from the syntax tree of the package."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent.parent / "wandb_swan"
DOOR = PACKAGE / "swan" / "sdk"
ROOMS = ("swan", "mirror", "parity", "convert", "commands")
"""Where objects of SwanLab's may be at hand. wandb's are in capture/ and sources/, and have private names, too."""
GETTERS = frozenset({"getattr", "hasattr", "setattr", "delattr"})


def private(name: object) -> bool:
    return isinstance(name, str) and name.startswith("_") and not name.endswith("__")


def inner_imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Imports of SwanLab's inside; `import swanlab` and its public names are no such."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.startswith("swanlab.")]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and (node.module or "").split(".")[0] == "swanlab":
            inside = "." in (node.module or "")
            names = [f"{node.module}.{alias.name}" for alias in node.names if inside or private(alias.name)]
        else:
            continue
        yield from ((node.lineno, name) for name in names)


def foreign_attributes(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Private attributes of anything but the object's own: `x._y`, `getattr(x, "_y")`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and private(node.attr):
            if not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls", "os")):
                yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in GETTERS:
            name = node.args[1] if len(node.args) > 1 else None
            if isinstance(name, ast.Constant) and private(name.value):
                yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.Subscript | ast.Call) and "__dict__" in ast.unparse(node):
            yield node.lineno, ast.unparse(node)


OUTSIDE = sorted(file for file in PACKAGE.rglob("*.py") if DOOR not in file.parents)


@pytest.mark.parametrize("file", OUTSIDE, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_swanlab_has_one_door(file: Path) -> None:
    tree = ast.parse(file.read_text("utf-8"))
    assert not list(inner_imports(tree))
    if file.relative_to(PACKAGE).parts[0] in ROOMS:
        assert not list(foreign_attributes(tree))


@pytest.mark.parametrize(
    "code",
    [
        "from swanlab.sdk.internal import context",
        "import swanlab.proto.swanlab.record",
        "run._ctx.core",
        "getattr(run, '_ctx', None)",
        "config.__dict__.get('_config')",
    ],
)
def test_the_test_sees(code: str) -> None:
    tree = ast.parse(code)
    assert [*inner_imports(tree), *foreign_attributes(tree)]
