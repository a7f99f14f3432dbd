"""The tap goes into wandb and out of it again without a trace, and is silent in a forked child."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_install_and_uninstall_leave_wandb_as_it_was() -> None:
    subprocess.run(
        [
            sys.executable,
            "-c",
            """
import wandb, gc
from wandb.sdk import wandb_init, wandb_run
from wandb.sdk.interface.interface_sock import InterfaceSock
def everything():
    classes = [k for k in gc.get_objects() if isinstance(k, type) and str(k.__module__).startswith("wandb.")]
    modules = [m for name, m in sorted(__import__("sys").modules.items()) if name.startswith("wandb.")]
    return {id(k): (k, {n: v for n, v in vars(k).items() if not n.startswith(("__", "_abc"))}) for k in [*classes, *modules]}
from wandb_swan import _capture
from wandb_swan.capture import seams
seams.connection()
_capture.uninstall()
before = everything()
for _ in range(2):
    assert _capture.install() and _capture.installed()
    assert any(before[key] != now for key, now in everything().items() if key in before)
    _capture.uninstall()
    after = everything()
    different = [before[key][0] for key in before if key in after and before[key] != after[key]]
    assert not different, different
""",
        ],
        check=True,
    )


def test_a_forked_child_is_silent(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            """
import os
from wandb_swan.capture import live
live.captured["run"] = object()
child = os.fork()
if child == 0:
    os._exit(1 if live.captured else 0)
assert os.waitpid(child, 0)[1] == 0 and live.captured.pop("run")
""",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
