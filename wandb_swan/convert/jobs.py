"""A conversion that is to be made: what goes to a worker process."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

from ..sources.reference import RunReference
from ..sources.selection import Options
from ..swan.sent import Sent


class Job(BaseModel):
    """A reference, the options, and the SwanLab run that it is to become."""

    model_config = ConfigDict(frozen=True)

    reference: RunReference
    options: Options
    run_dir: str
    """Its folder, in the log directory."""
    run_id: str
    """Its id: the reference's, with a number where another run has that in the same SwanLab project."""
    replaces: str = ""
    """The folder of an earlier conversion, which goes when this one is whole and holds no less."""
    artifacts_were: str = ""
    """Where the files of its artifacts went in the earlier conversion, if they are not asked for now."""
    sent: Sent = Sent()
    """What earlier tries have sent of it to SwanLab's cloud."""
    follow: bool = False
    """It goes on until the run has ended, or somebody says `close`."""
    force: bool = False
    """It may hold less."""
    beside: bool = False
    """A processor is free: what is compared may be read by another process meanwhile."""


Word = Literal["more", "end", "close"]
"""What a conversion that has caught up with its run is told: look again, take the run as ended, or leave it for now."""
WORDS: tuple[str, ...] = get_args(Word)


class CaughtUp(BaseModel):
    """What a conversion says when all that there is by now is on its way to SwanLab."""

    model_config = ConfigDict(frozen=True)

    counts: dict[str, int]
    """What this conversion has handed to SwanLab (`RunReport.counts`); what it has already is among it."""
    swanlab: str
    """The SwanLab run: its URL, or its folder."""
    trouble: str = ""
    """Why the last look at the source brought nothing."""
