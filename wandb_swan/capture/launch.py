"""Starts one mirror process a run, and waits for it when the run ends."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..defaults import LOG_DIR
from ..journal.fields import FORMAT, PYTHON_CORE, BeginFields, EndFields, SettingsFields
from ..journal.life import clock_ahead, identity, mark_ended, mark_live, remove_marks
from ..journal.paths import command, shown
from ..journal.relays import relay_at
from ..journal.status import failure, outcome, read_status, resume_command, unfinished
from ..journal.wake import wake_mirror
from ..journal.writer import JournalWriter
from ..switches import Switches, unknown_variables
from ..switches import given as switches_given
from ..versions import NEWEST_TESTED, installed, newer_than_tested
from . import mirrors
from .backlog import Backlog
from .heartbeat import Heartbeat
from .interpreter import NoInterpreter, find
from .messages import warn
from .places import log_folder, started_in
from .relayed import Relayed
from .relief import SlowDisk, bring_what_is_left
from .seams import python_core
from .supervisor import Supervisor

if TYPE_CHECKING:
    from ..swan.active import ActiveRun

_unknown: list[str] | None = None
"""What is to be said of variables that are no switch, once a process; None: nobody has looked."""

SETTLE = 2.0
"""Seconds that who has copied the journal has to end, once the mirror is done."""
SAY_AFTER, SAY_AGAIN = 0.5, 30.0
"""Seconds of waiting in `finish()` before the user is told, and between two words of it."""


def begin(stream_id: str, run: Any, given: dict[str, Any], *, joined_at: int | None = None) -> Capture | None:
    """Opens the journal of a run and starts its mirror.

    Returns None when the settings say that this run is not mirrored. `joined_at` is the step of a run that has logged
    already.

    Raises:
        WandbSwanError: a setting is wrong.
        OSError: the journal cannot be written, or no process can be started.
    """
    global _unknown
    if _unknown is None:
        _unknown = unknown_variables()
    switched = switches_given(given)
    settings = Switches(**switched)
    if not settings.enabled or settings.mode == "disabled":
        return None
    settings = _absolute(settings, run, switched, in_code=bool(given.get("log_dir")))
    silent = bool(getattr(run._settings, "silent", False))
    while _unknown and not silent:
        warn(_unknown.pop(0))
    for package, newest in NEWEST_TESTED.items():
        if newer_than_tested(package, installed(package)) and not silent:
            tested = ".".join(map(str, newest))
            warn(f"{package} {installed(package)} is newer than the newest one tested ({tested}); mirroring goes on")
    if getattr(run._settings, "_shared", False) and not getattr(run._settings, "x_primary", True):
        if not silent:
            warn(f"run {stream_id} is shared: SwanLab gets what its primary process logs; wandb records all of it")
        return None
    first = _active_swanlab_run()
    if first is not None:
        from ..swan.active import ActiveRun

        capture = Capture(stream_id, run, ActiveRun(first, run._settings.files_dir), settings, silent=silent)
        capture.journal.note(**_first_note(run, settings, joined_at))
        capture.say(f"run {stream_id} goes to the SwanLab run that is active in this process, {first.name}")
        if joined_at is not None:
            capture.say(f"what run {stream_id} logged before this line is in W&B alone")
        return capture
    bring_what_is_left(settings.journals, settings.python)
    left = unfinished(settings.journals)
    journal = _open_journal(settings, stream_id)
    capture = Capture(stream_id, run, journal, settings, silent=silent)
    note = _first_note(run, settings, joined_at)
    try:
        journal.note(**note)
    except BaseException:  # a journal without its first note is nobody's, and would wait for ever
        _discard(journal)
        raise
    if left and not capture.has_relay:
        warn(f"{left} earlier run(s) are not whole in SwanLab: type {resume_command(journal.path.parent)}")
    capture.start_mirror()
    if joined_at is not None:
        if settings.wandb_run is False and note["run"]["mode"] == "online":
            capture.say(f"wandb_run=False comes too late for run {stream_id}: it is uploaded to W&B")
        logged = note["run"]["log_written"] and not note["run"]["shared"]
        whence = "comes from wandb's own log" if logged else "is in W&B alone: this run has no log of wandb's"
        capture.say(f"what run {stream_id} logged before this line {whence}")
    return capture


def prepare(given: dict[str, Any]) -> None:
    """Before a run exists: has a host import meanwhile what its mirror will need.

    Raises:
        WandbSwanError: a setting is wrong, which `begin` will say.
        OSError: there can be no host, or no mirror, here.
    """
    settings = Switches(**switches_given(given))
    if settings.enabled and settings.mode != "disabled" and settings.mirror != "relay" and not _active_swanlab_run():
        mirrors.prepare(find(settings.python))


def _absolute(settings: Switches, run: Any, switched: dict[str, Any], *, in_code: bool) -> Switches:
    """The settings with whole paths; what is given in code is meant from where the code is now."""
    log_dir = switched.get("log_dir")
    if log_dir is not None and in_code:
        log_dir = log_dir.expanduser().absolute()
    journals = started_in() / settings.journal_dir.expanduser() if settings.journal_dir else None
    return replace(settings, log_dir=log_folder(log_dir, LOG_DIR, run), journal_dir=journals)


def _active_swanlab_run() -> Any:
    """The run that `swanlab.init()` made in this process, or None. SwanLab is not imported for the question."""
    swanlab: Any = sys.modules.get("swanlab")
    has_run = getattr(swanlab, "has_run", None)
    return swanlab.get_run() if has_run is not None and has_run() else None


def _open_journal(settings: Switches, stream_id: str) -> JournalWriter:
    folder = settings.journals
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
        # Of the latter a finished run had the name, before the clock was set back.
        if path.exists() or path.with_suffix(".status.json").exists():
            continue
        mark_live(path)  # first: a journal without it is one that nobody writes
        try:
            return JournalWriter(path)
        except FileExistsError:
            continue
        except OSError:
            remove_marks(path)
            raise
    raise FileExistsError(f"{folder} holds a hundred journals of run {name} for this second")


def _discard(journal: JournalWriter) -> None:
    with contextlib.suppress(OSError):
        journal.close()
    with contextlib.suppress(OSError):
        journal.path.unlink()
    remove_marks(journal.path)


def _first_note(run: Any, settings: Switches, joined_at: int | None) -> BeginFields:
    """Versions, settings without secrets, run paths: all that the mirror needs to know besides the records."""
    wandb_settings = run._settings
    note: BeginFields = {
        "type": "begin",
        "format": FORMAT,
        "versions": {
            "wandb_swan": installed("wandb-swan"),
            "wandb": installed("wandb"),
            "python": platform.python_version(),
            "core": PYTHON_CORE if python_core(run) else "go",
        },
        "run": {
            "id": wandb_settings.run_id,
            "mode": wandb_settings.mode,
            "shared": bool(getattr(wandb_settings, "_shared", False)),
            "primary": bool(getattr(wandb_settings, "x_primary", True)),
            "dir": str(Path(wandb_settings.sync_dir).absolute()),
            "files": str(Path(wandb_settings.files_dir).absolute()),
            "log": str(Path(wandb_settings.sync_file).absolute()),
            "journals": str(settings.journals.absolute()),
            "log_written": not bool(getattr(wandb_settings, "x_skip_transaction_log", False)),
            "url": getattr(wandb_settings, "run_url", None),
            "fork_from": str(getattr(wandb_settings, "fork_from", None) or "") or None,
            "resume_from": str(getattr(wandb_settings, "resume_from", None) or "") or None,
            "joined_at": joined_at,
        },
        "trainer": {
            **identity(),
            "argv": _argv(),
            "executable": sys.executable,
            "cwd": str(Path.cwd()),
        },
        "settings": cast("SettingsFields", settings.plain()),
    }
    return _without_secrets(note)


def _argv() -> list[str]:
    with contextlib.suppress(OSError):
        return [os.fsdecode(part) for part in Path("/proc/self/cmdline").read_bytes().split(b"\0") if part]
    return [sys.executable, *sys.argv]


def _without_secrets(note: BeginFields) -> BeginFields:
    secrets = [
        value for name, value in os.environ.items() if len(value) >= 8 and re.search("KEY|TOKEN|SECRET|PASSWORD", name)
    ]
    text = json.dumps(note, ensure_ascii=False)
    for secret in secrets:
        text = text.replace(json.dumps(secret, ensure_ascii=False)[1:-1], "***")
    return cast("BeginFields", json.loads(text))


class Capture:
    """One live run: its journal, its mirror process, and what to say at its end."""

    def __init__(
        self, stream_id: str, run: Any, journal: JournalWriter | ActiveRun, settings: Switches, *, silent: bool
    ) -> None:
        self.stream_id = stream_id
        self.journal = journal
        self.order = threading.RLock()
        self.run = run
        self.settings = settings
        self._silent = silent
        self.mirror: Supervisor | Relayed | None = None
        self.has_relay = False
        """Whether a relay looks after the journal's folder."""
        self._heartbeat: Heartbeat | None = None
        self._slow_disk: SlowDisk | None = None
        self._broken = False
        self._backlog = Backlog(journal.path)

    def run_is_not(self, run: Any) -> bool:
        return run is not self.run

    def say(self, message: str) -> None:
        if not self._silent:
            warn(message)

    def start_mirror(self) -> None:
        """Leaves the journal to a relay, where the settings say so or one is there; else starts the mirror. Says so."""
        path = self.journal.path
        if isinstance(self.journal, JournalWriter):
            self.journal.relief = self._slow_disk = SlowDisk(path, self.stream_id, self.say, self.settings.python)
        wanted = self.settings.mirror
        relay = None if wanted == "here" else relay_at(path.parent, time.time() + clock_ahead(path))
        self.has_relay = relay is not None
        if relay is None and wanted != "relay":
            self.mirror = self._own_mirror()
            if self.mirror is not None:
                return
        if isinstance(self.journal, JournalWriter):  # who mirrors it may be on another machine
            self._heartbeat = Heartbeat(self.journal, self.broken)
            self._heartbeat.start()
        if relay is not None:
            self.say(
                f"run {self.stream_id} is mirrored to SwanLab by the relay on {relay.get('host')} "
                f"(pid {relay.get('pid')}), journal {shown(path)}"
            )
        elif wanted == "relay":
            self.say(f"run {self.stream_id} waits for a relay in its journal {shown(path)}")
        if relay is not None or wanted == "relay":
            self.mirror = Relayed(path, None if wanted == "relay" else self._own_mirror)

    def _own_mirror(self) -> Supervisor | None:
        """Starts a mirror, and says so; where that cannot be, the journal waits: None if none will be there."""
        path = self.journal.path
        try:
            interpreter = find(self.settings.python)
        except NoInterpreter as error:
            warn(f"{error}; the journal waits in {shown(path.parent)}")
            return None
        except OSError as error:
            warn(f"no mirror is started ({error}): the journal waits, type {resume_command(path)}")
            return None
        kept = f"what run {self.stream_id} logs is kept in {shown(path)}"
        mirror = Supervisor(path, lambda obstacle: self.say(f"{obstacle}; {kept}"), interpreter)
        try:
            mirror.start()
        except OSError as error:
            warn(
                f"the mirror of run {self.stream_id} did not start ({error}): the journal waits, it is tried again; "
                f"journal {shown(path)}"
            )
            return mirror
        self.say(f"mirroring run {self.stream_id} to SwanLab, journal {shown(path)}")
        return mirror

    def broken(self, reason: str) -> None:
        """The journal cannot go on: say so once; what wandb's own log holds is still mirrored at the end."""
        if self._broken:
            return
        self._broken = True
        with contextlib.suppress(Exception):
            self.journal.close()
        if isinstance(self.journal, JournalWriter) and self._has_log:
            warn(
                f"the journal of run {self.stream_id} stopped ({reason}); wandb is not affected, "
                f"what is missing is read from wandb's own log at the end"
            )
        else:
            warn(f"the rest of run {self.stream_id} is not in SwanLab ({reason}); wandb is not affected")

    @property
    def _has_log(self) -> bool:
        """Whether wandb writes a log of its own."""
        return not getattr(self.run._settings, "x_skip_transaction_log", False)

    def close(self) -> None:
        """Ends the capture without waiting; the mirror finishes by itself."""
        self._end_journal(None)

    def finish(self, *, wait: bool, exit_code: int | None = None) -> None:
        """Waits for the mirror as long as the settings say, and tells where the SwanLab run is.

        `exit_code` is given where wandb's core ends the run by itself, so that no exit record passes the tap.
        """
        mirror_knows = self._end_journal(exit_code)
        if self.mirror is None:
            return
        ended = False
        if wait and mirror_knows:
            with contextlib.suppress(KeyboardInterrupt):  # one Ctrl-C ends the wait, not the mirror
                ended = self._wait(self.mirror)
        self._tell(self.mirror, ended=ended or not self.mirror.at_work)
        if self._slow_disk is not None and ended:
            self._slow_disk.settle(SETTLE)

    def _tell(self, mirror: Supervisor | Relayed, *, ended: bool) -> None:
        """Where the SwanLab run is. Who wants no lines is told what is wrong alone."""
        path = self.journal.path
        if isinstance(mirror, Relayed) and mirror.waits_for_a_relay:
            relay = command("wandb-swan", "relay", path.parent)
            warn(f"run {self.stream_id} waits in its journal, no relay is at work: type {relay} where SwanLab is")
            return
        trouble = f"no mirror could be started: {mirror.trouble}" if mirror.trouble is not None else None
        otherwise = None if path.exists() else self._conversion()
        wrong = failure(path, ended=ended, trouble=trouble, otherwise=otherwise, whole=not self._broken)
        if wrong is not None:
            warn(wrong)
        else:
            self.say(outcome(path, ended=ended))

    def _conversion(self) -> str | None:
        """What brings the run to SwanLab from wandb's own log, if there is one."""
        log = Path(self.run._settings.sync_file).absolute()
        if not self._has_log or not log.exists():
            return None
        mode = read_status(self.journal.path).get("mode") or self.settings.mode or "offline"
        where = ("--wb-run-dir", log.parent, "--log-dir", self.settings.log_dir, "--mode", mode)
        return command("wandb-swan", "convert", "-t", "wandb-local", *where)

    def _wait(self, mirror: Supervisor | Relayed) -> bool:
        """Whether the mirror ended in time. What is said meanwhile is said in lines: a display may fail, or hang."""
        deadline = time.monotonic() + self.settings.finish_timeout
        pause, quiet = SAY_AFTER, not _at_a_terminal()
        while not mirror.wait(min(pause, max(0.0, deadline - time.monotonic()))):
            if time.monotonic() >= deadline:
                return False
            if pause == SAY_AGAIN or not quiet or self._backlog.is_long():
                left = self._backlog.line()
                self.say(f"SwanLab is catching up{left and ': '}{left} (Ctrl-C: leave it to do so by itself)")
            pause = SAY_AGAIN
        return True

    def _end_journal(self, exit_code: int | None) -> bool:
        """Whether the mirror knows that the journal has ended, before this process does."""
        noted = False
        if self._heartbeat is not None:
            self._heartbeat.stop()
        try:
            self.journal.note(**EndFields(type="end", exit_code=exit_code))
            noted = not self._broken
            self.journal.close()
        except Exception as error:
            self.broken(f"{type(error).__name__}: {error}")
        if self.mirror is None and not isinstance(self.journal, JournalWriter):
            return noted
        spool = self.journal.spooled if isinstance(self.journal, JournalWriter) else None
        if spool is not None and self._slow_disk is not None:  # who copies the last of it says so
            marked = self._slow_disk.over(spool)
        else:
            marked = mark_ended(self.journal.path)
        wake_mirror(self.journal.path)
        if self.mirror is not None:
            self.mirror.run_is_over()
        return noted or marked


def _at_a_terminal() -> bool:
    """Whether somebody looks at stderr, which may be None or any object that has a `write`."""
    try:
        return bool(sys.stderr.isatty())
    except Exception:
        return False
