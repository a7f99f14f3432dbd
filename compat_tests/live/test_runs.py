"""Config, names, states and life of runs: what a user set arrives in SwanLab, and ends as the run ended."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from compat_tests.conftest import Record
from compat_tests.stores import SwanStore, assert_same_values
from wandb_swan.versions import below

pytestmark = pytest.mark.live


def user_config(swan: SwanStore) -> dict[str, object]:
    return {key: value for key, value in swan.config.items() if key != "wandb_run"}


@pytest.mark.quick
def test_config_written_in_every_way(record: Record, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "config-defaults.yaml").write_text("from_defaults:\n  value: 7\nlr:\n  value: 9\n")
    (work / "conf.yaml").write_text("from_yaml:\n  desc: null\n  value: [1, 2.5]\n")
    result = record(
        """
        import argparse, pathlib
        import numpy as np
        import wandb_swan as wandb
        run = wandb.init(project="c", config={"lr": 0.5, "n": 3, "deep": {"er": {"x": 1}}, "skip": 1, "flag": True,
                                              "none": None, "np": np.float32(0.25), "path": pathlib.Path("/a/b"),
                                              "list": [1, "a", None], "name": "0.5"},
                         config_exclude_keys=["skip"])
        run.config.update({"late": 1.5, "deep": {"er": {"x": 2}}}, allow_val_change=True)
        run.config["item"] = [1, {"a": 2}]
        run.config.attribute = "attr"
        run.config.setdefaults({"default": 8, "lr": 99})
        run.config["np_int"] = np.int64(5)
        run.config["big"] = 2**70
        run.config["nan"] = float("nan")
        wandb.config.update({"wandb_level": 1})
        run.finish()
        run = wandb.init(project="c", config=argparse.Namespace(ns=1, other="two"))
        run.finish()
        run = wandb.init(project="c", config="conf.yaml")
        run.finish()
        run = wandb.init(project="c", config={"a": 1, "b": 2}, config_include_keys=["a"])
        run.finish()
        run = wandb.init(project="c", config={"wandb_run": "mine"})
        run.finish()
        """,
        WANDB_SWAN_FINISH_TIMEOUT="0.01",
    )
    pairs = list(result.pairs().values())
    assert len(pairs) == 5
    for wandb, swan in pairs:
        expected = dict(wandb.config)
        got = {key: value for key, value in swan.config.items() if key not in {"wandb_run", "wandb_run_"}}
        if "wandb_run" in expected:
            got["wandb_run"] = swan.config["wandb_run"]
            assert swan.config["wandb_run_"]["id"]
        assert got == expected
        assert {key: type(value) for key, value in got.items()} == {key: type(v) for key, v in expected.items()}
    first = pairs[0][1].config
    assert first["lr"] == 0.5 and isinstance(first["lr"], float) and first["from_defaults"] == 7
    assert "skip" not in first


@pytest.mark.quick
def test_names_notes_tags_of_any_shape(record: Record) -> None:
    result = record(
        """
        import wandb_swan as wandb
        run = wandb.init(project="my project \\u5b9e\\u9a8c", notes="n" * 5000, tags=[f"tag {i}" for i in range(40)],
                         name="\\u8fd0\\u884c " + "x" * 100, group="g" * 100, job_type="train")
        run.log({"a": 1})
        run.finish()
        run = wandb.init(project="\\u5b9e\\u9a8c\\u4e00")
        run.finish()
        run = wandb.init(project="\\u5b9e\\u9a8c\\u4e8c")
        run.log({"a": 1})
        import pathlib, time
        status = next(pathlib.Path("swanlog/journals").glob(f"{run.id}-*.journal")).with_suffix(".status.json")
        while '"running"' not in (status.read_text() if status.exists() else ""):
            time.sleep(0.1)  # until the SwanLab run exists
        run.name = "renamed"
        run.tags += ("late",)
        run.notes = "late notes"
        run.finish()
        """,
        WANDB_SWAN_FINISH_TIMEOUT="0.01",
    )
    (_, first), (_, second), (third_wandb, third) = result.pairs().values()
    assert first.start.name.startswith("运行 x") and first.start.group == "g" * 100
    assert first.start.job_type == "train"
    assert len(first.start.description) <= 1024 and first.about["notes"] == "n" * 5000
    assert len(first.start.tags) == 30 and first.about["tags"] == [f"tag {i}" for i in range(40)]
    assert first.about["project"] == "my project 实验"
    assert second.start.project != third.start.project
    assert third_wandb.run.display_name == "renamed"
    assert third.about["name"] == "renamed"
    assert third.about["tags"] == ["late"]
    assert third.about["notes"] == "late notes"


def test_everything_by_environment(record: Record) -> None:
    result = record(
        """
        import wandb_swan as wandb
        with wandb.init() as run:
            run.log({"a": 1})
        """,
        WANDB_PROJECT="env project",
        WANDB_NAME="env name",
        WANDB_NOTES="env notes",
        WANDB_TAGS="x,y",
        WANDB_RUN_GROUP="env group",
        WANDB_JOB_TYPE="env job",
        WANDB_RUN_ID="env-id",
        WANDB_SWAN_PROJECT="given",
        WANDB_SWAN_LOG_DIR="swanlog",
    )
    wandb, swan = result.pair()
    start = swan.start
    assert (start.project, start.name, start.description) == ("given", "env name", "env notes")
    assert (list(start.tags), start.group, start.job_type, start.id) == (["x", "y"], "env group", "env job", "env-id")
    assert swan.about["project"] == wandb.run.project == "env project"


ENDINGS = {
    "two runs": (
        """
        for i in range(2):
            run = wandb.init(project="p", id=f"r{i}")
            run.log({"a": i})
            run.finish()
        """,
        0,
        ["finished", "finished"],
    ),
    "exception in with": (
        """
        with wandb.init(project="p") as run:
            run.log({"a": 1})
            raise ValueError("what went wrong")
        """,
        1,
        ["crashed"],
    ),
    "exit code": ('run = wandb.init(project="p"); run.log({"a": 1}); run.finish(exit_code=3)', 0, ["crashed"]),
    "sys.exit": ('run = wandb.init(project="p"); run.log({"a": 1}); import sys; sys.exit(4)', 4, ["crashed"]),
    "sys.exit 0": ('run = wandb.init(project="p"); run.log({"a": 1}); import sys; sys.exit(0)', 0, ["finished"]),
    "no finish": ('run = wandb.init(project="p"); run.log({"a": 1})', 0, ["finished"]),
    "unhandled": ('run = wandb.init(project="p"); run.log({"a": 1}); raise KeyError("gone")', 1, ["crashed"]),
    "ctrl-c": ('run = wandb.init(project="p"); run.log({"a": 1}); raise KeyboardInterrupt', None, ["aborted"]),
    "ctrl-c in with": (
        """
        with wandb.init(project="p") as run:
            run.log({"a": 1})
            raise KeyboardInterrupt
        """,
        None,
        ["aborted"],
    ),
    "os._exit": ('run = wandb.init(project="p"); run.log({"a": 1}); import os; os._exit(0)', 0, ["crashed"]),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_state_is_how_the_run_ended(record: Record, ending: str) -> None:
    script, code, states = ENDINGS[ending]
    result = record("import wandb_swan as wandb\n" + textwrap.dedent(script), expect=code)
    swan = [SwanStore.read(path) for path in result.swan_dirs()]
    assert [run.state for run in swan] == states, result.explain()
    assert all(run.scalars["a"] for run in swan)
    if ending in {"exception in with", "unhandled"}:
        assert "ValueError: what went wrong" in swan[0].finish.error or "KeyError" in swan[0].finish.error
    if ending != "os._exit":
        for wandb, mirrored in result.pairs().values():
            assert_same_values(wandb, mirrored)
            assert mirrored.about["exit_code"] == wandb.exit_code


def test_a_run_that_was_marked_preempting_says_so(record: Record) -> None:
    result = record(
        """
        import wandb_swan as wandb
        with wandb.init(project="c") as run:
            run.log({"a": 1})
            run.mark_preempting()
        """
    )
    _, swan = result.pair()
    assert swan.config["wandb_run"]["preempting"] is True
    (status,) = result.statuses
    assert status["not_mirrored"] == [] and status["unknown_records"] == {}


@pytest.mark.parametrize(
    ("script", "env"),
    [
        ('wandb.init(project="p", mode="disabled")', {}),
        ('wandb.init(project="p")', {"WANDB_MODE": "disabled"}),
        ('wandb.init(project="p")', {"WANDB_SWAN": "0"}),
        ('wandb.init(project="p")', {"WANDB_SWAN_MODE": "disabled"}),
        ('wandb.init(project="p")', {"SWANLAB_MODE": "disabled"}),
        ('wandb.init(project="p", swanlab_mode="disabled")', {}),
    ],
)
def test_switched_off(record: Record, script: str, env: dict[str, str]) -> None:
    result = record(f"import wandb_swan as wandb\nrun = {script}\nrun.log({{'a': 1}})\nrun.finish()", **env)
    assert not (result.dir / "swanlog").exists()
    assert "wandb_swan" not in result.stderr


@pytest.mark.quick
def test_wandb_is_as_it_was(record: Record) -> None:
    record(
        """
        import sys
        import wandb
        import wandb_swan
        try:
            wandb_swan.log({"a": 1})
        except wandb.Error as error:
            assert "wandb.init" in str(error)
        else:
            raise AssertionError("log before init")
        run = wandb_swan.init(project="p")
        from wandb.sdk.wandb_run import Run  # wandb.Run from 0.21
        assert isinstance(run, Run) and wandb_swan.run is wandb.run is run
        assert wandb_swan.config is wandb.config and wandb_swan.log == wandb.log and wandb_swan.Image is wandb.Image
        run.log({"a": 1})
        ours = [name for name in sys.modules if name.startswith("wandb_swan.")]
        run.finish()
        assert wandb_swan.run is None
        for name in sys.modules:
            assert not name.startswith(("swanlab", "wandb_swan.stream", "wandb_swan.swan", "wandb_swan.mirror")), name
        """
    )


def test_settings_are_read_once_when_a_run_starts(record: Record) -> None:
    result = record(
        """
        import os, sys
        import wandb_swan as wandb
        assert "pydantic_settings" not in sys.modules
        os.environ["WANDB_SWAN_PROJECT"] = "first"
        run = wandb.init(project="p")
        os.environ["WANDB_SWAN_PROJECT"] = "second"
        run.log({"a": 1})
        run.finish()
        """
    )
    assert result.pair()[1].start.project == "first"


@pytest.mark.parametrize(
    ("env", "told"),
    [
        ({"WANDB_SWAN_MODE": "on-line"}, ["WANDB_SWAN_MODE", "'on-line'", "online", "offline", "local", "disabled"]),
        ({"WANDB_SWAN_FINISH_TIMEOUT": "soon"}, ["WANDB_SWAN_FINISH_TIMEOUT", "'soon'", "seconds"]),
        ({"WANDB_SWAN_WANDB_RUN": "perhaps"}, ["WANDB_SWAN_WANDB_RUN", "'perhaps'", "true or false"]),
    ],
)
def test_a_wrong_setting_is_one_message_and_training_goes_on(
    record: Record, env: dict[str, str], told: list[str]
) -> None:
    result = record(
        """
        import wandb_swan as wandb
        run = wandb.init(project="p")
        run.log({"a": 1})
        run.finish()
        print("trained")
        """,
        **env,
    )
    lines = [line for line in result.stderr.splitlines() if line.startswith("wandb_swan")]
    assert len(lines) == 1 and all(word in lines[0] for word in told), result.stderr
    assert "Traceback" not in result.stderr and "trained" in result.stdout
    assert len(result.wandb_dirs) == 1 and not result.swan_dirs()


@pytest.mark.parametrize("how", ["argument", "environment", "sync_wandb"])
def test_wandb_run_false_uploads_nothing(record: Record, how: str) -> None:
    result = record(
        f"""
        import wandb_swan
        import wandb
        if {how!r} == "sync_wandb":
            wandb_swan.sync_wandb(wandb_run=False)
        more = {{"wandb_run": False}} if {how!r} == "argument" else {{}}
        init = wandb_swan.init if more else wandb.init
        run = init(project="p", mode="online", **more)
        assert run.settings._offline
        run.log({{"a": 1}})
        run.finish()
        run = init(project="p", mode="disabled", **more)
        assert run.disabled
        """,
        WANDB_MODE=None,
        WANDB_API_KEY="a" * 40,
        WANDB_BASE_URL="http://127.0.0.1:9",
        **({"WANDB_SWAN_WANDB_RUN": "false"} if how == "environment" else {}),
    )
    assert_same_values(*result.pair())


def test_sync_wandb_for_scripts_that_keep_wandb(record: Record) -> None:
    result = record(
        """
        import wandb_swan
        wandb_swan.sync_wandb(mode="offline", workspace="team", log_dir="elsewhere")
        import wandb
        run = wandb.init(project="p")
        run.log({"a": 1})
        run.finish()
        """
    )
    runs = [SwanStore.read(path.parent) for path in (result.dir / "elsewhere").glob("run-*/run-*.swanlab")]
    assert len(runs) == 1 and runs[0].start.workspace == "team" and runs[0].scalars == {"a": {0: 1.0}}


@pytest.mark.quick
def test_what_is_said_at_start_and_finish(record: Record) -> None:
    result = record(
        """
        import wandb_swan as wandb
        run = wandb.init(project="p")
        run.log({"a": 1})
        run.finish()
        """
    )
    lines = [line for line in result.stderr.splitlines() if line.startswith("wandb_swan")]
    lines = [line for line in lines if "SwanLab is catching up" not in line]  # where the machine is very busy
    assert len(lines) == 2, result.stderr
    assert "mirroring run" in lines[0] and "journal" in lines[0]
    folder = result.swan_dirs()[0].name
    assert f"`swanlab sync swanlog/{folder}`" in lines[1] and "no SwanLab credentials" in lines[1]
    status = result.statuses[0]
    assert status["state"] == "finished" and status["result"] == "success" and status["counts"]["rows"] == 1
    assert status["run_dir"].endswith(folder) and status["offset"] > 0


def test_a_wandb_newer_than_tested_is_said_in_one_line_and_mirrored(record: Record) -> None:
    result = record(
        """
        import wandb_swan as wandb
        from wandb_swan import versions
        versions.NEWEST_TESTED["wandb"] = (0, 1)
        run = wandb.init(project="p")
        run.log({"a": 1})
        run.finish()
        """
    )
    told = [line for line in result.stderr.splitlines() if "newer than the newest" in line]
    assert len(told) == 1 and "(0.1)" in told[0], result.stderr
    assert_same_values(*result.pair())


def test_silent_stays_silent(record: Record) -> None:
    script = """
        import wandb_swan as wandb
        run = wandb.init(project="p")
        run.log({"a": 1})
        run.finish()
        """
    bare = record(script, WANDB_SILENT="true", WANDB_SWAN="0")
    result = record(script, WANDB_SILENT="true")
    assert result.stderr == bare.stderr  # wandb 0.21 itself warns at its import, with a pydantic from 2.12
    assert "wandb_swan" not in result.stderr and len(result.swan_dirs()) == 1


@pytest.mark.quick
def test_console_text_summary_and_description(record: Record) -> None:
    result = record(
        """
        import sys
        import wandb_swan as wandb
        run = wandb.init(project="p")
        run.define_metric("epoch")
        run.define_metric("val/*", step_metric="epoch")
        print("hello \\u4f60\\u597d")
        print("10%\\r50%\\r100%")
        print("\\x1b[31mred\\x1b[0m", file=sys.stderr)
        sys.stdout.write("in two ")
        sys.stdout.write("pieces\\n")
        run.log({"val/loss": 1.0, "epoch": 3})
        run.summary["best"] = {"epoch": 3, "acc": 0.5}
        run.summary["val/loss"] = 0.25
        print("no line end", end="")
        run.finish()
        """
    )
    wandb, swan = result.pair()
    console = swan.console()
    for line in ("hello 你好", "100%", "red", "in two pieces", "no line end"):
        assert line in console, console
    assert swan.about["summary"] == {"best": {"epoch": 3, "acc": 0.5}, "val/loss": 0.25}
    if below("swanlab", (0, 10)):
        (lost,) = swan.about["not_mirrored"]
        assert (lost["key"], lost["count"]) == ("val/loss", 1) and "lacks chart axes" in lost["reason"]
    else:
        assert swan.columns["val/loss"].x_axis == "epoch" and not swan.about.get("not_mirrored")
    assert swan.about["versions"]["wandb"]
    metadata = (swan.dir / "files" / "swanlab-metadata.json").read_text()
    assert "train.py" in metadata and str(result.dir) in metadata
    assert_same_values(wandb, swan)
