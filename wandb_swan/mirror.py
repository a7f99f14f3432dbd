"""The mirror: a process that follows one journal and replays it into SwanLab, until the run or the trainer ends."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from .capture.journal import LogReader
from .stream.events import Event, RunChanged, RunStarted
from .stream.records import Decoder

log = logging.getLogger("wandb_swan")

POLL = 0.1
"""Seconds between two looks at a journal that has nothing new."""
STATUS_INTERVAL = 1.0
"""Seconds between two writes of the status file."""
RECORDS_A_TURN = 20_000


class Mirror:
    """Replays one journal into one SwanLab run."""

    def __init__(self, journal: Path, trainer: int | None = None) -> None:
        """`trainer` is the process id that must live for the journal to grow; None: the journal grows no more."""
        self.journal = journal
        self._trainer = trainer
        self._decoder = Decoder()
        self._sink: Any = None
        self._mode = ""
        self._no_credentials = False
        self._status_at = 0.0

    def run(self) -> int:
        """Follows the journal to its end. Returns the exit code: 0 finished, 1 not whole in SwanLab."""
        try:
            return self._follow()
        except Exception as error:
            log.exception("the mirror stopped")
            self._status("failed", reason=f"{type(error).__name__}: {error}")
            return 1

    def _follow(self) -> int:
        self._status("starting")
        with LogReader(self.journal) as reader:
            while True:
                alive = self._trainer_lives()  # asked before the read: what was written before the death is read
                worked = self._turn(reader)
                if self._decoder.ended or reader.damage is not None or (not worked and not alive):
                    break
                if worked:
                    self._status("running", offset=reader.offset)
                else:
                    time.sleep(POLL)
            return self._end(reader)

    def _turn(self, reader: LogReader) -> bool:
        """Reads what is there, at most some thousands of records; whether there was any."""
        events: list[Event] = []
        count = 0
        for payload in reader:
            count += 1
            events.extend(self._decoder.feed(payload))
            if count >= RECORDS_A_TURN:
                break
        if self._sink is None and self._decoder.started is not None:
            # A name or tags set right after init are known by now: SwanLab takes them only at the start.
            changes = [event for event in events if isinstance(event, RunChanged)]
            started = self._decoder.started
            self._open(started.model_copy(update=changes[-1].model_dump()) if changes else started)
        if self._sink is not None:
            for event in events:
                if not isinstance(event, RunStarted):
                    self._sink.write(event)
            if events:
                self._sink.flush()
        return count > 0

    def _open(self, started: RunStarted) -> None:
        from .swan import trainer
        from .swan.sink import Sink
        from .swan.target import Target, resolve

        begin = self._decoder.begin
        settings = begin.get("settings", {})
        run = begin.get("run", {})
        mode, self._no_credentials, project, workspace = resolve(settings)
        self._mode = mode
        trainer.describe(begin.get("trainer", {}), monitor=self._trainer is not None)
        self._sink = Sink(
            Target(
                mode=mode,
                log_dir=settings.get("log_dir") or "swanlog",
                project=project,
                workspace=workspace,
                files=run.get("files"),
                plotly_inline=bool(settings.get("plotly_inline")),
                keep_original=bool(settings.get("keep_original")),
                monitor=self._trainer is not None,
            )
        )
        self._sink.open(started)
        self._sink.tell(url=run.get("url"), mode=run.get("mode"), versions=begin.get("versions"))
        self._status("running", force=True)

    def _end(self, reader: LogReader) -> int:
        decoder = self._decoder
        torn = reader.torn()
        if self._sink is None:
            reason = torn or "the journal holds no started run"
            self._status("failed" if torn else "empty", reason=reason)
            return 1 if torn else 0
        if torn:
            log.warning("%s; the records before it are mirrored", torn)
        reason = torn or "the training process ended without finishing the run (killed?)"
        for event in decoder.finish(reason=reason):
            self._sink.write(event)
        finished = decoder.finished
        assert finished is not None
        if finished.interrupted:
            state, why = "aborted", finished.reason or "interrupted by Ctrl-C"
        elif finished.exit_code:
            state, why = "crashed", finished.reason or f"exit code {finished.exit_code}"
        else:
            state, why = "success", None
        run_dir, url = self._sink.run_dir, self._sink.url
        self._status("finishing", offset=reader.offset, force=True)
        self._sink.close(state, why)
        self._status("finished", offset=reader.offset, result=state, run_dir=run_dir, url=url)
        return 0

    def _trainer_lives(self) -> bool:
        if self._trainer is None:
            return False
        if hasattr(os, "getppid") and sys.platform != "win32":
            return os.getppid() == self._trainer
        import psutil

        return bool(psutil.pid_exists(self._trainer))

    def _status(self, state: str, *, force: bool = False, **facts: Any) -> None:
        """Writes the status file: at once when the state changes, else once a second."""
        now = time.monotonic()
        if state == "running" and not force and now - self._status_at < STATUS_INTERVAL:
            return
        self._status_at = now
        sink = self._sink
        status = {
            "state": state,
            "pid": os.getpid(),
            "updated": time.time(),
            "mode": self._mode,
            "no_credentials": self._no_credentials,
            "run_id": self._decoder.started.run_id if self._decoder.started else None,
            "run_dir": sink.run_dir if sink else None,
            "url": sink.url if sink else None,
            "counts": dict(sink.counts) if sink else {},
            "not_mirrored": [
                {"key": key, "reason": reason, "count": count} for (key, reason), count in sink.not_mirrored.items()
            ]
            if sink
            else [],
            "unreadable": self._decoder.unreadable,
            **facts,
        }
        path = self.journal.with_suffix(".status.json")
        with suppress(OSError):
            fresh = path.with_suffix(".tmp")
            fresh.touch(mode=0o600)
            fresh.write_text(json.dumps(status, ensure_ascii=False, default=str))
            fresh.replace(path)


def main(arguments: list[str]) -> int:
    """The mirror process: `JOURNAL [--trainer PID]`."""
    parser = argparse.ArgumentParser(prog="wandb_swan.mirror")
    parser.add_argument("journal", type=Path)
    parser.add_argument("--trainer", type=int)
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    with suppress(OSError, AttributeError):
        os.nice(10)  # yield to the trainer and to wandb's core
    return Mirror(given.journal, given.trainer).run()
