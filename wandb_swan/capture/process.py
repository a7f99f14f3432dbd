"""Child processes of this Python, in a session of their own: how one is started."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

from .interpreter import Interpreter, foreign_environment, this_python

DEFER = "from importlib import util; f = '_wandb_swan_command'; util.find_spec(f) and __import__(f).defer(); "
"""Code that a process of ours runs first: it needs wandb's protobuf messages, not wandb's code, which takes half a CPU
second and 25 MB."""


def start_python(
    module: str,
    *arguments: str,
    log: Path,
    before: str = "",
    piped: bool = False,
    base: Mapping[str, str] = os.environ,
    interpreter: Interpreter | None = None,
    keep: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Starts `main` of one of our modules in a Python of its own, in a session of its own, not mirrored itself.

    The import path goes there as the first line of its standard input, because an argument may be too short for it
    (128 KB on Linux).

    Args:
        module: The full name of the module.
        arguments: What its `main` is given, as a list; nothing if there are none.
        log: The file that its standard error goes to, at the end.
        before: Code that it runs first.
        piped: It talks with its parent: standard input and output are pipes. If not, its output goes to the log too,
            and every signal is blocked in it from its first instruction on.
        base: The environment, in which it is then neither mirrored nor runs modules of the working directory.
        interpreter: The Python; this one if none is given. Another one imports from its own environment alone, and
            gets of our variables what `foreign_environment` says.
        keep: Descriptors that it has, too.

    Raises:
        OSError: there is no Python (see `interpreter`), no process to be had, or the log cannot be written.
    """
    interpreter = interpreter or Interpreter(this_python(), own=True)
    command = command_of(interpreter, module, *arguments, before=before)
    line = f"{json.dumps(import_path(interpreter))}\n".encode()
    errors = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        with contextlib.ExitStack() as stack:
            given: IO[bytes] | int = subprocess.PIPE
            if not piped:
                given = stack.enter_context(_scratch_file())
                given.write(line)
                given.seek(0)
                stack.enter_context(_signals_blocked())
            process = subprocess.Popen(
                command,
                stdin=given,
                stdout=subprocess.PIPE if piped else errors,
                stderr=errors,
                env=environment(interpreter, base),
                pass_fds=keep,
                start_new_session=True,
            )
    finally:
        with contextlib.suppress(OSError):
            os.close(errors)
    if process.stdin is not None:
        process.stdin.write(line)
        process.stdin.flush()
    return process


def name_process(name: str) -> None:
    """Names this process for `ps` and `top`, where there is such a name."""
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(name, "ascii")


class Waited(Protocol):
    """What somebody waits for: a `subprocess.Popen`, or the like of one."""

    returncode: Any


def let_go(process: Waited) -> None:
    """Nobody here waits for a child any more: it goes on by itself, and Python has no need to warn of it."""
    process.returncode = 0


def command_of(interpreter: Interpreter, module: str, *arguments: str, before: str) -> list[str]:
    """The command line that runs `main` of a module."""
    given = repr(list(arguments)) if arguments else ""
    code = (
        "import sys; sys.path[:] = filter(None, sys.path); import json; "
        "sys.path[:] = json.loads(sys.stdin.readline()) or sys.path; "
        f"{before}from {module} import main; sys.exit(main({given}))"
    )
    # -E: a PYTHONPATH or PYTHONHOME that is meant for the training must not decide what starts here.
    options = ["-E", *(["-B"] if sys.dont_write_bytecode else [])]
    if sys.pycache_prefix and interpreter.own:
        options += ["-X", f"pycache_prefix={sys.pycache_prefix}"]
    return [interpreter.path, *options, "-c", code]


def import_path(interpreter: Interpreter) -> list[str] | None:
    """Where a child imports from: what this process does; None: another environment, and what that has.

    What belongs to the script or the working directory comes last: a `click.py` beside the training script is not the
    click that a mirror needs.
    """
    if not interpreter.own:
        return None
    scripts = set()
    with contextlib.suppress(OSError):  # the working directory may be gone
        scripts.add(Path.cwd())
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    if isinstance(main, str):
        scripts.add(Path(main).parent)
    ours: list[str] = []
    theirs: list[str] = []
    for entry in sys.path:
        if not isinstance(entry, str):  # the import system passes over it
            continue
        with contextlib.suppress(OSError):
            path = Path(entry).absolute()
            (theirs if path in scripts or entry == sys.path[0] else ours).append(str(path))
    return [*ours, *theirs]


def environment(interpreter: Interpreter, base: Mapping[str, str] = os.environ) -> dict[str, str]:
    """An environment for a child that is not mirrored and runs no module of the working directory."""
    given = {**(base if interpreter.own else foreign_environment(base)), "WANDB_SWAN": "0", "PYTHONSAFEPATH": "1"}
    if sys.version_info < (3, 11) and (Path("pip.py").exists() or Path("pip").exists()):
        # SwanLab 0.10 runs `python -m pip list`, and this Python looks for pip in the working directory first.
        given["SWANLAB_PROBE_REQUIREMENTS"] = "false"
    return given


def _scratch_file() -> IO[bytes]:
    """A file without a name; in memory where that is possible, because a disk may be full."""
    if hasattr(os, "memfd_create"):
        with contextlib.suppress(OSError):
            return os.fdopen(os.memfd_create("wandb_swan"), "w+b")
    return tempfile.TemporaryFile()


def block_signals() -> Any:
    """Blocks every signal that can be blocked, in this thread, those started from it and processes; the mask before.

    Job schedulers send a warning (SIGUSR1, SIGTERM, SIGINT, ...) to all processes of a job: it is meant for the
    training. SIGCHLD stays, a child's end is no such word.
    """
    if sys.platform == "win32":
        return None
    return signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - {signal.SIGCHLD})


@contextlib.contextmanager
def _signals_blocked() -> Iterator[None]:
    """A process that is started here has its signals blocked from its first instruction on."""
    before = block_signals()
    try:
        yield
    finally:
        if before is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
