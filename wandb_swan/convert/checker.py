"""A process beside a worker that reads what wandb recorded of a run while the worker converts it, and compares the two.

It is forked before the worker has a thread, and does nothing that the worker could not do itself: where there is no
such process, or it fails, the worker does.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NoReturn

from ..parity.comparison import compare_runs
from ..parity.logs import read_logs
from ..parity.matching import Depth
from ..parity.recorded import Recorded
from ..parity.report import Parity
from ..parity.stored import StoredRun
from ..sources.json_run import JsonRun
from ..sources.local_run import LocalRun
from ..sources.reference import Source

log = logging.getLogger("wandb_swan")


def facts_of(parity: Parity, verified: str, not_compared: tuple[str, ...]) -> dict[str, Any]:
    """What a `RunReport` says of a comparison."""
    return {
        "identical": parity.identical,
        "differences": parity.differences(),
        "verified": verified,
        "not_compared": not_compared,
    }


def compared(recorded: Recorded, run_dir: Path, source: str, run_id: str, depth: Depth) -> dict[str, Any]:
    """What a `RunReport` says of a SwanLab run folder, beside what was recorded. Raises WandbSwanError or OSError."""
    recorded.about["id"] = run_id
    parity = compare_runs(recorded, StoredRun(run_dir), source, depth=depth, system=True, same_source=True)
    return facts_of(parity, depth, parity.unseen)


class Checker:
    """The process, as its worker has it."""

    def __init__(self, pid: int, to: IO[str], answers: IO[str]) -> None:
        self._pid = pid
        self._to = to
        self._answers = answers

    @classmethod
    def forked(cls, *foreign: int) -> Checker | None:
        """Forks the process, which closes the `foreign` descriptors; None where a process cannot be forked, or would
        have no processor of its own. Only while there is one thread."""
        if not hasattr(os, "fork") or (os.cpu_count() or 1) < 2:
            return None
        here, there = os.pipe(), os.pipe()
        try:
            child = os.fork()
        except OSError as error:
            log.warning("no process to check beside: %s", error)
            return None
        if child:
            os.close(here[0])
            os.close(there[1])
            return cls(child, os.fdopen(here[1], "w", encoding="utf-8"), os.fdopen(there[0], encoding="utf-8"))
        for number in (here[1], there[0], *foreign):
            os.close(number)
        _serve(os.fdopen(here[0], encoding="utf-8"), os.fdopen(there[1], "w", encoding="utf-8"))

    def begin(self, source: Source) -> bool:
        """Has the logs of a local run read from now on. False: it is another run."""
        if not isinstance(source, LocalRun) or isinstance(source, JsonRun):
            return False
        return self._tell([str(path) for path in source.logs])

    def finish(self, run_dir: Path, source: str, run_id: str, depth: Depth) -> dict[str, Any] | None:
        """What `compared` says of the run that was begun; None if that is to be found out here."""
        if not self._tell([str(run_dir), source, run_id, depth]):
            return None
        try:
            answer = json.loads(self._answers.readline())
        except (OSError, ValueError):
            return None
        return None if answer is None else {name: _tuples(value) for name, value in answer.items()}

    def forget(self) -> None:
        """The run that was begun is not to be compared."""
        self._tell(None)

    def end(self) -> None:
        """Ends the process, whatever it is at: nobody is left who could ask it. It is waited for."""
        with suppress(OSError):
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)

    def _tell(self, what: Sequence[str] | None) -> bool:
        try:
            self._to.write(json.dumps(what) + "\n")
            self._to.flush()
        except (OSError, ValueError):  # it is gone
            return False
        return True


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _serve(orders: IO[str], answers: IO[str]) -> NoReturn:
    """Reads and compares until the worker is gone."""
    code = 1
    try:
        for line in orders:
            logs = [Path(path) for path in json.loads(line)]
            as_read = _sizes(logs)
            recorded = _read(logs)
            order = json.loads(next(orders, "null"))
            if order is not None:
                if _sizes(logs) != as_read:  # the run goes on
                    recorded = _read(logs)
                answers.write(json.dumps(_answer(recorded, *order)) + "\n")
                answers.flush()
        code = 0
    finally:
        with suppress(OSError, ValueError):
            sys.stderr.flush()
        os._exit(code)


def _sizes(logs: list[Path]) -> list[int]:
    try:
        return [log.stat().st_size for log in logs]
    except OSError:
        return []


def _read(logs: list[Path]) -> Recorded | None:
    try:
        return read_logs(logs)
    except Exception:  # the worker finds it too, and says it
        log.exception("%s cannot be read beside", logs)
        return None


def _answer(recorded: Recorded | None, run_dir: str, source: str, run_id: str, depth: Depth) -> dict[str, Any] | None:
    if recorded is None:
        return None
    try:
        return compared(recorded, Path(run_dir), source, run_id, depth)
    except Exception:
        log.exception("%s cannot be compared beside", source)
        return None
