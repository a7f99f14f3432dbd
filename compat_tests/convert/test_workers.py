"""Worker processes: forked by one that has imported what they need, or started one by one; none is left."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from compat_tests.convert.conftest import wait_for
from wandb_swan.capture.process import DEFER
from wandb_swan.convert.host import Forked, Host
from wandb_swan.convert.workers import Pool

pytestmark = [pytest.mark.live, pytest.mark.skipif(not Host.possible(), reason="no workers are forked here")]


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    pool.close()
    wait_for(lambda: not psutil.Process().children(recursive=True), 10)


def test_forked_workers(pool: Pool, tmp_path: Path) -> None:
    log_dir = tmp_path / "swanlog"
    pool.warm(log_dir)
    (host,) = psutil.Process().children()
    first, second = pool.take(log_dir), pool.take(log_dir)
    assert isinstance(first._process, Forked) and isinstance(second._process, Forked)
    assert {first._process._pid, second._process._pid} == {child.pid for child in host.children()}
    os.kill(first._process._pid, signal.SIGSTOP)  # it hangs
    os.kill(second._process._pid, signal.SIGKILL)
    assert second.convert("{}", lambda points: None, lambda said: None) is None
    assert pool.give_back(second, usable=False) == -signal.SIGKILL
    first._process.kill()
    assert pool.give_back(first, usable=False) == -signal.SIGKILL
    third = pool.take(log_dir)
    assert isinstance(third._process, Forked)
    checkers: list[psutil.Process] = []
    if (os.cpu_count() or 1) > 1:
        wait_for(lambda: checkers.extend(psutil.Process(third._process._pid).children()) or checkers)
    assert pool.give_back(third, usable=False) == 0
    assert not any(psutil.pid_exists(checker.pid) for checker in checkers), "each was waited for, too"
    assert host.children() == [], "each was waited for"


@pytest.mark.parametrize("what", ["killed", "does not answer", "not here"])
def test_without_a_host(what: str, pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log_dir = tmp_path / "swanlog"
    if what == "not here":
        monkeypatch.delattr(socket, "send_fds")
    pool.warm(log_dir)
    if what != "not here":
        assert pool._host is not None
        pool._host._socket.settimeout(0.5)
        os.kill(pool._host._process.pid, signal.SIGKILL if what == "killed" else signal.SIGSTOP)
    worker = pool.take(log_dir)
    assert isinstance(worker._process, subprocess.Popen)
    assert pool.give_back(worker, usable=False) == 0


def test_a_host_has_one_thread() -> None:
    program = f"""{DEFER}
import os, sys
import wandb_swan.convert.worker
assert len(os.listdir("/proc/self/task")) == 1, "it forks, and has threads"
assert "numpy" not in sys.modules, "it has a random state that a fork does not renew"
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
