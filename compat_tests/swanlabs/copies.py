"""Copies of the installed SwanLab that are another one: what a later version may have moved."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

CORE_FACTORY = "sdk/internal/context/components/core/__init__.py"


def copied(folder: Path) -> dict[str, str]:
    """Copies SwanLab into `folder`. Returns the environment in which this one is imported before the installed one."""
    spec = importlib.util.find_spec("swanlab")
    assert spec is not None and spec.submodule_search_locations
    there = folder / "swanlab"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(spec.submodule_search_locations[0], there, copy_function=os.symlink, ignore=ignore)
    return {"PYTHONPATH": str(folder)}


def edit(file: Path, before: str, after: str) -> None:
    text = file.read_text("utf-8")
    assert before in text, f"{file} holds no {before!r}"
    file.unlink()  # a link to the installed one
    file.write_text(text.replace(before, after), "utf-8")


def with_protocol_core(folder: Path) -> dict[str, str]:
    """SwanLab with a core of which its protocol alone is there."""
    environment = copied(folder)
    there = folder / "swanlab"
    shutil.copy(Path(__file__).with_name("protocol_core.py"), there / "sdk" / "internal" / "protocol_core.py")
    edit(
        there / CORE_FACTORY,
        "from swanlab.sdk.internal.core_python import CorePython\n\n        return CorePython(mode=ctx.config.settings.mode)",
        "from swanlab.sdk.internal.protocol_core import protocol_core\n\n"
        "        return protocol_core(ctx.config.settings.mode)",
    )
    return environment


def with_moved_batches(folder: Path) -> dict[str, str]:
    """SwanLab whose run keeps its core elsewhere: its batch interface is out of reach."""
    environment = copied(folder)
    for file in (folder / "swanlab").rglob("*.py"):
        text = file.read_text("utf-8")
        if "ctx.core" in text:
            edit(file, "ctx.core", "ctx.heart")
    edit(folder / "swanlab" / "sdk" / "internal" / "context" / "__init__.py", "self.core", "self.heart")
    return environment


def with_renamed(folder: Path, name: str) -> dict[str, str]:
    """SwanLab in which a method of its core's protocol has another name."""
    environment = copied(folder)
    for file in (folder / "swanlab").rglob("*.py"):
        if name in file.read_text("utf-8"):
            edit(file, name, f"renamed_{name}")
    return environment
