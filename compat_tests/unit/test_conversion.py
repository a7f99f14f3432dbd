"""When a conversion is compared with what SwanLab's cloud has."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from wandb_swan.convert import conversion
from wandb_swan.convert.jobs import Job
from wandb_swan.exceptions import WandbSwanError
from wandb_swan.parity.recorded import Recorded
from wandb_swan.sources.reference import RunReference
from wandb_swan.sources.selection import Options
from wandb_swan.swan.sink import Sink


def test_the_cloud_is_read_when_it_has_counted_what_was_sent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    done: list[str] = []

    def read(place: str) -> None:
        done.append(f"read {place}")
        raise WandbSwanError("no such API")

    reference = RunReference(kind="cloud", source="s", origin="o", run_id="r")
    job = Job(reference=reference, options=Options(mode="online", log_dir=tmp_path), run_dir="run", run_id="r")
    made = conversion.Conversion(job, lambda points: None, lambda said: "close")
    sink = SimpleNamespace(place="w/p/r", uploads=SimpleNamespace(sent_at=time.time()))
    monkeypatch.setattr(conversion, "CloudStored", read)
    monkeypatch.setattr(time, "sleep", lambda seconds: done.append("waited") if seconds > 1 else None)
    told: dict[str, Any] = made._compared_online(cast("Recorded", None), cast("Sink", sink))
    assert done == ["waited", "read w/p/r"]
    assert told["not_compared"] == ("all of it: SwanLab's cloud gives nothing back: no such API",)
