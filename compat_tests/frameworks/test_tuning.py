"""Ray Tune: every trial's run is made in an actor, a process that Ray started."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from compat_tests.frameworks.conftest import Train, assert_same_run, example, keys, needs

pytestmark = [pytest.mark.frameworks, pytest.mark.live]


@pytest.mark.parametrize("script", ["ray_tune_callback", "ray_tune_setup"])
def test_ray_tune(train: Train, script: str) -> None:
    """A trial runs, with wandb's folder, in a folder of Ray's session, of which Ray copies what is there now and then."""
    needs("ray")
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as session:  # a socket's path is short
        result = train(example(script), RAY_TMPDIR=session)
        result.wandb_root = Path(session)
        pairs = result.pairs()
    assert len(pairs) == 2
    for wandb, swan in pairs.values():
        assert_same_run(wandb, swan)
        assert swan.state == "finished"
        assert {"loss", "epoch"} <= keys(wandb)
        assert swan.start.group == "study"
        assert swan.config["layers"] == [8, 4]
    assert sorted(swan.config["lr"] for _, swan in pairs.values()) == [0.1, 0.2]
