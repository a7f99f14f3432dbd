"""Where those who want a mirror meet the host that forks it: one process that has imported what mirrors need.

A host is there for all programs of a user that are alike: interpreter, import path, environment, rights, limits. It
imports once, in one thread, and forks for each journal, so that a mirror is there in milliseconds and shares its
memory. They meet in a folder that is the user's alone, and keep nothing open for it, since a program may close every
descriptor:

- `<name>.ask`: what is wanted; who removes it has taken it
- `<name>.pid`, `<name>.code`: the mirror's process, and how it ended; without a code it was killed
- `bell`: a FIFO that the host reads; where it has no reader, there is no host
- `lock`: is held by the host, and by who starts one
- `log`: what the host says
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import re
import secrets
import stat
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from ..atomic_file import write_whole
from ..journal.handlers import own_errors_suppressed
from ..journal.life import boot, process_of
from .interpreter import Interpreter
from .process import DEFER, command_of, environment, import_path, let_go, start_python

MODULE = "wandb_swan.mirror.host"
_GIVE_WAY = "from wandb_swan.mirror.priority import give_way; give_way(); "
"""Before the host's first imports: they come while wandb starts its core."""
OF_ONE_PROGRAM = re.compile(r"WANDB_(?!SWAN|CACHE_DIR)\w*|_|PWD|OLDPWD|SHLVL")
"""The variables that no mirror asks for, and that may differ between programs of one host."""
_INSTALLED = ("site-packages", "dist-packages")
_TOLD, _LINKED = ("cgroup", "limits", "oom_score_adj", "attr/current"), ("root", *(f"ns/{kind}" for kind in (
    "cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts",
)))  # fmt: skip
"""The files and links in which /proc tells what a process's children have from it."""
_STATUS = re.compile(rb"^(Umask|Uid|Gid|Groups|Cap\w+|NoNewPrivs|Seccomp|Cpus_allowed|Mems_allowed):.*$", re.MULTILINE)


def folders() -> Path:
    """The folder of all hosts of this user. Raises OSError where it is not theirs alone."""
    folder = Path(tempfile.gettempdir()) / f"swan-hosts-{os.getuid()}"
    with own_errors_suppressed(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(folder))
    return folder


class Meeting:
    """The meeting place with one host."""

    def __init__(self, interpreter: Interpreter) -> None:
        """Raises OSError where there can be none: no Linux, no folder."""
        if sys.platform != "linux":
            raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
        self._interpreter = interpreter
        self._environment = {
            name: value for name, value in environment(interpreter).items() if not OF_ONE_PROGRAM.fullmatch(name)
        }
        self.folder = folders() / self._key()

    def _key(self) -> str:
        """Equal for processes whose mirrors would not differ but for what `ask` is given."""
        path = import_path(self._interpreter)
        told: list[Any] = [
            command_of(self._interpreter, MODULE, before=DEFER),
            path,
            sorted(self._environment.items()),
            os.getpriority(os.PRIO_PROCESS, 0),
            os.sched_getscheduler(0),
            platform.node(),
            boot(),
        ]
        for entry in [*(path or []), self._interpreter.path]:
            with own_errors_suppressed(OSError):  # what was installed since is not what the host has imported
                if Path(entry).name in _INSTALLED or entry == self._interpreter.path:
                    told.append(os.stat(entry).st_mtime_ns)  # noqa: PTH116  (a string)
        me = Path("/proc/thread-self")
        for name in _TOLD:
            with own_errors_suppressed(OSError):
                told.append(os.fsdecode((me / name).read_bytes()))
        for name in _LINKED:
            with own_errors_suppressed(OSError):
                told.append(os.readlink(me / name))
        told.extend(found[0].decode() for found in _STATUS.finditer((me / "status").read_bytes()))
        return hashlib.sha256(json.dumps(told).encode("utf-8", "surrogateescape")).hexdigest()[:32]

    def ask(self, **wanted: Any) -> str:
        """Leaves word of what is wanted, which must hold no secret. Returns its name. Raises OSError."""
        name = f"{os.getpid()}-{secrets.token_hex(6)}"
        me = process_of(os.getpid())
        trainer = {"pid": os.getpid(), "started": me and me.started}
        text = json.dumps({"trainer": trainer, **wanted})
        for last in (False, True):
            try:
                self.folder.mkdir(mode=0o700, exist_ok=True)
                write_whole(self.folder / f"{name}.ask", text, mode=0o600)
            except FileNotFoundError:  # a host has ended just now, and has taken its folder along
                if last:
                    raise
            else:
                break
        return name

    def call(self, *, start: bool) -> bool:
        """Wakes the host; where there is none, starts one if `start` says so. False: none will come.

        Raises OSError where none can be started.
        """
        try:
            bell = os.open(self.folder / "bell", os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno not in (errno.ENXIO, errno.ENOENT):
                raise
            return self._start(wanted=start)
        try:
            with own_errors_suppressed(OSError):  # it has been rung often enough; or the host has ended just now
                os.write(bell, b"!")
        finally:
            os.close(bell)
        return True

    def _start(self, *, wanted: bool) -> bool:
        import fcntl

        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # somebody starts one, or one is ending: who asks again will see
                return True
            if not wanted:
                return False
            with own_errors_suppressed(FileExistsError):
                os.mkfifo(self.folder / "bell", 0o600)
            process = start_python(
                MODULE,
                str(self.folder),
                str(lock),
                log=self.folder / "log",
                before=DEFER + _GIVE_WAY,
                base=self._environment,
                interpreter=self._interpreter,
                keep=[lock],
            )
        finally:
            os.close(lock)
        let_go(process)
        with own_errors_suppressed(RuntimeError):  # no more threads; from Python 3.12 on none at the interpreter's exit
            threading.Thread(target=_see_off, args=(process.pid,), name="wandb_swan-host", daemon=True).start()
        return True


def _see_off(pid: int) -> None:
    """The process that was started forks the host and ends at once: it is not to stay as a zombie."""
    with own_errors_suppressed(ChildProcessError):  # the program waits for every child
        os.waitpid(pid, 0)
