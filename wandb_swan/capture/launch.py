"""Starts one mirror process a run, and waits for it when the run ends."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..exceptions import WandbSwanError
from .journal import JournalWriter
from .tap import warn

if TYPE_CHECKING:
    from ..settings import SwanSettings
    from ..swan.active import ActiveRun

BUSY = 3
"""The mirror's exit code when another process has the journal."""

HELD_SIGNALS = {signal.SIGTERM, signal.SIGUSR1} if sys.platform != "win32" else set()
"""Signals that wait until a starting mirror can take them: by default they would kill it."""

NEWEST_TESTED = (0, 31)
"""The newest wandb of the matrix (`tox.ini`)."""

_abandoned: list[subprocess.Popen[bytes]] = []
"""Mirrors that nobody waits for any more; reaped when they have ended."""


def begin(stream_id: str, run: Any, given: dict[str, Any]) -> Capture | None:
    """Opens the journal of a run and starts its mirror.

    Returns None when the settings say that this run is not mirrored.

    Raises:
        WandbSwanError: a setting is wrong.
        OSError: the journal can not be written, or no process can be started.
    """
    from ..settings import read_settings

    _reap()
    settings = read_settings(**given)
    if not settings.enabled or settings.mode == "disabled":
        return None
    if "log_dir" not in settings.model_fields_set:  # beside wandb's folder: WANDB_DIR, init(dir=) mean ours too
        root = Path(run._settings.root_dir).expanduser()
        settings = settings.model_copy(update={"log_dir": root / settings.log_dir})
    silent = bool(getattr(run._settings, "silent", False))
    if newer_than_tested(version("wandb")) and not silent:
        newest = ".".join(map(str, NEWEST_TESTED))
        warn(f"wandb {version('wandb')} is newer than the newest one tested ({newest}); mirroring goes on")
    if getattr(run._settings, "_shared", False) and not getattr(run._settings, "x_primary", True):
        if not silent:
            warn(f"run {stream_id} is shared: SwanLab gets what its primary process logs; W&B has all of it")
        return None
    first = _active_swanlab_run()
    if first is not None:
        from ..swan.active import ActiveRun

        capture = Capture(stream_id, run, ActiveRun(first, run._settings.files_dir), settings, silent=silent)
        capture.journal.note(**_first_note(run, settings))
        capture.say(f"run {stream_id} goes to the SwanLab run that is active in this process, {first.name}")
        return capture
    left = unfinished(settings.journals.expanduser())
    journal = _open_journal(settings, stream_id)
    capture = Capture(stream_id, run, journal, settings, silent=silent)
    journal.note(**_first_note(run, settings))
    capture.start_mirror()
    if left:
        capture.say(f"{left} earlier run(s) are not whole in SwanLab: type {_resume(journal.path.parent)}")
    capture.say(f"mirroring run {stream_id} to SwanLab, journal {_relative(journal.path)}")
    return capture


def newer_than_tested(wandb_version: str) -> bool:
    """Whether a version of wandb is of a minor series that the matrix does not have yet."""
    numbers = re.match(r"(\d+)\.(\d+)", wandb_version)
    return numbers is not None and tuple(map(int, numbers.groups())) > NEWEST_TESTED


def _active_swanlab_run() -> Any:
    """The run that `swanlab.init()` made in this process, or None. SwanLab is not imported for the question."""
    swanlab: Any = sys.modules.get("swanlab")
    has_run = getattr(swanlab, "has_run", None)
    return swanlab.get_run() if has_run is not None and has_run() else None


def _open_journal(settings: SwanSettings, stream_id: str) -> JournalWriter:
    folder = settings.journals.expanduser()
    fresh = not settings.log_dir.exists()
    folder.mkdir(parents=True, exist_ok=True)
    if fresh and settings.log_dir.exists():
        with contextlib.suppress(OSError):  # as SwanLab does for a log directory that it makes
            (settings.log_dir / ".gitignore").write_text("*")
    name = re.sub(r"[^\w.\-]", "_", stream_id)[:100]
    start = time.strftime("%Y%m%d_%H%M%S")
    for attempt in range(100):
        suffix = f"-{attempt}" if attempt else ""
        path = (folder / f"{name}-{start}{suffix}.journal").absolute()
        if path.with_suffix(".status.json").exists():  # a finished run had it, before the clock was set back
            continue
        with contextlib.suppress(FileExistsError):
            return JournalWriter(path)
    raise FileExistsError(f"{folder} holds a hundred journals of run {name} for this second")


def _first_note(run: Any, settings: SwanSettings) -> dict[str, Any]:
    """Versions, settings without secrets, run paths: all that the mirror needs to know besides the records."""
    wandb_settings = run._settings
    note = {
        "type": "begin",
        "format": 1,
        "versions": {
            "wandb_swan": version("wandb-swan"),
            "wandb": version("wandb"),
            "python": platform.python_version(),
        },
        "run": {
            "id": wandb_settings.run_id,
            "mode": wandb_settings.mode,
            "shared": bool(getattr(wandb_settings, "_shared", False)),
            "primary": bool(getattr(wandb_settings, "x_primary", True)),
            "dir": str(wandb_settings.sync_dir),
            "files": str(wandb_settings.files_dir),
            "log": str(wandb_settings.sync_file),
            "log_written": not bool(getattr(wandb_settings, "x_skip_transaction_log", False)),
            "url": getattr(wandb_settings, "run_url", None),
            "fork_from": str(getattr(wandb_settings, "fork_from", None) or "") or None,
            "resume_from": str(getattr(wandb_settings, "resume_from", None) or "") or None,
        },
        "trainer": {
            "pid": os.getpid(),
            "argv": _argv(),
            "executable": sys.executable,
            "cwd": str(Path.cwd()),
            "host": platform.node(),
        },
        "settings": settings.model_dump(mode="json"),
    }
    return _without_secrets(note)


def _argv() -> list[str]:
    with contextlib.suppress(OSError):
        return [os.fsdecode(part) for part in Path("/proc/self/cmdline").read_bytes().split(b"\0") if part]
    return [sys.executable, *sys.argv]


def _without_secrets(note: dict[str, Any]) -> dict[str, Any]:
    secrets = [
        value for name, value in os.environ.items() if len(value) >= 8 and re.search("KEY|TOKEN|SECRET|PASSWORD", name)
    ]
    text = json.dumps(note, ensure_ascii=False)
    for secret in secrets:
        text = text.replace(json.dumps(secret, ensure_ascii=False)[1:-1], "***")
    clean = json.loads(text)
    assert isinstance(clean, dict)
    return clean


class Capture:
    """One live run: its journal, its mirror process, and what to say at its end."""

    def __init__(
        self, stream_id: str, run: Any, journal: JournalWriter | ActiveRun, settings: SwanSettings, *, silent: bool
    ) -> None:
        self.stream_id = stream_id
        self.journal = journal
        self.order = threading.RLock()
        self._run = run
        self._settings = settings
        self._silent = silent
        self._mirror: subprocess.Popen[bytes] | None = None
        self._broken = False

    def run_is_not(self, run: Any) -> bool:
        return run is not self._run

    def say(self, message: str) -> None:
        if not self._silent:
            warn(message)

    def start_mirror(self) -> None:
        """Starts the mirror in a session of its own, so that a Ctrl-C in the terminal does not reach it."""
        try:
            self._mirror = start(self.journal.path, "--trainer", str(os.getpid()))
        except OSError as error:
            self.say(f"the mirror did not start ({error}); type {_resume(self.journal.path)} after the run")

    def broken(self, reason: str) -> None:
        """The journal can not go on: say so once; what wandb's own log holds is still mirrored at the end."""
        if self._broken:
            return
        self._broken = True
        with contextlib.suppress(Exception):
            self.journal.close()
        if self._mirror is None:
            warn(f"the rest of run {self.stream_id} is not in SwanLab ({reason}); wandb is not affected")
        else:
            warn(
                f"the journal of run {self.stream_id} stopped ({reason}); wandb is not affected, "
                f"what is missing is read from wandb's own log at the end"
            )

    def close(self) -> None:
        """Ends the capture without waiting; the mirror finishes by itself."""
        self._end_journal(None)
        if self._mirror is not None:
            _abandoned.append(self._mirror)

    def finish(self, *, wait: bool, exit_code: int | None = None) -> None:
        """Waits for the mirror as long as the settings say, and tells where the SwanLab run is.

        A mirror that was killed is started once more. `exit_code` is given where wandb's core ends the run by
        itself, so that no exit record passes the tap.
        """
        self._end_journal(exit_code)
        if self._mirror is None:
            return
        deadline = time.monotonic() + self._settings.finish_timeout
        ended = wait and _wait(self._mirror, deadline, show=not self._silent)
        if ended and self._mirror.returncode < 0:  # killed
            self._mirror = start(self.journal.path)
            ended = _wait(self._mirror, deadline, show=not self._silent)
        if not ended:
            _abandoned.append(self._mirror)
        self.say(outcome(self.journal.path, ended=ended))

    def _end_journal(self, exit_code: int | None) -> None:
        try:
            self.journal.note(type="end", exit_code=exit_code)
            self.journal.close()
        except Exception as error:
            self.broken(f"{type(error).__name__}: {error}")
        if self._broken and self._mirror is not None and sys.platform != "win32":
            # Nothing in the journal can tell the mirror that the run is over.
            with contextlib.suppress(OSError):
                self._mirror.send_signal(signal.SIGUSR1)


def start(journal: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Starts `wandb_swan.mirror` on a journal. Raises OSError; BlockingIOError if a mirror is at it."""
    if not sys.executable:
        raise OSError("this Python does not say where its executable is")
    # The same import path as the trainer, but its script folder last: a `random.py` beside it must not be ours.
    script, rest = sys.path[:1], sys.path[1:]
    lock = locked(journal)
    if lock is not None:
        arguments = (*arguments, "--lock", str(lock))
    code = (
        f"import sys; sys.path[:] = {[*rest, *script]!r}; from wandb_swan.mirror import main; "
        f"sys.exit(main({[str(journal), *arguments]!r}))"
    )
    environment = {**os.environ, "WANDB_SWAN": "0"}
    log = -1
    try:
        log = os.open(journal.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with _signals_held():
            return subprocess.Popen(
                [sys.executable, "-c", code],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
                pass_fds=() if lock is None else (lock,),
            )
    finally:
        for opened in (log, -1 if lock is None else lock):
            if opened >= 0:
                os.close(opened)


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """A process that is started here inherits `HELD_SIGNALS` blocked."""
    if not HELD_SIGNALS:
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def locked(journal: Path) -> int | None:
    """A descriptor that holds the journal's lock, for the mirror to inherit: at no time does nobody hold it.

    None where there are no locks. Raises BlockingIOError if a mirror is at it.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    lock = os.open(journal, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise
    except OSError:  # a file system without locks
        os.close(lock)
        return None
    return lock


def is_live(journal: Path) -> bool:
    """Whether a mirror holds the journal now."""
    try:
        lock = locked(journal)
    except BlockingIOError:
        return True
    except OSError:
        return False
    if lock is not None:
        os.close(lock)
    return False


def unfinished(folder: Path, *, most: int = 100) -> int:
    """How many journals wait for `wandb-swan resume`; of a full folder, `most` are looked at."""
    return sum(map(_waits, islice(folder.glob("*.journal"), most)))


def _waits(journal: Path) -> bool:
    if is_live(journal):
        return False
    with contextlib.suppress(OSError):  # a kept journal; its status is not parsed, there may be many
        return b'"state": "finished"' not in journal.with_suffix(".status.json").read_bytes()[:100]
    return True


def _wait(mirror: subprocess.Popen[bytes], deadline: float, *, show: bool) -> bool:
    """Whether the mirror ended before `deadline` (monotonic). One Ctrl-C ends the wait, not the mirror."""
    try:
        with _status_line() if show else contextlib.nullcontext():
            mirror.wait(max(0.0, deadline - time.monotonic()))
        return True
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        return False


@contextlib.contextmanager
def _status_line() -> Any:
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status("wandb_swan: SwanLab is catching up (Ctrl-C: leave it to do so by itself)"):
        yield


def outcome(journal: Path, *, ended: bool) -> str:
    """One line: where the SwanLab run is, or what to type to get it there."""
    status = read_status(journal)
    state = status.get("state")
    where = status.get("url") or status.get("run_dir")
    if state == "finished":
        log = _relative(journal.with_suffix(".log"))
        lost = _lost(status.get("not_mirrored") or [])
        more = f"; {lost}, see {log}" if lost else ""
        differences = (status.get("self_check") or {}).get("differences")
        if differences:
            more += f"; self-check: {differences} values are not those of wandb's log, see {log}"
        if status.get("mode") == "offline":
            why = "no SwanLab credentials, so " if status.get("no_credentials") else ""
            sync = f"`swanlab sync {_relative(Path(str(where)))}`"
            return f"SwanLab run saved ({why}offline); type {sync} to upload it{more}"
        if status.get("mode") == "local":
            folder = _relative(Path(str(where)).parent)
            return f"SwanLab run saved in {_relative(Path(str(where)))}; type `swanlab watch {folder}` to see it{more}"
        return f"SwanLab run at {where}{more}"
    if state == "failed" or ended:
        reason = status.get("reason") or f"the mirror ended early, see {_relative(journal.with_suffix('.log'))}"
        return f"the run is not whole in SwanLab ({reason}); nothing is lost: type {_resume(journal)}"
    why = f" (SwanLab can not be reached: {status['reason']})" if status.get("reason") else ""
    return f"the mirror goes on by itself{why}; if it is interrupted type {_resume(journal)}"


def _lost(not_mirrored: list[dict[str, Any]]) -> str:
    """How many values are not in SwanLab as they were, and the most frequent reasons; "" if all are."""
    by_reason: dict[str, int] = {}
    for item in not_mirrored:
        by_reason[item["reason"]] = by_reason.get(item["reason"], 0) + item["count"]
    if not by_reason:
        return ""
    most = sorted(by_reason.items(), key=lambda item: -item[1])
    kinds = ", ".join(f"{count} x {reason}" for reason, count in most[:3]) + (", ..." if len(most) > 3 else "")
    return f"{sum(by_reason.values())} values could not be kept there as they were ({kinds})"


def read_status(journal: Path) -> dict[str, Any]:
    """The mirror's status file, or an empty dict."""
    with contextlib.suppress(OSError, ValueError):
        status = json.loads(journal.with_suffix(".status.json").read_bytes())
        if isinstance(status, dict):
            return status
    return {}


def _resume(journal: Path) -> str:
    return f"`wandb-swan resume {_relative(journal)}`"


def _relative(path: Path) -> str:
    with contextlib.suppress(ValueError, OSError):
        return str(path.relative_to(Path.cwd()))
    return str(path)


def _reap() -> None:
    _abandoned[:] = [mirror for mirror in _abandoned if mirror.poll() is None]


__all__ = ["Capture", "WandbSwanError", "begin", "outcome", "read_status", "start"]
