"""An experiment in a loopback SwanLab, made by a conversion: fixtures."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from compat_tests.conftest import clean_environment
from compat_tests.convert.conftest import Cli, train
from compat_tests.servers.swanlab_cloud import SwanLabCloud
from compat_tests.servers.swanlab_state import Experiment
from wandb_swan.swan.sdk import cloud_reader

SCRIPT = """
import numpy
run = wandb.init(id="read", project="p", name="a name", notes="why", tags=["x", "y"], group="g", job_type="t",
                 config={"lr": 0.5, "net": {"width": [1, 2]}})
for i in range(2000):
    run.log({"a": i / 2, "b/c": float("nan") if i % 2 else i})
picture = numpy.zeros((4, 4, 3), dtype=numpy.uint8)
run.log({"word": "hello", "picture": wandb.Image(picture, caption="black")})
run.log({"word": "again", "odd, \\"key\\"": 1})
print("one line")
print("another")
run.finish(3)
"""
EXPORT = "/scalar/export$"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("recorded"), SCRIPT)


@pytest.fixture(scope="module")
def converted(recorded: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SwanLabCloud]:
    """A server that has the run; tests give back what they take from it."""
    folder = tmp_path_factory.mktemp("converted")
    (folder / "work").mkdir()
    with SwanLabCloud() as server:
        environment = clean_environment(folder, WANDB_MODE=None) | server.env(folder / "swanlab")
        Cli(folder / "work", environment)("convert", "-t", "wandb-local", "--mode", "online", "--wb-dir", recorded)
        yield server


@pytest.fixture
def cloud(converted: SwanLabCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SwanLabCloud]:
    """The server, to which SwanLab's settings of this process point, in silence."""
    for name, value in converted.env(tmp_path / "swanlab").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(cloud_reader, "PAUSE", 0.01)
    yield converted
    converted.heal()
    converted.come_back()
    assert not converted.errors
    assert not converted.unknown
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("export")]


@pytest.fixture
def kept(cloud: SwanLabCloud) -> Experiment:
    return cloud.experiment("read")
