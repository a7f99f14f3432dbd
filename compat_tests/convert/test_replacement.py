"""A conversion that replaces another: it is the same run, it was read anew, and it holds no less."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("graphql", reason="the loopback W&B parses GraphQL with graphql-core")
wandb_cloud = pytest.importorskip("compat_tests.servers.wandb_cloud")

from compat_tests.convert.conftest import READS_EXPORTS, Cli, serving, train, wait_for, workers_of  # noqa: E402
from compat_tests.stores import SwanStore  # noqa: E402

pytestmark = pytest.mark.live

FROM_EXPORTS = pytest.mark.skipif(not READS_EXPORTS, reason="this client reads no parquet exports")


@pytest.fixture
def other_cloud() -> Iterator[wandb_cloud.WandbCloud]:
    with serving() as server:
        yield server


@pytest.fixture
def online(cli: Cli, cloud: wandb_cloud.WandbCloud, tmp_path: Path) -> Cli:
    return at(cli, cloud, tmp_path)


def at(cli: Cli, server: wandb_cloud.WandbCloud, tmp_path: Path) -> Cli:
    """The same user and folder, with this W&B."""
    env = cli.env | server.env(tmp_path / "home", impatient=True)
    env |= {"WANDB_SWAN_RETRY_PAUSE": "0.01", "WANDB__GRAPHQL_RETRY_MAX": "1"}
    return Cli(cli.dir, env)


def rows(count: int, factor: float = 1.0) -> list[dict[str, float]]:
    return [{"loss": i * factor} for i in range(count)]


def folders(cli: Cli) -> list[Path]:
    return sorted((cli.dir / "swanlog").glob("run-*/"))


def entries(cli: Cli) -> list[dict[str, object]]:
    return list(json.loads((cli.dir / "swanlog.convert.json").read_text())["runs"].values())


# -- what wandb's client and we keep of earlier reads ----------------------------------------------------------------


@FROM_EXPORTS
@pytest.mark.fault(
    "`convert -t wandb`: a run that was converted while it ran is converted again when it has ended",
    "All rows; wandb's cache of exports is neither read nor written",
)
def test_running_and_then_finished(cloud: wandb_cloud.WandbCloud, online: Cli, tmp_path: Path) -> None:
    cloud.add_run("p", "r", rows(2_000), final="running")
    cloud.export("r")
    assert "was running" in online.cloud("--wb-project", "p")
    cloud.add_run("p", "r", rows(6_000))
    cloud.export("r", files=2)
    said = online.cloud("--wb-project", "p")
    assert online.stores()["r"].scalars["loss"] == {i: float(i) for i in range(6_000)}
    assert "1 converted" in said and " yes " in said and len(folders(online)) == 1
    assert not list(tmp_path.rglob("*.parquet"))


@FROM_EXPORTS
def test_the_cache_of_the_user_is_neither_read_nor_written(
    cloud: wandb_cloud.WandbCloud, online: Cli, tmp_path: Path
) -> None:
    cloud.add_run("p", "r", rows(50, 9.0))
    cloud.export("r")
    (exported,) = (cloud.stored[key] for key in cloud.run("r").parquet)
    cloud.add_run("p", "r", rows(50))
    cloud.export("r")
    online.env.pop("WANDB_CACHE_DIR")
    poisoned = tmp_path / "home" / ".cache" / "wandb" / "runhistory" / f"{cloud.entity}_p_r_0.runhistory.parquet"
    poisoned.parent.mkdir(parents=True)
    poisoned.write_bytes(exported)
    said = online.cloud("--wb-project", "p")
    assert online.stores()["r"].scalars["loss"] == {i: float(i) for i in range(50)}, said
    said = online("verify", f"{cloud.entity}/p/r", folders(online)[0])
    assert "1 of 1 runs identical" in said
    assert poisoned.read_bytes() == exported and list(tmp_path.rglob("*.parquet")) == [poisoned]


@pytest.mark.fault(
    "`convert -t wandb`: two W&B servers have a run of the same name",
    "Two SwanLab runs, each with its own values and files",
)
def test_two_servers(
    cloud: wandb_cloud.WandbCloud, other_cloud: wandb_cloud.WandbCloud, cli: Cli, tmp_path: Path
) -> None:
    for number, server in enumerate((cloud, other_cloud)):
        server.add_run("p", "r", rows(40, number + 1), created=1.7e9, heartbeat=1.7e9)
        server.add_file("r", "weights.bin", bytes([number]) * 100)
        server.run("r").files["weights.bin"].no_md5 = True
        server.run("r").files["weights.bin"].updated = 1.7e9
        server.export("r")
        said = at(cli, server, tmp_path).cloud("--wb-project", "p")
        assert "1 converted" in said and " yes " in said
    stores = [SwanStore.read(folder) for folder in folders(cli)]
    assert [store.scalars["loss"][10] for store in stores] == [10, 20]
    assert [(store.dir / "files" / "weights.bin").read_bytes()[0] for store in stores] == [0, 1]
    assert len({store.start.id for store in stores}) == 2  # SwanLab would make one experiment of them
    manifest = cli.dir / "swanlog.convert.json"
    manifest.write_text(manifest.read_text().replace("@" + cloud.url.removeprefix("http://"), ""))  # as 0.1 noted it
    assert "1 skipped" in at(cli, cloud, tmp_path).cloud("--wb-project", "p")


@FROM_EXPORTS
@pytest.mark.fault(
    "`convert -t wandb`: the address of an export answers 403, or with a page that is no export",
    "The run fails with a reason; the same command again converts it whole",
)
def test_an_export_that_may_not_be_read(cloud: wandb_cloud.WandbCloud, online: Cli, tmp_path: Path) -> None:
    for run_id in ("forbidden", "page", "late"):
        cloud.add_run("p", run_id, rows(50))
        cloud.export(run_id)
    (page,) = cloud.run("page").parquet
    good, cloud.stored[page] = cloud.stored[page], b"<html>please log in</html>"
    cloud.fail("storage/parquet.*forbidden", 403)
    cloud.fail("storage/parquet.*late", 403, times=1)  # the signed address had run out
    said = online.cloud("--wb-project", "p", "--workers", "1", expect=1)
    assert "1 converted, 2 failed" in said and "no export of a history" in said
    assert set(online.stores()) == {"late"}
    cloud.heal()
    cloud.stored[page] = good
    assert "2 converted, 1 skipped" in online.cloud("--wb-project", "p", "--workers", "1")
    for store in online.stores().values():
        assert store.scalars["loss"] == {i: float(i) for i in range(50)}
    assert not list(tmp_path.rglob("*.parquet"))


def test_files_that_change(cloud: wandb_cloud.WandbCloud, online: Cli) -> None:
    for number in range(2):
        cloud.add_run("p", "r", rows(5))
        cloud.add_file("r", "output.log", b"line\n" * (number + 1))
        cloud.add_file("r", "weights.bin", bytes([number]) * 100)  # another content of the same size
        cloud.run("r").files["weights.bin"].no_md5 = True
        cloud.run("r").files["weights.bin"].updated = 1.7e9 + number * 60
        said = online.cloud("--wb-project", "p", "--force")
        (store,) = online.stores().values()
        assert (store.dir / "files" / "weights.bin").read_bytes()[0] == number
        cloud.fail("output.log", 403)
    assert "1 x file left out: 403" in said and store.console() == []  # not what it was before


# -- what a conversion may replace -----------------------------------------------------------------------------------


@pytest.mark.fault(
    "`convert`: a run is converted again and its source gives less than before",
    "The conversion that is there stays, exit code 1; `--force` replaces it",
)
def test_a_replacement_that_holds_less(cloud: wandb_cloud.WandbCloud, online: Cli) -> None:
    def fill(count: int, **more: float) -> None:
        cloud.add_run("p", "r", [row | more for row in rows(count)], config={"lr": 1})
        cloud.add_file("r", "weights.bin", b"w" * 100)

    fill(60, acc=1.0)
    online.cloud("--wb-project", "p")
    before = folders(online)
    fill(40)
    said = online.cloud("--wb-project", "p", "--no-verify", expect=1)
    assert "1 failed" in said and "--force" in said and "acc" in said and "loss" in said
    assert folders(online) == before
    assert len(online.stores()["r"].scalars["loss"]) == 60
    (entry,) = entries(online)
    assert (entry["state"], entry["run_dir"]) == ("done", before[0].name)
    said = online.cloud("--wb-project", "p", "--force")
    assert "1 converted" in said and len(online.stores()["r"].scalars["loss"]) == 40


@pytest.mark.slow
def test_less_because_of_an_option(cloud: wandb_cloud.WandbCloud, online: Cli) -> None:
    def fill(count: int) -> None:
        cloud.add_run("p", "r", [row | {"page": html} for row in rows(count)])
        cloud.add_file("r", "media/html/page.html", b"<p>hello</p>")
        cloud.add_file("r", "output.log", b"one\ntwo\n")

    html = {"_type": "html-file", "path": "media/html/page.html", "sha256": "0" * 64, "size": 12}
    fill(3)
    online.cloud("--wb-project", "p")
    fill(4)
    said = online.cloud("--wb-project", "p", "--no-media", "--no-console", expect=1)
    assert "--force" in said and "3 points of page" in said and "2 of 2 console lines" in said


def test_a_local_run_whose_file_was_cut(cli: Cli, tmp_path: Path) -> None:
    script = "run = wandb.init(id='cut', project='p')\nfor i in range(300): run.log({'a': i})\n"
    wandb = train(tmp_path / "w", script, WANDB_CONSOLE="off")
    cli.local(wandb)
    (log,) = wandb.glob("*run-*/run-cut.wandb")
    log.write_bytes(log.read_bytes()[: log.stat().st_size // 2])
    said = cli.local(wandb, expect=1)
    assert "--force" in said and len(cli.stores()["cut"].scalars["a"]) == 300


@pytest.mark.slow
def test_two_wandb_folders_with_the_same_names(cli: Cli, tmp_path: Path) -> None:
    places = []
    for number in range(2):
        script = f"run = wandb.init(id='same', project='p')\nfor i in range(9): run.log({{'a': {number} + i}})\n"
        wandb = train(tmp_path / str(number), script)
        (folder,) = (path for path in wandb.glob("*run-*") if not path.is_symlink())
        folder.rename(wandb / "offline-run-20240101_000000-same")
        places.append(wandb)
    for wandb in places:
        assert "1 converted" in cli.local(wandb)
    assert sorted(SwanStore.read(folder).scalars["a"][0] for folder in folders(cli)) == [0, 1]
    shutil.move(places[0], tmp_path / "moved")
    assert "1 skipped" in cli.local(tmp_path / "moved")


def test_fewer_rows_than_the_source_counts(cloud: wandb_cloud.WandbCloud, online: Cli) -> None:
    run = cloud.add_run("p", "r", rows(60))
    run.history_keys()["lastStep"] = 29  # W&B's index of the run is behind
    said = online.cloud("--wb-project", "p", "--strict", expect=1)
    assert "W&B counts 60 rows of history, its client gives 30" in said and " NO " in said
    assert "0 of 1 runs identical" in online("verify", f"{cloud.entity}/p/r", folders(online)[0], expect=1)
    run.history_keys()["lastStep"] = 59
    assert "1 converted" in online.cloud("--wb-project", "p") and len(online.stores()["r"].scalars["loss"]) == 60


@pytest.mark.fault(
    "`convert`: a W&B server gives at most 500 rows a page, whatever is asked for",
    "What is missing is counted, the run is not identical, `--strict` fails; the same command tries again",
)
def test_a_server_whose_pages_are_capped(cloud: wandb_cloud.WandbCloud, online: Cli) -> None:
    cloud.add_run("p", "r", rows(2_000))
    cloud.page_rows = 500
    said = online.cloud("--wb-project", "p", "--strict", expect=1)
    assert "W&B counts 2,000 rows of history, its client gives 1,000" in said and " NO " in said and "None" not in said
    cloud.page_rows = None
    assert "1 converted" in online.cloud("--wb-project", "p", "--strict")
    assert len(online.stores()["r"].scalars["loss"]) == 2_000


@pytest.mark.fault(
    "`convert`: a W&B server knows no keys of a history that has rows (`historyKeys: null`)",
    "The rows that its client does not give are counted, the run is not identical, `--strict` fails",
)
def test_a_history_without_keys(cloud: wandb_cloud.WandbCloud, online: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    run = cloud.add_run("p", "r", rows(500))
    monkeypatch.setattr(run, "history_keys", lambda: None)
    said = online.cloud("--wb-project", "p", "--strict", expect=1)
    assert "W&B counts 500 rows of history, its client gives 0" in said and " NO " in said


# -- interrupted -----------------------------------------------------------------------------------------------------


@pytest.mark.fault(
    "`convert`: killed between removing the replaced run and noting the new one",
    "The new one is there, whole and noted; the old one goes with the next command",
)
def test_killed_at_the_exchange(cloud: wandb_cloud.WandbCloud, online: Cli) -> None:
    cloud.add_run("p", "r", rows(60))
    online.cloud("--wb-project", "p")
    (before,) = folders(online)
    for number in range(20_000):  # so that removing it takes a moment
        (before / "media" / f"{number:05}").touch()
    cloud.add_run("p", "r", rows(80))
    process = online.start("convert", "-t", "wandb", "--mode", "offline", "--wb-project", "p")
    wait_for(lambda: sum(1 for _ in (before / "media").iterdir()) < 20_000)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    wait_for(lambda: not workers_of(online), 30)
    assert before.is_dir(), "it was killed too late"
    cloud.poison("r")  # what is there now is all there is
    assert "1 skipped" in online.cloud("--wb-project", "p")
    assert len(online.stores()["r"].scalars["loss"]) == 80
