"""What is ready to install says what is so: each of it runs, or is read by what will read it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from wandb_swan.commands.relay import relay
from wandb_swan.settings import read_settings

CONTRIB = Path(__file__).parents[2] / "contrib"

pytestmark = pytest.mark.skipif(os.name == "nt", reason="for Linux")


def relay_arguments(words: list[str]) -> dict[str, Any]:
    """What the command line makes of `wandb-swan relay ...`."""
    assert Path(words[0]).name == "wandb-swan" and words[1] == "relay"
    return relay.make_context("relay", words[2:]).params


def test_the_unit_of_systemd(tmp_path: Path) -> None:
    text = (CONTRIB / "wandb-swan-relay.service").read_text("utf-8")
    (started,) = re.findall(r"^ExecStart=(.*)$", text, re.M)
    assert [str(where) for where in relay_arguments(shlex.split(started))["where"]] == ["%h/swanlog"]
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd here")
    unit = tmp_path / "wandb-swan-relay.service"
    unit.write_text(text.replace("%h/.local/bin/wandb-swan", str(shutil.which("true"))), "utf-8")
    done = subprocess.run([analyze, "verify", "--user", unit], capture_output=True, text=True)
    assert unit.name not in done.stderr, done.stderr


def test_the_pod_of_kubernetes(monkeypatch: pytest.MonkeyPatch) -> None:
    pod = yaml.safe_load((CONTRIB / "kubernetes-pod.yaml").read_text("utf-8"))
    assert (pod["apiVersion"], pod["kind"]) == ("v1", "Pod")
    (sidecar,), (training,) = pod["spec"]["initContainers"], pod["spec"]["containers"]
    volumes = {volume["name"] for volume in pod["spec"]["volumes"]}
    for container in (sidecar, training):
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
    for variable in training["env"]:
        monkeypatch.setenv(variable["name"], variable["value"])
    settings = read_settings()
    assert (settings.mirror, settings.enabled) == ("relay", True)
    image = (CONTRIB / "Containerfile").read_text("utf-8")
    (entry,) = re.findall(r"^ENTRYPOINT (\[.*\])$", image, re.M)
    assert relay_arguments(yaml.safe_load(entry))["where"] == (settings.log_dir,)


def test_the_prologue_of_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = {"SWANLOG_SHARED": str(tmp_path), "USER": "me"}
    done = subprocess.run([CONTRIB / "slurm-prologue.sh"], env={**os.environ, **shared}, capture_output=True, text=True)
    for line in done.stdout.splitlines():
        name, value = line.removeprefix("export ").split("=")
        monkeypatch.setenv(name, value)
    settings = read_settings()
    assert (settings.mirror, settings.log_dir) == ("relay", tmp_path / "me" / "swanlog")
    assert settings.log_dir.is_dir()
