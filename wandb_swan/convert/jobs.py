"""A conversion that is to be made: what goes to a worker process."""

from __future__ import annotations

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
    sent: Sent = Sent()
    """What earlier tries have sent of it to SwanLab's cloud."""
    force: bool = False
    """It may hold less."""
