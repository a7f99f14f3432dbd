"""Single-file reinforcement learning: TensorBoard's writer, videos by gymnasium, the code saved."""

from __future__ import annotations

import pytest

from compat_tests.frameworks.conftest import Train, example, keys, needs, only_run

pytestmark = [pytest.mark.frameworks, pytest.mark.live]


@pytest.mark.reconcile
def test_cleanrl(train: Train) -> None:
    """wandb's core makes the rows of what TensorBoard's writer writes."""
    needs("gymnasium")
    needs("moviepy")
    wandb, swan = only_run(train(example("cleanrl_reinforce")))
    assert {"charts/episodic_return", "charts/learning_rate", "losses/policy_loss", "global_step"} <= keys(wandb)
    assert swan.config["learning_rate"] == 0.01
    assert (swan.kinds["videos"], swan.kinds["weights/first"]) == ("IMAGE", "ECHARTS")
    assert swan.columns["losses/policy_loss"].x_axis == "global_step"
    saved = {save.name.split("/")[0] for save in swan.saves}
    assert {"code", "runs"} <= saved, "the script, and TensorBoard's event file"
