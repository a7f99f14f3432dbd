"""SwanLab's settings, which it makes anew for each thing that it merges into them, without reading their sources again.

SwanLab 0.10 (`Settings.merge_settings`) does so six times while a run is opened, from all values that it has: nothing
that the environment, `.env` or a settings file says can be left of it, and reading them is a fifth of a small run's
conversion.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import Any

import swanlab
from pydantic import BaseModel

log = logging.getLogger("wandb_swan")


@cache
def read_once() -> None:
    """From now on, settings that are made from the values of all fields are made from these alone.

    Where they come out otherwise than SwanLab's own, it goes on as it does.
    """
    try:
        _read_once(swanlab.Settings)
    except (AttributeError, TypeError, ValueError) as error:
        log.info("this SwanLab's settings have another form (%s): runs are opened more slowly", error)


def _read_once(kind: Any) -> None:
    fields = frozenset(kind.model_fields)
    plain = kind.__init__
    values = kind().model_dump()

    def make(self: Any, **given: Any) -> None:
        if fields <= given.keys():
            BaseModel.__init__(self, **given)
        else:
            plain(self, **given)

    by_swanlab, by_us = kind(**values), kind.__new__(kind)
    make(by_us, **values)
    if by_us != by_swanlab or by_us.model_fields_set != by_swanlab.model_fields_set:
        raise ValueError("their values are not all that they are made of")
    kind.__init__ = make


def only(**values: Any) -> Any:
    """Settings that say these values and nothing else, for SwanLab to merge with those that it reads itself.

    Raises what SwanLab raises where it has no such settings.
    """
    return swanlab.Settings.model_construct(**values)
