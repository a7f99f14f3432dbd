"""Activates in a Python that reads no `wandb_swan.pth`, or has no wandb-swan: `wandb-swan run` puts this folder on
PYTHONPATH, and this makes the package importable there, alone of all that lies beside it.

A Python imports one `sitecustomize` at its start; the one that it would have had is run from here. What cannot work in
a Python is said when it imports wandb.
"""

import os
import sys
from importlib import util
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any, Optional

_HERE = Path(__file__).absolute().parent


def _run(name: str, spec: Optional[ModuleSpec]) -> None:
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = util.module_from_spec(spec)
    spec.loader.exec_module(module)


class _Package:
    """Finds the package itself, for a Python that has none; asked last."""

    @staticmethod
    def find_spec(fullname: str, path: Any = None, target: Any = None) -> Optional[ModuleSpec]:
        if fullname != "wandb_swan":
            return None
        package = _HERE.parent.parent
        spec = util.spec_from_file_location(
            fullname, str(package / "__init__.py"), submodule_search_locations=[str(package)]
        )
        assert spec is not None
        spec.loader_state = "borrowed"  # said to `interpreter.obstacle`: no other process of this Python finds it
        return spec


def _activate() -> None:
    sys.meta_path.append(_Package)
    name = "_wandb_swan_autoload"
    if name not in sys.modules and os.getenv("WANDB_SWAN"):
        _run(name, util.spec_from_file_location(name, str(_HERE.parent / "autoload.py")))
        sys.modules[name].activate()


try:
    _activate()
except Exception as error:
    print(f"wandb_swan: not active, wandb works alone ({error!r})", file=sys.stderr)
_theirs = PathFinder.find_spec("sitecustomize", [entry for entry in sys.path if Path(entry).absolute() != _HERE])
if _theirs is not None and _theirs.loader is not None:
    _run("sitecustomize", _theirs)
