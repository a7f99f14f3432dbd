"""The same runs over a dask cluster: the same code path, another executor."""

from __future__ import annotations

from pathlib import Path

import pytest

from compat_tests.convert.conftest import Cli, run_dirs
from compat_tests.stores import WandbStore, assert_same_values

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.live


def test_runs_over_a_cluster(cases: Path, cli: Cli) -> None:
    cluster = distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None, host="127.0.0.1", protocol="tcp://"
    )
    with cluster:
        cli.local(cases, "--dask", cluster.scheduler_address, "--tag", "x")
        said = cli.local(cases, "--dask", cluster.scheduler_address, "--wb-run-dir", run_dirs(cases)["nested"].name)
    assert "1 converted" in said
    stores = cli.stores()
    assert set(stores) == {"whole", "nested"}
    assert_same_values(WandbStore.read(run_dirs(cases)["nested"]), stores["nested"])
    assert "cannot be reached" in cli.local(cases, "--dask", "tcp://127.0.0.1:1", "--force", expect=2)
