"""Child processes of this Python: how one is started, and a mirror kept at its journal as long as the run lives."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from ..journal.claim import mirror_at
from ..journal.status import is_whole, read_status
from .interpreter import Interpreter, foreign_environment, this_python

BUSY = 3
"""The mirror's exit code when another process has the journal."""
FIRST_PAUSE, LAST_PAUSE = 1.0, 300.0
"""Seconds between the end of a mirror during its run and the start of the next one."""
LOOKS = 20
"""Seconds for which a mirror that has been started is looked at: whether the user has to do something."""
DEFER = "from importlib import util; f = '_wandb_swan_command'; util.find_spec(f) and __import__(f).defer(); "
"""Code that a process of ours runs first: it needs wandb's protobuf messages, not wandb's code, which takes half a CPU
second and 25 MB."""
LAST_TRIES = 2
"""How often a mirror that is killed after the end of its run is started again."""


def start_python(
    module: str,
    *arguments: str,
    log: Path,
    before: str = "",
    piped: bool = False,
    base: Mapping[str, str] = os.environ,
    interpreter: Interpreter | None = None,
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

    Raises:
        OSError: there is no Python (see `interpreter`), no process to be had, or the log cannot be written.
    """
    interpreter = interpreter or Interpreter(this_python(), own=True)
    command = _command(interpreter, module, *arguments, before=before)
    line = (_import_path_line() if interpreter.own else "null\n").encode()
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
                env=_environment(base if interpreter.own else foreign_environment(base)),
                start_new_session=True,
            )
    finally:
        with contextlib.suppress(OSError):
            os.close(errors)
    if process.stdin is not None:
        process.stdin.write(line)
        process.stdin.flush()
    return process


def start(
    journal: Path, interpreter: Interpreter | None = None, *, maps: Sequence[str] = (), mode: str | None = None
) -> subprocess.Popen[bytes]:
    """Starts `wandb_swan.mirror.process` on a journal, with `--map` for each of `maps`, in SwanLab's `mode`.

    Raises OSError, as `start_python` does.
    """
    given = [str(journal), *(f"--map={way}" for way in maps), *([f"--mode={mode}"] if mode else [])]
    log = journal.with_suffix(".log")
    return start_python("wandb_swan.mirror.process", *given, log=log, before=DEFER, interpreter=interpreter)


def let_go(process: subprocess.Popen[bytes]) -> None:
    """Nobody here waits for a child any more: it goes on by itself, and Python has no need to warn of it."""
    process.returncode = 0


def _command(interpreter: Interpreter, module: str, *arguments: str, before: str) -> list[str]:
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


def _import_path_line() -> str:
    """Where this process imports from, as a line of JSON; what belongs to the script or the working directory last.

    A `click.py` beside the training script is not the click that a mirror needs.
    """
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
    return json.dumps([*ours, *theirs]) + "\n"


def _environment(base: Mapping[str, str]) -> dict[str, str]:
    """An environment for a child that is not mirrored and runs no module of the working directory."""
    given = {**base, "WANDB_SWAN": "0", "PYTHONSAFEPATH": "1"}
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


class Supervisor:
    """Keeps a mirror at the journal of a live run: one that dies is started again, after a growing pause."""

    def __init__(
        self, journal: Path, tell: Callable[[str], None] = lambda _: None, interpreter: Interpreter | None = None
    ) -> None:
        """`tell` says to the user, early, what keeps the mirror from its work and they can put right; `interpreter` is
        the mirror's Python, this one if none is given."""
        self._journal = journal
        self._interpreter = interpreter
        self._tell = tell
        self._process: subprocess.Popen[bytes] | None = None
        self._over = threading.Event()
        self._done = threading.Event()
        self._thread: threading.Thread | None = None
        self._tries = 0
        self.trouble: OSError | None = None
        """Why the last mirror could not be started; None: it could."""

    def start(self) -> None:
        """Starts the mirror, and a thread that sleeps until it ends and starts the next one.

        Raises OSError if no mirror can be started now.
        """
        self._start()
        self._thread = threading.Thread(target=self._watch_all, name="wandb_swan-mirror", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # no more threads; from Python 3.12 on none at the interpreter's exit
            self._thread = None
        if self.trouble is not None:
            raise self.trouble

    def _start(self) -> None:
        try:
            self._process, self.trouble = start(self._journal, self._interpreter), None
        except OSError as error:  # no process or no descriptor to be had: the next time
            self.trouble = error

    @property
    def at_work(self) -> bool:
        """Whether a mirror is at the journal, or on its way to it."""
        process = self._process
        return (process is not None and process.poll() is None) or mirror_at(self._journal) is not None

    def forget(self) -> None:
        """In a forked child: the mirror is the parent's to wait for."""
        process, self._process = self._process, None
        if process is not None:
            let_go(process)

    def run_is_over(self) -> None:
        """The journal is complete: a mirror that is killed now is started again at once, one that fails is not."""
        self._over.set()

    def wait(self, seconds: float) -> bool:
        """Waits for the mirror's end, at most so long. Returns whether it ended. KeyboardInterrupt passes."""
        if self._thread is None:
            return self._watch(time.monotonic() + seconds)
        if not self._done.wait(seconds):
            return False
        self._thread.join(1.0)  # no thread is left behind
        return True

    def _watch_all(self) -> None:
        try:
            self._look()
            self._watch()
        finally:
            self._done.set()

    def _look(self) -> None:
        """Looks once a second, until the SwanLab run is there."""
        for _ in range(LOOKS):
            ended = self._over.wait(1.0) or self._process is None or self._process.poll() is not None
            status = read_status(self._journal)
            obstacle = status.get("obstacle")
            if obstacle and not self._over.is_set():  # else it is told at the end
                self._tell(obstacle)
            if obstacle or ended or status.get("state") == "running":
                return

    def _watch(self, deadline: float = float("inf")) -> bool:
        """Until nothing is left to do; False if `deadline` (monotonic) comes first."""
        pause = FIRST_PAUSE
        while True:
            if self._process is not None:
                code = _wait(self._process, deadline)
                if code is None:
                    return False
                self._process = None
                if self._over.is_set() and self._has_failed(code):
                    return True
            while mirror_at(self._journal) is not None:  # somebody typed `wandb-swan resume`
                if time.monotonic() > deadline:
                    return False
                time.sleep(0.2)
            if self._over.wait(min(pause, max(0.0, deadline - time.monotonic()))):
                self._tries += 1
                if self._nothing_left() or self._tries > LAST_TRIES:
                    return True
            elif time.monotonic() > deadline:
                return False
            if self.trouble is not None and self._over.is_set():
                time.sleep(FIRST_PAUSE)
            pause = min(2 * pause, LAST_PAUSE)
            self._start()

    def _has_failed(self, code: int) -> bool:
        """Whether a mirror has ended by itself and could not bring its run to the end."""
        if code == 0:  # nobody knows the code where the program ignores SIGCHLD, or waits for every child
            return read_status(self._journal).get("state") == "failed"
        return code > 0 and code != BUSY

    def _nothing_left(self) -> bool:
        return is_whole(self._journal) or read_status(self._journal).get("state") == "empty"


def _wait(process: subprocess.Popen[bytes], deadline: float) -> int | None:
    try:
        return process.wait(None if deadline == float("inf") else max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return None
