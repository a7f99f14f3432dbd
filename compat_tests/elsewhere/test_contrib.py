"""What is ready to install is installed: the unit by a systemd of the test's own, the image's steps without an image."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from compat_tests.conftest import clean_environment
from compat_tests.field import COMMAND, QUIET, Field, namespaces

CONTRIB = Path(__file__).parents[2] / "contrib"
SYSTEMD = Path("/lib/systemd/systemd")

pytestmark = [pytest.mark.live, pytest.mark.skipif(sys.platform != "linux", reason="for Linux")]

SESSION = """
set -e
test -d /run/systemd/system || { mount -t tmpfs tmpfs /run; mkdir -p /run/systemd/system; }
SYSTEMD --user &
until systemctl --user is-system-running >/dev/null 2>&1; do sleep 0.2; done
systemctl --user enable --now wandb-swan-relay
until ls "$HOME"/swanlog/.relay-*.json >/dev/null 2>&1; do sleep 0.2; done
cd "$HOME"
PYTHON WORK/train.py r1 20
systemctl --user show --property=ActiveState,NRestarts,MainPID wandb-swan-relay
kill -9 "$(systemctl --user show --property=MainPID --value wandb-swan-relay)"
until test "$(systemctl --user show --property=NRestarts --value wandb-swan-relay)" = 1; do sleep 0.2; done
until systemctl --user is-active wandb-swan-relay; do sleep 0.2; done
systemctl --user stop wandb-swan-relay
systemctl --user show --property=ActiveState,Result wandb-swan-relay
systemctl --user exit
wait
"""


def test_the_unit_of_systemd(field: Field) -> None:
    """Enabled and started as its first lines say, restarted after `kill -9`, stopped."""
    if not SYSTEMD.exists():
        pytest.skip("no systemd here")
    units, tools = field.home / ".config/systemd/user", field.home / ".local/bin"
    for folder in (units, tools, field.home / "runtime", field.home / "swanlog"):
        folder.mkdir(parents=True, mode=0o700)
    shutil.copy(CONTRIB / "wandb-swan-relay.service", units)
    (tools / "wandb-swan").symlink_to(COMMAND)
    script = SESSION.replace("SYSTEMD", str(SYSTEMD)).replace("PYTHON", sys.executable)
    done = subprocess.run(
        [
            *namespaces("--mount", "--pid", "--fork", "--mount-proc", "--kill-child"),
            "bash",
            "-c",
            script.replace("WORK", str(field.work)),
        ],
        env=clean_environment(
            field.home,
            **QUIET,
            XDG_RUNTIME_DIR=str(field.home / "runtime"),
            WANDB_SWAN_MIRROR="relay",
            WANDB_SWAN_LOG_DIR=str(field.home / "swanlog"),
        ),
        capture_output=True,
        text=True,
        timeout=120,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "is mirrored to SwanLab by the relay on" in said and "SwanLab run saved" in said
    assert "ActiveState=active" in done.stdout and "NRestarts=0" in done.stdout
    assert done.stdout.endswith("Result=success\nActiveState=inactive\n"), said


def test_the_pod_is_what_kubernetes_takes() -> None:
    client = pytest.importorskip("kubernetes.client")
    pod = yaml.safe_load((CONTRIB / "kubernetes-pod.yaml").read_text("utf-8"))
    client.V1Pod.model_validate(pod, strict=True)
    pod["spec"]["containers"][0]["volumeMount"] = []
    with pytest.raises(ValueError, match="volumeMount"):
        client.V1Pod.model_validate(pod)


@pytest.mark.slow
def test_the_steps_of_the_image(field: Field, wheel: Path) -> None:
    """In an environment of its own, in the place of the image: what it runs, then what it starts."""
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "venv", "-q", "--seed", "--python", python, field.home / "image"], check=True)
    path = {"PATH": f"{field.home / 'image' / 'bin'}:/usr/bin:/bin", "PIP_FIND_LINKS": str(wheel.parent)}
    text = (CONTRIB / "Containerfile").read_text("utf-8")
    for step in re.findall(r"^RUN (.*)$", text, re.M):
        subprocess.run(["sh", "-ec", step], env=clean_environment(field.home, **path), cwd=field.home, check=True)
    (entry,) = re.findall(r"^ENTRYPOINT (\[.*\])$", text, re.M)
    command, *arguments = yaml.safe_load(entry)
    assert "/shared/swanlog" in arguments
    field.end(field.train("r1"))
    shared = [str(field.work / "swanlog") if word == "/shared/swanlog" else word for word in arguments]
    field.end(field.start(field.home / "image" / "bin" / command, *shared, "--once", **path))
    field.whole("r1")
