"""The heartbeat of a run whose mirror is elsewhere: as long as it logs nothing, a small note says that it lives."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Final

from ..journal.fields import BeatFields
from ..journal.life import BEAT
from ..journal.notes import encode_note
from ..journal.writer import JournalWriter

if TYPE_CHECKING:
    from collections.abc import Callable

_NOTE: Final[BeatFields] = {"type": "beat"}


class Heartbeat:
    """A thread that sleeps, but for a look at the journal every `life.BEAT` seconds."""

    def __init__(self, journal: JournalWriter, broken: Callable[[str], None]) -> None:
        """`broken` is told, once, that what others have written meanwhile could not be written whole."""
        self._journal = journal
        self._broken = broken
        self._over = threading.Event()

    def start(self) -> None:
        """Begins; where no thread is to be had, a run that is silent for long is taken for dead elsewhere."""
        with contextlib.suppress(RuntimeError):
            threading.Thread(target=self._beat, name="wandb_swan-heartbeat", daemon=True).start()

    def stop(self) -> None:
        """Ends, at once and without a wait."""
        self._over.set()

    def _beat(self) -> None:
        length = self._journal.length
        while not self._over.wait(BEAT):
            if self._journal.length == length:
                try:
                    self._journal.append_if_idle(encode_note(dict(_NOTE)))
                except OSError as error:
                    self._broken(f"{type(error).__name__}: {error}")
                    return
            length = self._journal.length
