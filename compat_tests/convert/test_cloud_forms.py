"""A run comes from W&B's cloud as it does from its folder, in whatever form W&B has its values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("graphql", reason="the loopback W&B parses GraphQL with graphql-core")
wandb_cloud = pytest.importorskip("compat_tests.servers.wandb_cloud")

from compat_tests.convert.conftest import Cli, run_dirs, train  # noqa: E402
from compat_tests.stores import SwanStore  # noqa: E402

pytestmark = pytest.mark.live

SCRIPT = """
import numpy as np
nan, inf = float("nan"), float("inf")
picture = np.full((4, 4, 3), 9, dtype=np.uint8)
run = wandb.init(project="p", id="forms", config={"lr": 0.5})
run.define_metric("deep.low", summary="min")
for i in range(4):
    run.log({"loss": i / 2, "deep": {"low": i, "er": {"still": i}}, "a.b": i, "flag": bool(i % 2), "only nan": nan,
             "only inf": -inf, "some nan": nan if i % 2 else i})
run.log({"picture": wandb.Image(picture, caption="one"), "word": "NaN", "words": "NaN"})
run.log({"picture": wandb.Image(picture), "pictures": [wandb.Image(picture, caption="a"), wandb.Image(picture)],
         "words": "a text", "histogram": wandb.Histogram([1, 2, 2, 3])})
run.log({"table": wandb.Table(columns=["x", "y"], data=[[1, "one"], [2, None]]), "words": "Infinity"})
run.log({"mixed": 1, "list": [1, 2.5], "odd list": ["a", 1, True, None], "rows": [{"a": 1}, {"a": 2}]})
run.log({"mixed": "a text", "list": [], "json": '{"a": 1}', "base64": "eyJhIjogMX0=", "nested list": [[1], ["x", 2]]})
run.log({"mixed": {"below": 3}, "deep": {"word": "x"}, "json": "[1]", "base64": "bnVsbA=="})
run.log({"mixed": True, "picture": 5, "both": wandb.Image(picture)})
run.log({"mixed": [4], "picture": "no picture", "both": [1, 2]})
print("done")
run.finish()
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("forms"), SCRIPT)


@pytest.fixture
def cloud_settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(getattr(request, "param", {}))


def held(store: SwanStore) -> dict[str, Any]:
    """Every metric with its kind and what it holds at which step."""
    numbers = {key: {step: repr(value) for step, value in steps.items()} for key, steps in store.scalars.items()}
    media = {key: {step: store.content(key, step) for step in steps} for key, steps in store.media.items()}
    kinds = {key: kind for key, kind in store.kinds.items() if not key.startswith("__swanlab__")}
    return {key: (kind, numbers.get(key), media.get(key)) for key, kind in sorted(kinds.items())}


def local(cli: Cli, recorded: Path) -> SwanStore:
    """The same run, from its folder."""
    cli.local(recorded, "-l", "local")
    (store,) = (SwanStore.read(file.parent) for file in (cli.dir / "local").glob("run-*/run-*.swanlab"))
    return store


@pytest.mark.parametrize("form", ["live", "structs", "bytes", "texts", "partly"])
@pytest.mark.parametrize("cloud", [{"nan_as_text": True, "flat": True}, {}], indirect=True)
def test_the_forms_of_values(cloud: wandb_cloud.WandbCloud, online: Cli, recorded: Path, form: str) -> None:
    cloud.load(run_dirs(recorded)["forms"])
    if form == "partly":
        cloud.export("forms", last_step=5, files=2)
    elif form != "live":
        cloud.export("forms", form=form, files=2)
    said = online.cloud("--wb-project", "p", "--verify", "full", "--strict")
    swan, expected = online.stores()["forms"], local(online, recorded)
    assert held(swan) == held(expected), said
    assert swan.about.get("keys") == expected.about.get("keys")
    assert swan.about.get("not_mirrored") == expected.about.get("not_mirrored")
