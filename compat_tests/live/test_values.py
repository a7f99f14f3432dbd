"""Every row that wandb's transaction log holds is in SwanLab at the same step with the same value, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from compat_tests.conftest import Record
from compat_tests.live.cases import CASES, MEDIA_IN_SUMMARY, NAMES, SUMMARIES
from compat_tests.stores import assert_same_values

pytestmark = pytest.mark.live


@pytest.mark.quick
def test_every_way_to_log(record: Record) -> None:
    script = f"""
import os
import wandb_swan as wandb
{CASES}
for name in {NAMES!r}:
    run = wandb.init(project="values", id=name.replace("_", "-").replace("-", "0"), name=name)
    globals()[name](run)
    run.finish()
"""
    result = record(script, WANDB_SWAN_FINISH_TIMEOUT="0.01")
    pairs = result.pairs()
    assert len(pairs) == len(NAMES)
    failures = []
    for wandb, swan in pairs.values():
        try:
            assert wandb.rows, "wandb recorded nothing"
            assert_same_values(wandb, swan)
            assert swan.state == "finished"
        except AssertionError as error:
            failures.append(f"{wandb.run.display_name}: {error}")
    assert not failures, "\n".join(failures)


def test_logged_media_are_no_summary_that_was_set(record: Record) -> None:
    pairs = record("import wandb_swan as wandb\n" + MEDIA_IN_SUMMARY).pairs()
    for run_id, summary in SUMMARIES.items():
        _, swan = pairs[run_id]
        told = swan.about["summary"]
        path = told.pop("set picture")["path"]
        assert told == summary
        assert [file.name for file in (swan.dir / "files" / "media").rglob("*.*")] == [Path(path).name]
