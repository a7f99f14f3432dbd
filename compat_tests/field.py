"""A folder that trainings and relays share, and what is started there."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from compat_tests.conftest import Recorded, clean_environment
from compat_tests.faults.conftest import is_mirror, processes, until
from compat_tests.stores import assert_same_values

COMMAND = Path(sys.executable).with_name("wandb-swan")
TRAIN = """
import os, pathlib, sys, time
import wandb_swan as wandb

name, rows, gates = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
run = wandb.init(project="p", id=name, config={"lr": 0.1, "name": name})
for i in range(rows):
    run.log({"loss": 1 / (i + 1), "who": name} if i % 5 == 0 else {"loss": 1 / (i + 1)})
    if gates and i == rows // 2:
        pathlib.Path(name + ".reached").touch()
        while not pathlib.Path(name + ".go").exists():
            time.sleep(0.05)
print("trained", name)
run.finish()
"""
QUIET = {"WANDB_X_DISABLE_STATS": "true", "WANDB_X_DISABLE_META": "true", "SWANLAB_PROBE_MONITOR": "false"}


class Field:
    """A folder that trainings and relays share."""

    def __init__(self, folder: Path) -> None:
        self.home, self.work = folder / "home", folder / "work"
        self.home.mkdir()
        self.work.mkdir()
        self.journals = self.work / "swanlog" / "journals"
        self.started: list[subprocess.Popen[str]] = []
        (self.work / "train.py").write_text(TRAIN)

    def start(self, *command: str | Path, **environment: str | None) -> subprocess.Popen[str]:
        number = len(self.started)
        with (self.work / f"out{number}").open("w") as out, (self.work / f"err{number}").open("w") as err:
            process = subprocess.Popen(
                [str(word) for word in command],
                cwd=self.work,
                env=clean_environment(self.home, **{**QUIET, **environment}),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                text=True,
            )
        self.started.append(process)
        return process

    def said(self, process: subprocess.Popen[str]) -> str:
        number = self.started.index(process)
        return "".join((self.work / f"{name}{number}").read_text() for name in ("out", "err"))

    def train(self, name: str, rows: int = 20, *gates: str, **environment: str | None) -> subprocess.Popen[str]:
        given = {"WANDB_SWAN_MIRROR": "relay", **environment}
        return self.start(sys.executable, "train.py", name, str(rows), *gates, **given)

    def relay(self, *options: str | Path, **environment: str | None) -> subprocess.Popen[str]:
        """A relay that has begun."""
        process = self.start(COMMAND, "relay", "swanlog", *options, **environment)
        until(lambda: "relay of" in self.said(process) or '"relay"' in self.said(process), 60)
        return process

    def at_gate(self, name: str) -> None:
        until((self.work / f"{name}.reached").exists, 60)

    def mirrored(self, name: str) -> bool:
        """Whether a mirror has written something of a run."""
        return any(told.get("counts", {}).get("rows") for told in self.statuses(name))

    def half_way(self, **environment: str | None) -> subprocess.Popen[str]:
        """A training `r1` of 40 rows that waits for `r1.go` after the half of them, with a mirror at work."""
        training = self.train("r1", 40, "gate", **environment)
        self.at_gate("r1")
        until(lambda: self.mirrored("r1"), 150)
        return training

    def statuses(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in sorted(self.journals.glob(f"{name}-*.status.json"))]

    def whole(self, *names: str, timeout: float = 120) -> None:
        """Waits until every journal is gone; both stores are then the same, with one SwanLab run for each of wandb's."""

        def done() -> bool:
            return not list(self.journals.glob("*.journal")) and all(
                told["state"] == "finished" for name in names for told in self.statuses(name)
            )

        until(done, timeout)
        pairs = Recorded(self.work, 0, "", "".join(map(self.said, self.started))).pairs()
        assert set(pairs) == set(names)
        for wandb, swan in pairs.values():
            assert_same_values(wandb, swan)
        assert len(list((self.work / "swanlog").glob("run-*"))) == len(names)

    def end(self, process: subprocess.Popen[str], *, expect: int = 0) -> str:
        assert process.wait(120) == expect, self.said(process)
        return self.said(process)

    def stop(self, relay: subprocess.Popen[str], *, expect: int = 0) -> str:
        relay.terminate()
        return self.end(relay, expect=expect)

    def mirrors(self) -> list[Any]:
        return [p for p in processes(self.work) if is_mirror(p)]

    def close(self) -> None:
        """Ends what is left."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.wait()
        for mirror in processes(self.work):
            mirror.kill()


def namespaces(*kinds: str) -> list[str]:
    command = ["unshare", *kinds]
    if shutil.which("unshare") is None or subprocess.run([*command, "true"], capture_output=True).returncode:
        pytest.skip("this machine refuses namespaces")
    return command
