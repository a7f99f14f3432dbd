"""A mirror leaves a full machine to the training, and is never far behind for it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from wandb_swan.mirror.pace import HOLD, POLL, SHARE, Pace

TURN = 0.05
"""Seconds of work that a mirror takes up at once, at most."""


@dataclass
class Played:
    """A machine on which only the mirror's rests and its work make time pass."""

    spare: float
    """Processors that have nothing to do while the mirror rests."""
    clock: float = 0.0
    work: float = 0.0

    def now(self) -> float:
        return self.clock

    def used(self) -> float:
        return self.work

    def idle(self) -> float | None:
        return self.spare * self.clock - self.work

    def waited(self) -> float:
        return 0.0


def _followed(machine: Played, load: float, seconds: float) -> tuple[float, float]:
    """A training that makes `load` seconds of work for its mirror each second: what the mirror has worked until
    `HOLD`, and how old what it had not read ever was."""
    pace = Pace(machine)
    done = oldest = early = 0.0
    while machine.clock < seconds:
        turn = min(TURN, load * machine.clock - done)
        done += turn
        machine.work += turn
        machine.clock += turn
        machine.clock += pace.rest(all_read=turn < TURN)
        oldest = max(oldest, machine.clock - done / load)
        if machine.clock < HOLD:
            early = machine.work
    return early, oldest


@pytest.mark.parametrize("load", [0.01, 0.2, 0.8])
def test_with_a_processor_to_spare_rows_come_at_once(load: float) -> None:
    _, oldest = _followed(Played(spare=1.0), load, seconds=60)
    assert oldest <= 10 * POLL


@pytest.mark.parametrize("load", [0.2, 0.5, 0.8])
def test_a_full_machine_is_left_to_the_training_and_the_mirror_is_bounded_behind(load: float) -> None:
    early, oldest = _followed(Played(spare=0.5), load, seconds=600)
    assert early <= 2 * SHARE * HOLD
    assert oldest <= HOLD / (1 - load) + 3  # what it had not read by then, and what came while it did


def test_little_work_is_done_at_once_on_a_full_machine_too() -> None:
    _, oldest = _followed(Played(spare=0.0), load=SHARE / 2, seconds=60)
    assert oldest <= 3 * POLL
