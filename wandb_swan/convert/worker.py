"""A worker process: converts one run after the other, as it is told on its standard input."""

from __future__ import annotations

import gc
import io
import json
import logging
import os
import queue
import shutil
import sys
import threading
import time
from collections.abc import Callable
from typing import IO, Any, cast

from ..exceptions import WandbSwanError
from ..sources import exports
from .checker import Checker
from .conversion import Conversion
from .jobs import WORDS, CaughtUp, Job, Word
from .replacement import Poorer
from .report import RunReport

_GARBAGE = 50_000, 20, 50
"""Python looks for garbage after 700 new objects, more often than a row of them is written."""
log = logging.getLogger("wandb_swan")


def convert(
    job: Job,
    progress: Callable[[int], None],
    caught_up: Callable[[CaughtUp], Word] = lambda said: "close",
    checker: Checker | None = None,
) -> RunReport:
    """Converts one run (`Conversion`). What goes wrong is in the report; nothing is raised."""
    begin = time.monotonic()
    reference = job.reference
    facts: dict[str, Any] = {
        "source": reference.source,
        "run_id": reference.run_id,
        "name": reference.name,
        "project": reference.project,
        "run_dir": job.run_dir,
    }
    conversion = Conversion(job, progress, caught_up, checker)
    try:
        facts |= conversion.convert()
    except WandbSwanError as error:
        log.error("%s: %s", reference.source, error)
        facts |= {"state": "failed", "reason": str(error), "refused": isinstance(error, Poorer)}
    except Exception as error:
        log.exception("%s", reference.source)
        first_line = (str(error).splitlines() or [""])[0]
        facts |= {"state": "failed", "reason": f"{type(error).__name__}: {first_line}"[:500]}
    return RunReport(**facts, sent=conversion.sent, seconds=time.monotonic() - begin)


def main() -> int:
    """Reads jobs as JSON lines, writes `{"points": n}`, `{"caught_up": {...}}` and `{"report": {...}}` lines.

    A conversion that has caught up with a run that grows waits for a word of its input (`Word`).

    Ends at once when its standard input does: the command that started it is gone, and what it has half written is
    made anew by the next command.
    """
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever SwanLab and wandb print goes to the log
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # SwanLab prints pictures of floppy disks
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    gc.freeze()  # what was imported stays: nobody has to look through it for garbage
    gc.set_threshold(*_GARBAGE)
    checker = Checker.forked(out.fileno(), sys.stdin.fileno())
    jobs: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(jobs, sys.stdin, checker), daemon=True).start()

    def say(**message: Any) -> None:
        out.write(json.dumps(message) + "\n")
        out.flush()

    def caught_up(said: CaughtUp) -> Word:
        say(caught_up=said.model_dump())
        return cast("Word", json.loads(jobs.get()))

    while True:
        line = jobs.get()
        if json.loads(line) in WORDS:  # for a conversion that had just ended
            continue
        report = convert(Job.model_validate_json(line), lambda points: say(points=points), caught_up, checker)
        exports.forget()
        say(report=report.model_dump(mode="json"))


def _listen(jobs: queue.SimpleQueue[str], stdin: IO[str], checker: Checker | None) -> None:
    for line in stdin:
        jobs.put(line)
    if checker is not None:
        checker.end()
    shutil.rmtree(os.environ[exports.PLACE], ignore_errors=True)
    os._exit(0)
