"""The mirror process: replays one journal into SwanLab, untouched by signals that are meant for the training."""

from __future__ import annotations

import argparse
import gc
import io
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from ..capture.mirrors import BUSY
from ..capture.process import block_signals, name_process
from ..exceptions import UnknownFormatError, WandbSwanError
from .follow import Follower
from .places import read_maps
from .priority import give_way
from .session import Session, Superseded

log = logging.getLogger("wandb_swan")

MIRROR = "swan-mirror"
"""What `ps` and `top` call a mirror (15 characters at most)."""


class Mirror:
    """Replays one journal into one SwanLab run."""

    def __init__(self, journal: Path, maps: Sequence[tuple[str, str]] = (), mode: str | None = None) -> None:
        """See `Session`."""
        self._session = Session(journal, maps, mode)
        self._unknown_format = False

    def run(self) -> int:
        """Follows the journal to its end.

        Returns the exit code: 0 finished, 1 not whole in SwanLab, 3 another process is at it.
        """
        session = self._session
        try:
            if not session.begin():
                log.error("%s is being mirrored by another process, or was just now", session.journal.name)
                return BUSY
            return Follower(session, self._mirror_earlier).run()
        except Superseded:
            log.error("%s is being mirrored by another process now: this one was silent for too long", session.journal)
            return BUSY
        except (WandbSwanError, OSError) as error:  # what the user can do something about
            self._unknown_format = isinstance(error, UnknownFormatError)
            log.error("%s", error)
            session.report("failed", reason=str(error))
            return 1
        except Exception as error:
            log.exception("the mirror stopped")
            session.report("failed", reason=f"{type(error).__name__}: {error}")
            return 1
        finally:
            session.claim.release()

    @property
    def may_hold_a_run(self) -> bool:
        """Whether the journal, as far as it was read, holds a run; True where this version cannot read it."""
        return self._unknown_format or self._session.replay.decoder.started is not None

    def _mirror_earlier(self, journal: Path) -> int:
        """Brings the journal of an earlier part to its end; 0 also where it holds no run: nothing waits for that."""
        mirror = Mirror(journal, self._session.maps, self._session.wanted)
        code = mirror.run()
        return code if code == BUSY or mirror.may_hold_a_run else 0


class _Unfailing(io.TextIOBase):
    """A text stream whose writes are lost where they fail."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()
        return len(text)

    def fileno(self) -> int:
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"


def main(arguments: list[str]) -> int:
    """The mirror process: `[--map FROM=TO ...] [--mode MODE] JOURNAL`."""
    # Whatever is sent to all processes of a job is for the training; the mirror ends when the training has. Blocked,
    # not ignored: SwanLab puts a handler of its own for Ctrl-C in place, and ends its run there.
    block_signals()
    if sys.platform != "win32":  # a training that ignores it hands that on: SwanLab's children would have no exit code
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    name_process(MIRROR)
    parser = argparse.ArgumentParser(prog="wandb_swan.mirror.process")
    parser.add_argument("journal", type=Path)
    parser.add_argument("--map", action="append", default=[])
    parser.add_argument("--mode")
    given = parser.parse_args(arguments)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    # The log may be on a full disk: SwanLab prints, and must not fail for that.
    sys.stdout = sys.stderr = _Unfailing(sys.stderr)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    give_way()
    code = Mirror(given.journal, read_maps(given.map), given.mode).run()
    # All is written and closed, and somebody may wait in `finish()`: the interpreter's last collections take 0.2 s.
    gc.disable()
    gc.freeze()
    return code
