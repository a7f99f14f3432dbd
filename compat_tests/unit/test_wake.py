"""A mirror that sleeps is woken when its journal has ended."""

import subprocess
import sys
from pathlib import Path

import pytest

from wandb_swan.journal.wake import wake_mirror

MIRROR = """
import signal, sys
from pathlib import Path
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # before a library starts a thread that has none blocked
from wandb_swan.journal.claim import Claim
from wandb_swan.journal.wake import sleep_until_woken

claim = Claim.of(Path(sys.argv[1]))
assert claim.take()
print("ready", flush=True)
sleep_until_woken(3600)
print("awake", flush=True)
claim.release()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no sigtimedwait, or no signals")
@pytest.mark.timeout(60)
def test_a_mirror_that_sleeps_is_woken(tmp_path: Path) -> None:
    journal = tmp_path / "run.journal"
    process = subprocess.Popen([sys.executable, "-c", MIRROR, str(journal)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    wake_mirror(journal)  # before it sleeps or after
    assert process.communicate()[0] == "awake\n"
    assert process.returncode == 0
