"""SwanLab first: a run that `swanlab.init()` made in this process takes wandb's records where they are made.

The one case in which the training process does SwanLab's work: its user has put SwanLab there. Each record is written
at once, in the thread that logs; nothing runs beside it, and no journal and no second run are made.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from ..exceptions import WandbSwanError
from ..journal.notes import encode_note
from ..stream.events import RunStarted
from ..stream.records import Decoder
from .sink import Sink
from .target import Target


class ActiveRun:
    """Takes what a `JournalWriter` takes and writes it into a SwanLab run of the user's, who also ends it."""

    def __init__(self, run: Any, files: Path) -> None:
        """`files` is the wandb run's files folder."""
        self.path = Path(run.dir)
        self._run = run
        self._lock = threading.RLock()
        self._decoder = Decoder()
        mode = run.mode if run.mode in ("online", "local") else "offline"
        self._sink = Sink(Target(mode=mode, log_dir=self.path.parent, files=files), run)
        self._closed = False

    def append(self, payload: bytes) -> None:
        """Writes one record. Raises what SwanLab raises; WandbSwanError when the SwanLab run has ended."""
        with self._lock:
            if self._closed:
                return
            if not self._run.alive:
                self._closed = True
                raise WandbSwanError("the SwanLab run was finished before the wandb run")
            self._write(self._decoder.feed(payload))

    def note(self, **fields: Any) -> None:
        self.append(encode_note(fields))

    def close(self) -> None:
        """Writes what is left of the wandb run; the SwanLab run goes on."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            if self._run.alive and self._decoder.started is not None:
                self._write(self._decoder.finish())
                self._sink.close("success")

    def _write(self, events: Any) -> None:
        wrote = False
        for event in events:
            if isinstance(event, RunStarted):
                self._sink.open(event)
                begin = self._decoder.begin
                self._sink.add_metadata(url=begin.run.url, versions=begin.versions.model_dump(exclude_none=True))
            elif self._decoder.started is not None:
                self._sink.write(event)
            wrote = True
        if wrote and self._decoder.started is not None:
            self._sink.flush()
