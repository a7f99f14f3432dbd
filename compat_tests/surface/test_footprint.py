"""What the training process pays: the modules it imports, and wandb as it was once the tap is out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from compat_tests.conftest import Record


def python(script: str, folder: Path) -> str:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_brings_few_modules_and_no_package(tmp_path: Path) -> None:
    added = python(
        """
import sys, wandb
before = set(sys.modules)
import wandb_swan
print(*sorted(set(sys.modules) - before))
""",
        tmp_path,
    ).split()
    ours = [name for name in added if name.split(".")[0] == "wandb_swan"]
    others = {name.split(".")[0] for name in added} - {"wandb_swan"}
    assert len(ours) <= 19, ours
    assert others <= sys.stdlib_module_names, others


def test_a_run_brings_neither_swanlab_nor_the_mirror(record: Record) -> None:
    result = record(
        """
import sys
import wandb_swan as wandb
with wandb.init(project="footprint") as run:
    run.log({"a": 1})
found = [name for name in sys.modules if name.startswith(
    ("swanlab", "wandb_swan.stream", "wandb_swan.swan", "wandb_swan.mirror", "wandb_swan.convert"))]
assert not found, found
ours = {name.removeprefix("wandb_swan").removeprefix(".") for name in sys.modules if name.startswith("wandb_swan")}
allowed = {"", "module_proxy", "exceptions", "switches", "defaults", "versions"}
allowed |= {"capture", "capture.tap", "capture.launch", "capture.messages", "capture.process", "capture.late"}
allowed |= {"capture.places", "capture.backlog", "capture.relayed", "capture.heartbeat", "journal.paths", "journal.relays"}
allowed |= {"capture.relief", "journal.held_file", "journal.spool", "journal.wake"}
allowed |= {"capture.host", "capture.mirrors", "capture.supervisor", "atomic_file"}
allowed |= {"capture.peer", "capture.autoload", "capture.live", "capture.seams", "capture.interpreter"}
allowed |= {"journal", *("journal." + name for name in "fields framing handlers kinds notes writer reader life claim status".split())}
assert ours <= allowed, ours - allowed
"""
    )
    assert result.pair()[1].scalars == {"a": {0: 1.0}}


def test_uninstall_restores_wandb_byte_for_byte(tmp_path: Path) -> None:
    python(
        """
import os
os.environ["WANDB_SWAN"] = "0"
import importlib, sys
import wandb, wandb_swan
from wandb_swan import capture
import wandb.sdk.interface.interface_sock

def everything():
    owners = {}
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] == "wandb":
            owners[name] = module
            for value in list(vars(module).values()):
                if isinstance(value, type) and value.__module__.split(".")[0] == "wandb":
                    owners[value.__module__ + ":" + value.__qualname__] = value
    return {(name, key): value for name, owner in owners.items() for key, value in vars(owner).items()}

def differ(one, two):
    return {key for key in one.keys() | two.keys() if one.get(key, owners) is not two.get(key, owners)}

owners = object()
everything()  # the first look makes some class attributes
before = everything()
for _ in range(3):
    assert capture.install() and capture.installed()
    tapped = differ(before, everything())
    assert 4 <= len(tapped) <= 6, tapped
    assert capture.install()
    assert differ(before, everything()) == tapped
    capture.uninstall()
    assert not capture.installed()
    assert not differ(before, everything()), differ(before, everything())
capture.uninstall()
assert not differ(before, everything())
""",
        tmp_path,
    )


def test_the_command_line_starts_without_wandb_and_swanlab(tmp_path: Path) -> None:
    """Each press of Tab starts it."""
    python(
        """
import sys
from _wandb_swan_command import defer
defer()
from wandb_swan.__main__ import main
try:
    main(["--help"])
except SystemExit:
    pass
heavy = {"wandb.sdk", "wandb.proto", "swanlab", "pydantic", "rich", "requests"} & sys.modules.keys()
assert not heavy, heavy
""",
        tmp_path,
    )
