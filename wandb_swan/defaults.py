"""The modes of a SwanLab run, and the defaults that settings, commands and conversion share. Imports nothing heavy."""

from __future__ import annotations

from typing import Literal, get_args

RecordingMode = Literal["online", "local", "offline"]
"""Where SwanLab records."""
Mode = Literal[RecordingMode, "disabled"]
"""Where, if at all."""
GivenMode = Literal["online", "cloud", Mode]
"""What a user may type: `cloud` is SwanLab's own other word for `online`."""

Mirrors = Literal["auto", "here", "relay"]
"""Who mirrors a live run."""
MIRRORS: tuple[str, ...] = get_args(Mirrors)

MODES: tuple[str, ...] = (*get_args(RecordingMode), "disabled")  # Python 3.8 does not look into `Mode`
GIVEN_MODES: tuple[str, ...] = (MODES[0], "cloud", *MODES[1:])
MODES_ALLOWED = ", ".join("online (or cloud)" if mode == "online" else mode for mode in MODES)
"""For messages."""

CONVERSION_MODE: Mode = "online"
"""Of `wandb-swan convert` and its Python interface; a live run's is found out (`swan/target.py`)."""
LOG_DIR = "swanlog"
"""SwanLab's log directory, in the working directory."""
WANDB_DIR = "./wandb"
"""The folder that wandb writes its runs to."""
FINISH_TIMEOUT = 300.0
"""Seconds that `finish()` waits for the mirror."""
RELAY_WORKERS = 16
"""Mirrors of a relay at once."""
MAX_FILE_MB = 100.0
"""Saved files over this size (10^6 bytes) are not converted."""
MAX_ARTIFACT_GB = 10.0
"""Artifacts over this size (10^9 bytes) are not brought."""


def plain_mode(given: str) -> str:
    """The mode that a user's word means; one that is none is returned as it is."""
    return "online" if given == "cloud" else given
