"""What becomes of wandb's summary and config: logged media are no values that were set by hand, infinities stay readable."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from compat_tests.convert.conftest import Cli, run_dirs, train
from compat_tests.live.cases import MEDIA_IN_SUMMARY, SUMMARIES
from compat_tests.stores import SwanStore

pytestmark = pytest.mark.live

SPECIAL = """
inf, nan = float("inf"), float("nan")
run = wandb.init(project="special", id="special", config={
    "inf": inf, "minus": -inf, "nan": nan, "words": ["NaN", "-Inf", ".inf", "Infinity"], "Infinity": inf,
    "deep": {"a": {"b": inf, "l": [1, [-inf, {"x": inf}]]}}})
run.config.late = -inf
run.config.update({"more": {"x": nan, "y": [inf]}})
run.log({"loss": inf, "x": {"y": nan}})
run.log({"loss": 1.0})
run.summary["set"] = {"a": inf, "l": [nan, {"z": -inf}]}
run.summary.update({"loss": -inf})
run.finish()
"""
CONFIG = {
    "inf": "Inf", "minus": "-Inf", "nan": None, "words": ["NaN", "-Inf", ".inf", "Infinity"], "Infinity": "Inf",
    "deep": {"a": {"b": "Inf", "l": [1, ["-Inf", {"x": "Inf"}]]}}, "late": "-Inf", "more": {"x": None, "y": ["Inf"]},
}  # fmt: skip
"""wandb itself writes a NaN in a config as null."""
SUMMARY = {"set": {"a": "Inf", "l": ["NaN", {"z": "-Inf"}]}, "loss": "-Inf"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("summaries"), MEDIA_IN_SUMMARY + SPECIAL)


@pytest.fixture(params=["local", "cloud"])
def stores(request: pytest.FixtureRequest, made: Path, cli: Cli, tmp_path: Path) -> Iterator[dict[str, SwanStore]]:
    """The SwanLab runs of both, read from the folders and from W&B's cloud."""
    if request.param == "local":
        cli.local(made, "--verify=full", "--report", "r.json")
    else:
        pytest.importorskip("graphql", reason="the loopback W&B parses GraphQL with graphql-core")
        from compat_tests.servers.wandb_cloud import WandbCloud

        with WandbCloud() as cloud:
            cli.env |= cloud.env(tmp_path / "home", impatient=True)
            for folder in run_dirs(made).values():
                cloud.load(folder, project="p")
            cli.cloud("--wb-project", "p", "--verify=full", "--report", "r.json")
    report = json.loads((cli.dir / "r.json").read_text())
    assert all(run["identical"] for run in report["runs"]), report
    yield cli.stores()


def readable(store: SwanStore) -> Any:
    """The config as SwanLab's dashboard reads it: YAML, given to a browser as strict JSON."""
    read = yaml.safe_load((store.dir / "files" / "config.yaml").read_text("utf-8"))
    return json.loads(json.dumps(read, allow_nan=False))


def test_media_are_values_of_rows_and_infinities_are_readable(stores: dict[str, SwanStore]) -> None:
    for run_id, summary in SUMMARIES.items():
        told = stores[run_id].about["summary"]
        assert told.pop("set picture")["path"].startswith("media/images/set picture_summary_")
        assert told == summary
    config = {key: item["value"] for key, item in readable(stores["special"]).items()}
    about = config.pop("wandb_run")
    assert config == CONFIG and about["summary"] == SUMMARY


def test_a_picture_that_was_set_is_there(made: Path, cli: Cli) -> None:
    cli.local(made, "--wb-runid", "plain")
    (store,) = cli.stores().values()
    path = store.about["summary"]["set picture"]["path"]
    folder = run_dirs(made)["plain"]
    kept = store.dir / "files" / path
    assert kept.read_bytes() == (folder / "files" / path).read_bytes()
    assert [file.name for file in (store.dir / "files" / "media").rglob("*.*")] == [Path(path).name]
    kept.unlink()
    kept.write_bytes(b"other")
    assert f"{path}: " in cli("verify", folder, cli.dir / "swanlog", expect=1)


@pytest.mark.parametrize("version", ["0.10.33", "0.12.7"])
def test_numbered_media_come_once_and_files_of_such_names_come(cli: Cli, version: str) -> None:
    cli.local(Path(__file__).parent / "fixtures" / f"media-{version}")
    (store,) = cli.stores().values()
    assert len(store.media["pictures"][0]) == 3
    assert not (store.dir / "files" / "media").exists()
