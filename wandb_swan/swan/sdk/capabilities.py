"""What of SwanLab's inside this version lets us reach, and what is lost where it does not.

SwanLab's core is moving behind a protocol (`swanlab/sdk/protocol/core.py`). What the protocol has is written against
it; all that reaches below is a capability: looked for once, by looking, not by version, and done without where it is
not there. What that costs is counted as every other loss.
"""

from __future__ import annotations

import logging
from typing import Final, NamedTuple

log = logging.getLogger("wandb_swan")


class Capability(NamedTuple):
    """One thing that we can do in a SwanLab run."""

    name: str
    without: str
    """What is so where it is missing, as the rest of a sentence."""


POINT_TIMES: Final = Capability("point times", "points have the times at which they were written, not their own")
CONSOLE_LINES: Final = Capability("console lines", "console lines are left out")
CHART_AXES: Final = Capability(
    "chart axes", "charts have the step as their X axis, and hidden ones may be shown, whatever define_metric said"
)
RUN_TIMES: Final = Capability("run times", "a converted run begins and ends at the time of its conversion")
TRAINER_METADATA: Final = Capability(
    "trainer metadata", "the run's command, folder and process are those of the mirror, not of the training"
)
LOCAL_DASHBOARD: Final = Capability("local dashboard", "SwanLab's local dashboard does not show what the run logs")
EMPTY_CONFIG_VALUES: Final = Capability("empty config values", "a config value of None is stored as an empty dict")
STORE_ERRORS: Final = Capability("store errors", "that the disk is full is noticed at the end of a run alone")
READ_BACK: Final = Capability("read-back", "SwanLab's store cannot be read back: journals stay, nothing is compared")
BULK_ENCODING: Final = Capability("bulk encoding", "conversions are slower")
KEPT_BATCHES: Final = Capability(
    "kept batches", "what SwanLab's cloud refuses is not known: journals of online runs stay"
)
EXPERIMENT_STATE: Final = Capability(
    "experiment state", "that SwanLab's cloud has ended an experiment is not noticed, and heartbeats are SwanLab's own"
)
CONTINUATION: Final = Capability(
    "continuation", "what an online experiment has already is not known: console lines may come twice after a crash"
)

ALL: Final = (
    POINT_TIMES,
    CONSOLE_LINES,
    CHART_AXES,
    RUN_TIMES,
    TRAINER_METADATA,
    LOCAL_DASHBOARD,
    EMPTY_CONFIG_VALUES,
    STORE_ERRORS,
    READ_BACK,
    BULK_ENCODING,
    KEPT_BATCHES,
    EXPERIMENT_STATE,
    CONTINUATION,
)


class Capabilities:
    """Which capabilities are there. One a process: another SwanLab needs another process."""

    def __init__(self) -> None:
        self._missing: dict[Capability, str] = {}
        self.surveyed = False

    def lack(self, *capabilities: Capability, why: object) -> None:
        """Notes that this SwanLab does not have them; said in the log once."""
        reason = f"{type(why).__name__}: {why}" if isinstance(why, BaseException) else str(why)
        for capability in capabilities:
            if capability not in self._missing:
                self._missing[capability] = reason
                log.warning("this SwanLab lacks %s (%s): %s", capability.name, reason, capability.without)

    def has(self, capability: Capability) -> bool:
        return capability not in self._missing

    def missing(self) -> dict[str, str]:
        """Name -> what is so without it, of those that are not there."""
        return {capability.name: capability.without for capability in ALL if capability in self._missing}

    def summary(self) -> dict[str, str]:
        """Every capability by name: `ok`, or what is so without it."""
        return {capability.name: capability.without if capability in self._missing else "ok" for capability in ALL}


def loss(capability: Capability) -> str:
    """The reason under which what a missing capability costs is counted."""
    return f"this SwanLab lacks {capability.name}: {capability.without}"


found: Final = Capabilities()
"""Those of this process."""
