"""Runs of unusual shape: resumed online, forked, very wide, without history, still running."""

from __future__ import annotations

from pathlib import Path

import pytest

from compat_tests.convert.conftest import Cli, run_dirs, train
from compat_tests.stores import WandbStore, assert_same_values

pytestmark = pytest.mark.live


def test_wide_empty_and_unfinished(cli: Cli, tmp_path: Path) -> None:
    script = """
    import os, time
    run = wandb.init(id="wide", project="p")
    for i in range(3):
        run.log({f"m{k}": i * k for k in range(10_000)})
    run.finish()
    wandb.init(id="bare", project="p", config={"lr": 1, "c\\x85d": "x\\x85y"}).finish()
    run = wandb.init(id="breaks", project="p")
    run.log({"a\\x85b": 0, " \\x85": 1, "a\\u2028b": 2, "a b ": 3})
    run.finish()
    run = wandb.init(id="running", project="p")
    for i in range(2000):
        run.log({"a": i})
    time.sleep(2)  # wandb's core writes blocks of 32 KB
    os._exit(0)
    """
    wandb = train(tmp_path / "w", script, WANDB_CONSOLE="off")
    cli.local(wandb)
    assert "4 of 4 runs identical" in cli("verify", wandb, "swanlog")
    stores = cli.stores()
    folders = run_dirs(wandb)
    assert_same_values(WandbStore.read(folders["breaks"]), stores["breaks"])
    assert len(stores["wide"].scalars) == 10_000
    assert_same_values(WandbStore.read(folders["wide"]), stores["wide"])
    assert stores["bare"].scalars == {} and stores["bare"].config["lr"] == 1 and stores["bare"].state == "finished"
    recorded = WandbStore.read(folders["running"])
    assert len(recorded.rows) > 100 and stores["running"].state == "crashed"
    assert_same_values(recorded, stores["running"])


def test_resumed_online(cli: Cli, tmp_path: Path) -> None:
    """Several folders of one run id, each going on where W&B says that the one before it ended."""
    wandb_cloud = pytest.importorskip("compat_tests.servers.wandb_cloud")
    script = """
    run = wandb.init(id="again", project="p", resume="allow", config={"part": PART})
    for i in range(5):
        run.log({"a": PART * 100 + i})
    run.finish()
    """
    with wandb_cloud.WandbCloud() as cloud:
        env = cloud.env(impatient=True) | {"WANDB_MODE": "online"}
        for part in range(3):
            folder = train(tmp_path / "w", f"PART = {part}\n" + script.replace("\n    ", "\n"), **env)
        assert cloud.run("again").rows()[-1]["_step"] == 14
        cli.local(folder)
        cli.env |= cloud.env(tmp_path / "home2", impatient=True)
        cli.cloud("--wb-project", "p", "-l", "cloud")
        swan = cli.stores()["again"]
        assert swan.scalars["a"] == {part * 5 + i: part * 100 + i for part in range(3) for i in range(5)}
        assert swan.config["part"] == 2
        said = cli("verify", f"{cloud.entity}/p/again", "cloud")
        assert "1 of 1 runs identical" in said and "15" in said
        said = cli("verify", f"{cloud.entity}/p/again", swan.dir)
        assert "1 of 1 runs identical" in said


def test_forked(cli: Cli, tmp_path: Path) -> None:
    script = """
    run = wandb.init(id="child", project="p", fork_from="parent?_step=2")
    for i in range(3, 6):
        run.log({"a": i}, step=i)
    run.finish()
    """
    wandb = train(tmp_path / "w", script)
    cli.local(wandb)
    swan = cli.stores()["child"]
    recorded = WandbStore.read(run_dirs(wandb)["child"])
    assert_same_values(recorded, swan)
    # wandb 0.19.11 does not record it
    told = "branch_point" in recorded.run.DESCRIPTOR.fields_by_name and recorded.run.HasField("branch_point")
    assert swan.about.get("forked_from") == ("parent?_step=2" if told else None)
