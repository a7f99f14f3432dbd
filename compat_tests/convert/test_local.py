"""Runs of a local wandb/ folder: SwanLab's store is equal to wandb's log."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from compat_tests.convert.conftest import Cli, content, run_dirs, train
from compat_tests.live.cases import NAMES
from compat_tests.stores import SwanStore, WandbStore, assert_same_values
from wandb_swan.convert import WandbLocalConverter
from wandb_swan.parity.pairing import pairs

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def converted(
    cases: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, SwanStore], dict[str, object]]:
    from compat_tests.conftest import clean_environment

    folder = tmp_path_factory.mktemp("converted")
    cli = Cli(folder, clean_environment(folder))
    cli.local(cases, "--workers", "2", "--report", "r.json", "--tag", "x", expect=0)  # first one run alone
    assert list(cli.stores()) == ["whole"]
    cli.local(cases, "--workers", "2", "--report", "r.json")
    return cases, cli.stores(), json.loads((folder / "r.json").read_text())


def test_every_way_to_log(converted: tuple[Path, dict[str, SwanStore], dict[str, object]]) -> None:
    cases, stores, report = converted
    failures = []
    for run_id, folder in run_dirs(cases).items():
        if run_id == "whole":
            continue
        wandb = WandbStore.read(folder)
        try:
            assert_same_values(wandb, stores[run_id])
            assert stores[run_id].state == "finished"
            (pair,) = pairs(str(folder), stores[run_id].dir)
            assert pair.parity.identical
        except AssertionError as error:
            failures.append(f"{run_id}: {error}")
    assert not failures, "\n".join(failures)
    assert len(stores) == len(NAMES) + 1
    states = {run["run_id"]: run["state"] for run in report["runs"]}  # type: ignore[attr-defined]
    assert states.pop("whole") == "skipped" and set(states.values()) == {"converted"}
    assert all(run["identical"] for run in report["runs"])  # type: ignore[attr-defined]


def test_everything_of_a_run(converted: tuple[Path, dict[str, SwanStore], dict[str, object]]) -> None:
    cases, stores, _ = converted
    wandb, swan = WandbStore.read(run_dirs(cases)["whole"]), stores["whole"]
    assert swan.scalars["loss"] == {i: 1 / (i + 1) for i in range(6)}
    assert abs(swan.times["loss", 3] - wandb.timestamps[3]) < 1e-5
    assert swan.start.started_at.seconds == wandb.run.start_time.seconds
    assert abs(swan.finish.finished_at.seconds - max(wandb.timestamps.values())) < 5
    assert (swan.start.name, swan.start.group, swan.start.job_type) == ("everything", "g", "train")
    assert list(swan.start.tags) == ["x", "y"] and swan.start.project == "a-project"
    assert {key: swan.config[key] for key in ("lr", "text", "deep")} == {
        "lr": 0.5,
        "text": "0.5",
        "deep": {"er": [1, None]},
    }
    assert swan.about["notes"] == "n" * 2000 and swan.about["summary"] == {"best": 11}
    assert swan.about["artifacts"][0]["name"] == "data"
    assert (
        swan.kinds["picture"] == "IMAGE" and swan.kinds["table"] == "ECHARTS" and swan.kinds["histogram"] == "ECHARTS"
    )
    assert swan.kinds["chart"] == "ECHARTS" and swan.columns["val/acc"].x_axis == "epoch"
    assert "hello from the console" in swan.console()
    assert (swan.dir / "files" / "weights.bin").read_bytes() == b"w" * 3000
    assert swan.dir.name.endswith("-whole") and "latest-run" not in str(swan.dir)


def test_saved_files_outlive_their_source(cli: Cli, tmp_path: Path) -> None:
    script = """
    from pathlib import Path
    run = wandb.init(id="files", project="p")
    Path("sub").mkdir()
    Path("outside.bin").write_bytes(b"o" * 100)
    Path("sub/deep.txt").write_text("deep")
    run.save("outside.bin")  # wandb keeps a link to it
    run.save("sub/*", base_path=".")
    (Path(run.dir) / "inside.bin").write_bytes(b"i" * 100)
    run.save("inside.bin")
    run.finish()
    """
    wandb = train(tmp_path / "w", script)
    assert "not" not in cli.local(wandb, "--strict")
    shutil.rmtree(tmp_path / "w")
    files = cli.stores()["files"].dir / "files"
    held = {name: (files / name).read_bytes() for name in ("outside.bin", "sub/deep.txt", "inside.bin")}
    assert held == {"outside.bin": b"o" * 100, "sub/deep.txt": b"deep", "inside.bin": b"i" * 100}
    assert not any(path.is_symlink() or path.name.endswith(".part") for path in files.rglob("*"))


def test_left_out_on_request(cases: Path, cli: Cli) -> None:
    folder = run_dirs(cases)["whole"].name
    said = cli.local(
        cases, "--wb-run-dir", folder, "--no-media", "--no-console", "--max-file-mb", "0.001", "--strict", expect=1
    )
    swan = cli.stores()["whole"]
    assert "picture" not in swan.kinds and "loss" in swan.scalars and "hello from the console" not in swan.console()
    assert "file over --max-file-mb" in said and "--no-media" in said


def test_system_metrics(cli: Cli, tmp_path: Path) -> None:
    script = """
    import time
    run = wandb.init(id="sys", settings=wandb.Settings(x_stats_sampling_interval=0.2))
    time.sleep(1.2)
    run.finish()
    """
    wandb = train(tmp_path / "w", script, WANDB_X_DISABLE_STATS="false")
    cli.local(wandb)
    swan = cli.stores()["sys"]
    stats = [record.stats for record in WandbStore.read(run_dirs(wandb)["sys"]).records if record.HasField("stats")]
    names = {f"system/{item.key}" for stat in stats for item in stat.item}
    assert stats and names == set(swan.scalars)
    assert abs(swan.times["system/cpu", max(swan.scalars["system/cpu"])] - stats[-1].timestamp.seconds) < 1.1


def test_resumed_runs_are_one(cli: Cli, tmp_path: Path) -> None:
    script = """
    import sys
    run = wandb.init(id="again", project="p", config={"part": PART})
    for i in range(5):
        run.log({"a": PART * 100 + i}, step=PART * 10 + i)
    run.summary["done"] = PART
    run.finish()
    """
    for part in (0, 1, 2):
        wandb = train(tmp_path / "w", f"PART = {part}\n" + script.replace("\n    ", "\n"))
    (wandb / "copy-of-latest").symlink_to(wandb / "latest-run")
    cli.local(wandb)
    stores = cli.stores()
    assert list(stores) == ["again"]
    swan = stores["again"]
    assert swan.scalars["a"] == {part * 10 + i: part * 100 + i for part in range(3) for i in range(5)}
    assert swan.config["part"] == 2 and swan.about["summary"] == {"done": 2}


def test_a_run_id_used_again_for_another_run(cli: Cli, tmp_path: Path) -> None:
    for part in (0, 1):
        wandb = train(
            tmp_path / "w", f"run = wandb.init(id='same', project='p')\nfor i in range(4): run.log({{'a': {part} + i}})"
        )
    cli.local(wandb)
    stores = cli.stores()
    assert {run_id: store.scalars["a"][0] for run_id, store in stores.items()} == {"same": 0, "same-2": 1}
    assert stores["same-2"].about["id"] == "same"


def test_torn_damaged_and_foreign_files(cases: Path, cli: Cli, tmp_path: Path) -> None:
    wandb = tmp_path / "wandb"
    source = run_dirs(cases)["no0step"]
    data = (source / "run-no0step.wandb").read_bytes()
    for name, content_ in (("torn", data[: len(data) * 2 // 3]), ("empty", b""), ("foreign", b"not a log at all" * 9)):
        folder = wandb / f"offline-run-20240101_000000-{name}"
        folder.mkdir(parents=True)
        (folder / f"run-{name}.wandb").write_bytes(content_)
    (wandb / "offline-run-20240101_000000-torn" / "run-second.wandb").write_bytes(
        (run_dirs(cases)["nested"] / "run-nested.wandb").read_bytes()
    )
    said = cli.local(wandb, expect=1)
    stores = cli.stores()
    assert set(stores) == {"no0step", "nested"}  # two logs in one folder are two runs
    assert stores["no0step"].state == "crashed" and 0 < len(stores["no0step"].scalars["loss"]) <= 5
    assert "cut in a record" in said and "converted up to there" in said
    assert (
        "1 failed, 1 without a run" in said
        and "not a wandb transaction log" in said
        and "run-empty.wandb: is empty" in said
    )


def test_a_run_without_its_media_in_a_read_only_folder(cases: Path, cli: Cli, tmp_path: Path) -> None:
    wandb = tmp_path / "wandb"
    target = wandb / run_dirs(cases)["whole"].name
    target.mkdir(parents=True)
    shutil.copy(run_dirs(cases)["whole"] / "run-whole.wandb", target)
    for path in (target / "run-whole.wandb", target, wandb):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        said = cli.local(wandb)
    finally:
        target.chmod(0o755)
        wandb.chmod(0o755)
    assert "the file is missing" in said
    assert cli.stores()["whole"].scalars["loss"][0] == 1.0


def test_filters_and_dry_run(cases: Path, cli: Cli) -> None:
    said = cli.local(cases, "--tag", "y", "--state", "finished", "--since", "2020-01-01", "--dry-run")
    assert "1 planned" in said and "everything" in said and not (cli.dir / "swanlog").exists()
    assert "no run fits" in cli.local(cases, "--state", "killed", expect=2)


def test_from_python(cases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    converter = WandbLocalConverter(
        project="mine", mode="offline", logdir=str(tmp_path / "log"), tags=["old"], workers=1
    )
    report = converter.run(str(cases), wb_run_id="no0step")
    assert report.whole and report.runs[0].identical and report.runs[0].points == 10
    store = SwanStore.read(Path(report.runs[0].swanlab))
    assert (store.start.project, list(store.start.tags)) == ("mine", ["old"])
    again = converter.run(str(cases), wb_run_id="no0step")
    assert [run.state for run in again.runs] == ["skipped"]
    forced = WandbLocalConverter("mine", mode="offline", log_dir=str(tmp_path / "log"), force=True, workers=1)
    assert [run.state for run in forced.run(str(cases), wb_run_id="no0step").runs] == ["converted"]
    folders = list((tmp_path / "log").glob("run-*"))
    assert len(folders) == 1 and content(SwanStore.read(folders[0]))[0] == store.scalars  # type: ignore[index]


@pytest.mark.parametrize("folder", sorted((Path(__file__).parent / "fixtures").glob("media-*")), ids=lambda p: p.name)
def test_media_of_old_versions(cli: Cli, folder: Path) -> None:
    """Made by the real old versions, see `fixtures/make_media.py`; lists of pictures name no files up to 0.12.10."""
    cli.local(folder, "--verify=full")
    (store,) = cli.stores().values()
    counts = {key: [len(items) for items in steps.values()] for key, steps in store.media.items()}
    assert counts == {
        **{key: [1] for key in ("one", "masks", "sound", "page", "table", "cloud", "histogram", "video", "line")},
        **{key: [2] for key in ("plain", "val/pictures", "boxes", "sounds", "pages", "clouds", "deep/pictures")},
        "pictures": [3],
        "molecule": [1],
    }
    assert [item.caption for item in store.media["pictures"][0]] == ["c0", "c1", "c2"]
    assert all(lost["reason"].startswith("file not saved") for lost in store.about.get("not_mirrored", []))
    assert "1 of 1 runs identical" in cli("verify", folder, cli.dir / "swanlog")


@pytest.mark.parametrize("folder", sorted((Path(__file__).parent / "fixtures").glob("wandb-*")), ids=lambda p: p.name)
def test_files_of_old_versions(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made by the real old versions, see `fixtures/make.py`."""
    monkeypatch.chdir(tmp_path)
    report = WandbLocalConverter(mode="offline", log_dir="log", workers=1).run(str(folder))
    assert [run.identical for run in report.runs] == [True] and report.whole, report
    source = next(folder.glob("*"))
    swan = SwanStore.read(Path(report.runs[0].swanlab))
    nan, inf = float("nan"), float("inf")
    assert swan.scalars["loss"] == {i: i / 4 for i in range(4)} and swan.scalars["deep/er"] == {i: i for i in range(4)}
    assert repr(swan.scalars["odd"]) == repr({0: 1.5, 1: nan, 2: inf, 3: -inf})
    assert swan.kinds["picture"] == "IMAGE" and swan.texts("word") == {20: "w"}
    assert {key: swan.config[key] for key in ("lr", "text", "deep", "late")} == {
        "lr": 0.5,
        "text": "0.5",
        "deep": {"er": 1},
        "late": 3,
    }
    assert swan.about["summary"] == {"best": 11} and swan.columns["val/acc"].x_axis == "epoch"
    assert (swan.state, swan.console()) == ("finished", ["hello from the console"])
    assert (swan.start.name, list(swan.start.tags), swan.start.project) == ("an old run", ["old"], "old-runs")
    assert abs(swan.times["loss", 0] - WandbStore.read(source).timestamps[0]) < 1e-5
