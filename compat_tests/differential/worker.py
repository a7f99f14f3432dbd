"""One process that makes many real wandb runs, and mirrors their journals: programs in, run folders out.

A program is a list of `(run, operation, arguments)`; `run` is 0 or 1, and a run starts with its first operation. `again`
ends it and starts another of the same id, `worker` makes calls in a forked process. A fresh
process and a fresh mirror for each program would cost seconds; here a program costs some 30 ms, and 100 ms with its mirror.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import sys
from pathlib import Path
from typing import Any, TypedDict

Operation = tuple[int, str, dict[str, Any]]


class Made(TypedDict):
    """Where one run is."""

    wandb: Path
    journal: Path
    swan: Path | None
    refused: list[str]
    """What wandb itself raised into the program."""


def serve() -> None:
    """Answers `(program, mirrored)` from stdin with a list of `Made` on what was stdout."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    journals = _prepare()
    while True:
        try:
            program, mirrored = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer: Any = _run(program, mirrored, journals)
        except BaseException as error:
            answer = f"{type(error).__name__}: {error}"
        pickle.dump(answer, answers)
        answers.flush()


def _prepare() -> list[Path]:
    """Taps wandb, with journals but without mirror processes. Returns the list to which each run adds its journal."""
    import wandb.util

    import wandb_swan  # noqa: F401
    from wandb_swan.capture import launch

    journals: list[Path] = []
    launch.Capture.start_mirror = lambda self: journals.append(self.journal.path)  # type: ignore[method-assign]
    wandb.util.working_set = lambda: ()  # wandb reads the metadata of every installed package for each run: 0.3 s
    return journals


def _run(program: list[Operation], mirrored: bool, journals: list[Path]) -> list[Made]:
    journals.clear()
    runs: dict[int, Any] = {}
    started: list[tuple[Any, list[str]]] = []
    for number, operation, given in program:
        try:
            if number not in runs:
                runs[number] = _start(**(given if operation == "init" else {}))
                started.append((runs[number], []))
            elif operation == "again":
                runs[number].finish()
                runs[number] = _start(**{**given, "id": runs[number].id, "resume": "allow"})
                started.append((runs[number], []))
            perform(runs[number], operation, given)
        except Exception as error:
            told = f"{operation}: {type(error).__name__}: {error}"
            for run, refused in started:
                if run is runs.get(number):
                    refused.append(told)
    for run in runs.values():
        run.finish()
    made = []
    for (run, refused), journal in zip(started, journals, strict=True):
        swan = _mirror(journal) if mirrored else None
        made.append(Made(wandb=Path(run.settings.sync_dir), journal=journal, swan=swan, refused=refused))
    return made


def _start(**given: Any) -> Any:
    import wandb

    quiet = wandb.Settings(
        x_disable_stats=True, x_disable_meta=True, x_disable_machine_info=True, disable_git=True, silent=True
    )
    return wandb.init(project="differential", reinit="create_new", settings=quiet, **given)


def _mirror(journal: Path) -> Path:
    from wandb_swan.journal.status import read_status
    from wandb_swan.mirror.process import Mirror

    code = Mirror(journal).run()
    status = read_status(journal)
    assert code == 0, status
    return Path(status["run_dir"])


def perform(run: Any, operation: str, given: dict[str, Any]) -> None:
    """One call of wandb's API, as a user writes it."""
    match operation:
        case "init" | "again":
            pass
        case "worker":
            process = multiprocessing.get_context("fork").Process(target=_work, args=(run, given["calls"]))
            process.start()
            process.join()
        case "log":
            run.log(given["items"], **{name: given[name] for name in ("step", "commit") if name in given})
        case "define":
            run.define_metric(**given)
        case "config.update":
            run.config.update(given["values"], allow_val_change=True)
        case "config.setdefaults":
            run.config.setdefaults(given["values"])
        case "config.item":
            run.config[given["key"]] = given["value"]
        case "config.attribute":
            setattr(run.config, given["key"], given["value"])
        case "summary.item":
            run.summary[given["key"]] = given["value"]
        case "summary.update":
            run.summary.update(given["values"])
        case "describe":
            for name, value in given.items():
                setattr(run, name, value)
        case "finish":
            run.finish(**given)
        case "fail":
            with run:
                raise ValueError(given["why"])
        case _:
            raise AssertionError(operation)


def _work(run: Any, calls: list[tuple[str, dict[str, Any]]]) -> None:
    for operation, given in calls:
        try:
            perform(run, operation, given)
        except Exception as error:  # wandb refuses it
            print(f"{operation}: {error!r}", file=sys.stderr)


if __name__ == "__main__":
    serve()
