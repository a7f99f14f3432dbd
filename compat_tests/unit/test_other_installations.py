"""Packages of another form than those that we know: what is missing is said, nothing else is lost."""

from __future__ import annotations

import logging
import sqlite3
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from wandb_swan.convert.scheduler import _executor
from wandb_swan.exceptions import WandbSwanError
from wandb_swan.parity.stored import StoredRun
from wandb_swan.swan.media import plotly_page
from wandb_swan.swan.sdk import probe, run_times
from wandb_swan.swan.sdk.capabilities import found
from wandb_swan.swan.sdk.discard import discard
from wandb_swan.swan.sdk.session import Session
from wandb_swan.swan.sdk.survey import survey
from wandb_swan.swan.sdk.uploads import Uploads

FIGURE: dict[str, Any] = {"data": [{"type": "scatter", "y": [1, 2], "name": "</script>"}], "layout": {}}


@pytest.fixture(autouse=True)
def another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is found out once a process: each test is one."""
    monkeypatch.setattr(found, "_missing", {})
    monkeypatch.setattr(found, "surveyed", False)


def test_a_swanlab_that_takes_no_times(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.delattr("swanlab.sdk.internal.context.create_core")
    with run_times.original(1.0, lambda: 2.0):
        pass
    assert "begins and ends at the time of its conversion" in caplog.text
    assert list(found.missing()) == ["run times"]


@pytest.mark.parametrize("missing", ["swanlab.sdk.internal.probe_python.environment", "a function"])
def test_a_swanlab_that_describes_itself(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, missing: str
) -> None:
    if missing == "a function":
        monkeypatch.delattr("swanlab.sdk.internal.probe_python.environment.runtime.get_command")
    else:
        monkeypatch.setitem(sys.modules, missing, None)
    probe.describe({"pid": 1}, monitor=False)
    assert "are those of the mirror" in caplog.text
    assert list(found.missing()) == ["trainer metadata"]


def test_a_swanlab_with_another_queue(caplog: pytest.LogCaptureFixture) -> None:
    session = Session(SimpleNamespace(_ctx=None))
    survey(session)
    uploads = Uploads(session, 1.0)
    assert {"kept batches", "experiment state", "continuation"} <= set(found.missing())
    assert "what SwanLab's cloud refuses is not known" in caplog.text
    assert (uploads.waiting, uploads.stalled(), uploads.first_line) == (0, False, 0)
    uploads.without_error_line()


def test_a_dashboard_with_another_database(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "run-1").mkdir()
    (tmp_path / "runs.swanlab").write_bytes(b"no database, nor anything like it")
    discard(tmp_path / "run-1")
    assert not (tmp_path / "run-1").exists()
    assert "the dashboard's row of run-1 stays" in caplog.text
    (tmp_path / "runs.swanlab").unlink()
    with sqlite3.connect(tmp_path / "runs.swanlab") as database:
        database.execute("CREATE TABLE experiment (run_id TEXT)")
        database.executemany("INSERT INTO experiment VALUES (?)", [("run-1",), ("run-2",)])
    discard(tmp_path / "run-1")
    assert database.execute("SELECT run_id FROM experiment").fetchall() == [("run-2",)]
    database.close()


def test_without_plotly(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    caplog.set_level(logging.WARNING)
    for inline in (False, True):
        page = plotly_page.figure_page(FIGURE, inline=inline)
        assert f"https://cdn.plot.ly/plotly-{plotly_page.PLOTLY_JS}.min.js" in page
        assert page.count("</script>") == 2, "the name in the figure ended its script"
    assert caplog.text.count("load plotly.js from the CDN") == 1


def test_without_dask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(WandbSwanError, match=r'pip install "wandb-swan\[distributed\]"'):
        _executor(1, "tcp://localhost:1")


def test_no_store_of_swanlabs(tmp_path: Path) -> None:
    with pytest.raises(WandbSwanError, match="is no SwanLab run folder"):
        StoredRun(tmp_path)
    (tmp_path / "run-x.swanlab").write_bytes(b"something else")
    with pytest.raises(WandbSwanError, match="cannot be read"):
        StoredRun(tmp_path)
