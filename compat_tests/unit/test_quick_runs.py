"""What makes a SwanLab run cheaper changes nothing of it: beside SwanLab's own way."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel
from swanlab.sdk.internal.run.components.config import writer

from compat_tests.unit.logs import END, begin, log, record
from wandb_swan.convert import conversion
from wandb_swan.convert.jobs import Job
from wandb_swan.convert.worker import convert
from wandb_swan.sources.reference import RunReference
from wandb_swan.sources.selection import Options
from wandb_swan.swan.sdk import quick_config, whole_settings
from wandb_swan.swan.sdk.store import parsed, raw_payloads

SETTINGS = """
import swanlab
from wandb_swan.swan.sdk import whole_settings
ours = {ours}
if ours:
    whole_settings.read_once()
    read = swanlab.Settings.settings_customise_sources
    reads = []
    swanlab.Settings.settings_customise_sources = classmethod(lambda cls, *a, **k: reads.append(1) or read(*a, **k))
Settings = swanlab.Settings
kept = Settings()
new = whole_settings.only if ours else Settings
kept.merge_settings(new(interactive=False, probe=Settings.Probe(hardware=False), run=Settings.Run(dir="run-1")))
kept.merge_settings({{"mode": "offline", "project": {{"name": "p"}}, "experiment": {{"tags": ["a"]}}}})
kept.merge_settings({{"api_host": "https://swanlab.here/"}})
kept.merge_settings({{"mode": "offline"}})
assert not ours or len(reads) == 2, "read at first, and where a new api_host leaves the web_host to be found"
print(sorted(kept.model_fields_set), kept.model_dump())
"""

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=140)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def test_settings_come_from_where_swanlab_reads_them(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SWANLAB_PROBE_MONITOR_INTERVAL=17\nSWANLAB_WEB_HOST=https://web.here\n")
    (tmp_path / "swanlab.yaml").write_text("experiment:\n  group: of the folder\n")
    (tmp_path / ".swanlab").mkdir()
    (tmp_path / ".swanlab" / "config.yaml").write_text("core:\n  section_rule: 3\n")
    env = {**os.environ, "SWANLAB_EXPERIMENT_JOB_TYPE": "'of the shell'", "SWANLAB_API_KEY": "k", "SWANLAB_RUN_ID": "i"}
    told = [
        subprocess.run(
            [sys.executable, "-c", SETTINGS.format(ours=ours)],
            check=True, capture_output=True, cwd=tmp_path, env=env, text=True,
        ).stdout
        for ours in (False, True)
    ]  # fmt: skip
    assert "of the shell" in told[0] and "of the folder" in told[0]
    assert told[0] == told[1]


def test_settings_that_are_more_than_their_values(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Counting(BaseModel):
        made: int = 0

        def __init__(self, made: int = 0) -> None:
            super().__init__(made=made + 1)

    monkeypatch.setattr("swanlab.Settings", Counting)
    with caplog.at_level("INFO", "wandb_swan"):
        whole_settings.read_once.__wrapped__()
    assert "runs are opened more slowly" in caplog.text
    assert Counting(made=4).made == 5


@given(st.dictionaries(texts, values, max_size=4))
@example({"": 1, "π" * 100: 2, "C:\\r": "\r", "new\n\n line": "\x85 ", "🙂": ["- ", "? ", "'"]})
def test_the_config_file_is_the_same(config: dict[str, Any]) -> None:
    options: dict[str, Any] = {"allow_unicode": True, "default_flow_style": False}
    assert quick_config.dump(config, **options) == yaml.safe_dump(config, **options)


def test_the_config_file_is_written_so() -> None:
    """Else nothing above says anything."""
    quick_config.install()
    assert writer.yaml.safe_dump is quick_config.dump and quick_config.dump({"a": 1}) == "a: 1\n"


def test_the_run_folder_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    source = log(tmp_path / "run-20240101_000000-r1", begin(100), *map(_row, range(5)), END)

    def converted(name: str) -> dict[str, Any]:
        reference = RunReference(kind="local", source=str(source), origin="o", run_id="r1", logs=(source,))
        options = Options(mode="offline", log_dir=tmp_path / name, project="p", verify="none")
        report = convert(Job(reference=reference, options=options, run_dir="run-1", run_id="r1"), lambda points: None)
        assert (report.state, report.reason) == ("converted", "")
        folder = tmp_path / name / "run-1"
        held = {str(path.relative_to(folder)): path for path in folder.rglob("*")}
        texts = {name: path.read_text() for name, path in held.items() if path.parent.name == "files"}
        records = sorted(_timeless(payload, folder) for payload in raw_payloads(folder))
        return {"paths": sorted(held), "texts": texts, "records": records}

    quick = converted("quick")
    assert "Tracking run" not in "".join(capfd.readouterr()), "SwanLab greets nobody"
    monkeypatch.setattr(conversion, "at_once", nullcontext)
    usual = converted("usual")
    assert "Tracking run" in "".join(capfd.readouterr())
    for what, held in quick.items():
        assert repr(held) == repr(usual[what]).replace(f"{tmp_path}/usual/", f"{tmp_path}/quick/"), what
    assert {*quick["texts"]} == {"files/config.yaml", "files/swanlab-metadata.json"}


def _row(step: int) -> bytes:
    def fill(made: Any) -> None:
        made.history.step.num = step
        made.history.item.add(key="a", value_json=f"{step}.5")
        made.history.item.add(key="_timestamp", value_json=f"{101 + step}.25")

    return record(fill)


def _timeless(payload: bytes, folder: Path) -> str:
    stored = parsed(payload, folder)
    stored.ClearField("timestamp")
    stored.ClearField("num")  # SwanLab's own thread numbers the config's
    if stored.HasField("start"):
        stored.start.ClearField("color")  # SwanLab draws it
    return str(stored)
