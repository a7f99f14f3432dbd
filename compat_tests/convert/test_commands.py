"""What the commands say when something is wrong, and what `verify` finds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from compat_tests.convert.conftest import Cli, run_dirs, train
from compat_tests.stores import WandbStore
from wandb_swan.convert import WandbConverter
from wandb_swan.exceptions import WandbSwanError
from wandb_swan.parity.stored import StoredRun

pytestmark = pytest.mark.live


def test_one_line_that_says_what_to_do(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    wrong = {
        ("-t", "wandb-local", "--wb-dir", "missing", "--mode", "offline"): "missing does not exist",
        ("-t", "wandb-local", "--wb-dir", str(tmp_path / "nothing"), "--mode", "offline"): "holds no run",
        ("-t", "wandb", "--mode", "offline"): "--wb-project",
        ("-t", "wandb", "--wb-project", "p", "--mode", "offline"): "wandb login",
        ("-t", "wandb", "--all-projects", "--wb-runid", "r", "--mode", "offline"): "--all-projects",
        ("--workers", "0"): "--workers",
        ("--mode", "sideways"): "--mode",
    }
    for arguments, told in wrong.items():
        said = cli("convert", *arguments, expect=2)
        assert said.startswith("wandb-swan: ") and said.count("\n") == 1 and told in said, said
    for command, told in {
        ("--wrong",): "--wrong",
        ("nothing",): "'nothing'",
        ("convert", "--wrong"): "--wrong",
        (
            "convert",
            "--type",
            "mlflow",
        ): "'mlflow' is not one of 'wandb', 'wandb-local'; type `wandb-swan convert --help`",
        ("convert", "too", "much"): "(too much)",
        ("convert", "--wb-project"): "requires an argument",
        ("verify",): "Missing argument 'WANDB'",
        ("verify", "a", "missing"): "'missing' does not exist",
        ("run", "--mode", "sideways", "--", "true"): "'sideways'",
        ("run",): "Missing argument 'PROGRAM...'",
        ("status", "a", "b"): "(b)",
        ("resume", "a", "b"): "(b)",
        ("doctor", "--wrong"): "--wrong",
    }.items():
        said = cli(*command, expect=2)
        assert said.startswith("wandb-swan: ") and said.count("\n") == 1 and told in said, said
        assert said.endswith(" --help`\n"), said
    with pytest.raises(WandbSwanError, match="sideways"):
        WandbConverter(mode="sideways")


def test_names_that_the_terminal_cannot_show(tmp_path: Path, cli: Cli) -> None:
    script = 'wandb.init(project="\u9879\u76ee", name="\u540d \U0001f600", id="r1").log({"\u51c6": 1})'
    wandb = train(tmp_path / "source", script)
    cli.env["PYTHONIOENCODING"] = "ascii:strict"
    for command in (("--dry-run",), (), ()):
        cli.local(wandb, *command)
    assert "1 of 1 runs identical" in cli("verify", wandb, "swanlog")
    (store,) = cli.stores().values()
    assert store.start.name == "\u540d \U0001f600"


def test_no_swanlab_login(cli: Cli, cases: Path) -> None:
    said = cli("convert", "-t", "wandb-local", "--wb-dir", cases, expect=2)
    assert "swanlab login" in said and "or use mode offline" in said


def test_verify_finds_what_differs(cases: Path, cli: Cli) -> None:
    cli.local(cases, "--tag", "x")
    cli.local(cases, "--wb-run-dir", run_dirs(cases)["no0step"].name)
    source = run_dirs(cases)["no0step"]
    target = cli.stores()["no0step"].dir
    said = cli("verify", source, target, "--json", "v.json", "--html", "v.html")
    assert "1 of 1 runs identical" in said
    assert json.loads((cli.dir / "v.json").read_text())[0]["metrics"][0]["points_wandb"] == 5
    assert "echarts" in (cli.dir / "v.html").read_text()
    other = run_dirs(cases)["nested"]
    said = cli("verify", other, target, expect=2)
    assert "is of another run (no0step, not nested)" in said and "--force" in said
    said = cli("verify", other, target, "--force", expect=1)
    assert "0 of 1 runs identical" in said and "missing" in said and "extra" in said
    assert "no folder and no entity/project/run-id" in cli("verify", "nowhere", target, expect=2)
    change_a_point(target)
    said = cli("verify", source, target, expect=1)
    assert "1 different" in said


def change_a_point(run_dir: Path) -> None:
    """Another value for the first point of a scalar, with a right checksum."""
    import struct

    from swanlab.proto.swanlab.record.v1.record_pb2 import Record

    from compat_tests.stores import SwanStore
    from wandb_swan.journal.framing import frame

    file = next(run_dir.glob("run-*.swanlab"))
    assert SwanStore.read(run_dir).scalars["loss"][0] == 1.0
    from swanlab.sdk.internal.core_python.store import DataStoreReader

    reader = DataStoreReader()
    reader.open(str(file))
    out = file.read_bytes()[:7]
    for payload in list(reader):
        record = Record.FromString(payload)
        if record.HasField("scalar") and record.scalar.key == "loss" and record.scalar.step == 0:
            record.scalar.value.number = 1.0 + 2**-52
        out += frame(record.SerializeToString(), len(out))
    reader.close()
    file.write_bytes(out)
    assert struct.pack("<d", StoredRun(run_dir).scalars["loss"].values[0]) == struct.pack("<d", 1.0 + 2**-52)


def test_verify_a_whole_folder(cases: Path, cli: Cli) -> None:
    cli.local(cases, "--tag", "x")
    wandb = cli.dir / "wandb"
    wandb.mkdir()
    (wandb / "one").symlink_to(run_dirs(cases)["whole"])  # a link: not followed
    assert "a link, which is not followed" in cli("verify", wandb, cli.dir / "swanlog", expect=3)
    (wandb / "one").unlink()
    run_dirs(cases)["whole"].rename(wandb / "one")
    try:
        said = cli("verify", wandb, cli.dir / "swanlog")
        assert "1 of 1 runs identical" in said
        assert WandbStore.read(wandb / "one").rows
    finally:
        (wandb / "one").rename(run_dirs(cases).get("whole", cases / "offline-run-20240101_000000-whole"))


def empty_log(folder: Path, name: str) -> None:
    (folder / name).mkdir()
    (folder / name / f"run-{name.rsplit('-', maxsplit=1)[-1]}.wandb").write_bytes(b":W&B\xe1\xbe\x00")


def test_verify_goes_on(cases: Path, cli: Cli) -> None:
    """One log that is empty, one of which there is nothing, one SwanLab folder that is broken: the others are compared."""
    wandb = cli.dir / "wandb"
    shutil.copytree(cases, wandb, symlinks=True)
    names = list(run_dirs(wandb))[:4]
    for name in set(run_dirs(wandb)) - set(names):
        shutil.rmtree(run_dirs(wandb)[name])
    cli.local(wandb)
    stores = cli.stores()
    empty_log(wandb, "offline-run-20240101_000000-nothing")
    shutil.rmtree(stores[names[0]].dir)
    next(stores[names[1]].dir.glob("*.swanlab")).write_bytes(b"no store at all")
    said = cli("verify", wandb, cli.dir / "swanlog", expect=3)
    assert "2 of 2 runs identical, 4 not compared" in said
    assert "run-nothing.wandb" in said and "is empty" in said and said.count("convert it first") == 2
    assert "the SwanLab run cannot be read" in said
    assert len([line for line in said.splitlines() if line.startswith("identical")]) == 2
    said = cli("verify", wandb, cli.dir / "swanlog", "--only-differences", expect=3)
    assert "identical  " not in said and "not compared" in said
    assert cli("verify", wandb, cli.dir / "swanlog", "--quiet", expect=3).count("\n") == 1


def test_one_id_in_two_projects(tmp_path: Path, cli: Cli) -> None:
    script = """
    for project, value in (("one", 1.0), ("two", 2.0)):
        run = wandb.init(project=project, id="same")
        for i in range(3):
            run.log({"loss": value + i})
        run.finish()
    """
    wandb = train(tmp_path / "source", script)
    cli.local(wandb)
    assert "2 of 2 runs identical" in cli("verify", wandb, cli.dir / "swanlog")


def test_a_run_in_two_folders(tmp_path: Path, cli: Cli) -> None:
    wandb = train(tmp_path / "source", "run = wandb.init(project='p', id='r')\nrun.log({'a': 1})\nrun.finish()")
    cli.local(wandb)
    (folder,) = (cli.dir / "swanlog").glob("run-*")
    shutil.copytree(folder, folder.with_name(folder.name + "-copy"))
    said = cli("verify", wandb, cli.dir / "swanlog")
    assert "2 of 2 runs identical" in said and "run r is in 2 SwanLab folders" in said


def test_names_are_whole_in_a_pipe_and_lists_of_dicts_are_equal(tmp_path: Path, cli: Cli) -> None:
    name = "a/metric/with/a/name/that/is/longer/than/any/terminal/" + "x" * 200
    script = f"""
    run = wandb.init(project="p", id="r", config={{"layers": [{{"b": 1, "a": 2}}, {{"z": [{{"y": 1, "x": 2}}]}}]}})
    run.log({{{name!r}: 1}})
    run.finish()
    """
    wandb = train(tmp_path / "source", script)
    cli.local(wandb, "--strict")
    assert name in cli("verify", wandb, cli.dir / "swanlog")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--mode", "offline", "--wb-runid", "none"), "no run fits"),
        (("--mode", "online"), "no SwanLab login"),
        (("--mode", "offline", "--report", "nowhere/report.json"), "nowhere does not exist; make it"),
    ],
)
def test_what_cannot_work_is_told_before_the_work_and_leaves_nothing(
    cases: Path, cli: Cli, arguments: tuple[str, ...], told: str
) -> None:
    before = set(cli.dir.iterdir())
    assert told in cli("convert", "-t", "wandb-local", "--wb-dir", cases, *arguments, expect=2)
    assert set(cli.dir.iterdir()) == before
